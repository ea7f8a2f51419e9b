namespace AdaptiveSoftmax.Generators;

/// <summary>
/// What a tensor-core kernel computes. M stands for tokens, R for classes, K for the width of the inputs. Operands are
/// bfloat16 with rows that start at multiples of 16 bytes; what lies between the last column and the next row may be
/// anything.
/// </summary>
/// <remarks>
/// What the host does not know is read on the device: <c>plan</c> is the address of a cluster's plan, four 32-bit integers: the
/// place of its first token in a batch, its tokens M, the classes of a chunk, a multiple of 8, and in how many shares the
/// contraction of <see cref="InputGradient"/> is summed. A launch takes the chunk number <c>pass</c> of the classes, and
/// has nothing to do past the last one.
/// </remarks>
internal enum TensorCoreRole
{
    /// <summary>
    /// Inputs [M, K] times weights [R, K] transposed, plus a bias [R] unless its address is 0. Of each token and strip of
    /// column tiles the maximum and the sum of exponentials less it go to <c>partials[strip · rowCapacity + token]</c>, two
    /// float32; the logit of a token's target goes to <c>targetLogits[token]</c>, which stays as it was where
    /// <c>targetColumns[token]</c> is none of the columns.
    /// </summary>
    Logits,

    /// <summary>
    /// The same product for the columns of a chunk, turned into the loss's gradient by the logits: bfloat16 [M, chunk] of
    /// scale · (exp(logit − logSumExps[token]) − 1 for the target). Columns up to the next multiple of 8 become zeros.
    /// Targets and bias count from the matrix's first column.
    /// </summary>
    Gradient,

    /// <summary>
    /// Gradients [M, chunk] times the weights' rows of the chunk: the gradient by the inputs, float32 [M, K] from the cluster's
    /// first token on, set by the first pass and added to by others. Several shares go one after the other to
    /// <c>outputShares</c> [shares, M, K] instead. Columns up to the next multiple of 8 become zeros.
    /// </summary>
    InputGradient,

    /// <summary>
    /// Gradients [M, chunk] transposed times inputs [M, K]: the chunk's rows of the gradient by the weights, float32 [R, K],
    /// set, or added to if <c>hasOutput[0]</c> is not 0. Several shares go one after the other to <c>outputShares</c>
    /// [shares, rows of the chunk, K] instead. Columns up to the next multiple of 8 become zeros. Without tokens nothing is written.
    /// </summary>
    WeightGradient,
}
