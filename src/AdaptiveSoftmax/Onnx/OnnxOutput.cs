namespace AdaptiveSoftmax;

/// <summary>What an exported ONNX model computes of hidden vectors.</summary>
public enum OnnxOutput
{
    /// <summary>
    /// The most probable token, <c>token</c> [tokens], by id, and its log-prob, <c>log_prob</c> [tokens]. A tail is under an
    /// <c>If</c>, and is not computed when it can win for none of the vectors.
    /// </summary>
    Greedy,

    /// <summary>
    /// All log-probs, <c>log_probs</c> [tokens, vocabulary], columns in slot order, and the id of each column's token,
    /// <c>token_ids</c> [vocabulary].
    /// </summary>
    LogProbs,
}
