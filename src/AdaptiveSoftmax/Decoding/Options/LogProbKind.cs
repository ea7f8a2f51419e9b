namespace AdaptiveSoftmax;

/// <summary>Which log-probs a decoding call reports.</summary>
public enum LogProbKind
{
    /// <summary>The model's own, before penalties, biases, mask, temperature and filters.</summary>
    Model,

    /// <summary>
    /// After penalties, biases and mask, renormalised; temperature and filters do not enter. Renormalising needs every tail
    /// that has a token with a penalty or a bias, or only some of its tokens allowed.
    /// </summary>
    Adjusted,
}
