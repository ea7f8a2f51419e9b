namespace AdaptiveSoftmax.Tool.Weights;

/// <summary>What to do with a bias a token in a tail cluster, which a layer does not have.</summary>
internal enum TailBias
{
    /// <summary>Refuse the file, unless the bias is the same for all tokens of its cluster, which a softmax cancels.</summary>
    Refuse,

    /// <summary>Leave it out, and say by how much log-probs may change.</summary>
    Drop,

    /// <summary>Keep it exactly, as the weight of one more input that the model's body must set to 1.</summary>
    Input,
}

/// <summary>What the tensors of a file do not say by themselves.</summary>
/// <param name="Cutoffs">The first slot of each tail cluster, or null.</param>
/// <param name="HeadBias">Whether the layer is to have a head bias, or null to follow the file.</param>
/// <param name="TailBias">What to do with biases in tail clusters.</param>
internal sealed record ConvertOptions(IReadOnlyList<int>? Cutoffs = null, bool? HeadBias = null, TailBias TailBias = TailBias.Refuse);
