namespace AdaptiveSoftmax.Generators;

/// <summary>What a tensor-core kernel computes. M stands for tokens, R for a matrix's rows (classes), K for its input width.</summary>
internal enum TensorCoreRole
{
    /// <summary>X [M, K] times Wᵀ [K, R]: of each token and tile of classes the maximum and the sum of exponentials, and the target's logit.</summary>
    Logits,

    /// <summary>The same product for a chunk of classes, turned into the loss's gradient by the logits, D [M, chunk].</summary>
    Gradient,

    /// <summary>D [M, chunk] times W [chunk, K]: the gradient by the inputs.</summary>
    InputGradient,

    /// <summary>Dᵀ [chunk, M] times X [M, K]: the gradient by the weights.</summary>
    WeightGradient,
}
