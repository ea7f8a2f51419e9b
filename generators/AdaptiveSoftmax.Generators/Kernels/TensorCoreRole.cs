namespace AdaptiveSoftmax.Generators;

/// <summary>
/// What a tensor-core kernel computes. M stands for tokens, a number read from <c>counts[countIndex]</c> on the device; R
/// for classes; K for the width of the inputs. Operands are bfloat16 with rows that start at multiples of 16 bytes; what
/// lies between the last column and the next row may be anything.
/// </summary>
internal enum TensorCoreRole
{
    /// <summary>
    /// Inputs [M, K] times weights [R, K] transposed, plus a bias [R] unless its address is 0. Of each token and tile of
    /// columns the maximum and the sum of exponentials less it go to <c>partials[tile · rowCapacity + token]</c>, two
    /// float32; the logit of a token's target goes to <c>targetLogits[token]</c>, which stays as it was where
    /// <c>targetColumns[token]</c> is none of the columns.
    /// </summary>
    Logits,

    /// <summary>
    /// The same product for the columns from <c>firstColumn</c> on, turned into the loss's gradient by the logits:
    /// bfloat16 [M, columns] of scale · (exp(logit − logSumExps[token]) − 1 for the target). Columns up to the next
    /// multiple of 8 become zeros. Targets and bias count from the matrix's first column.
    /// </summary>
    Gradient,

    /// <summary>
    /// Gradients [M, columns] times the weights' rows from <c>firstColumn</c> on: the gradient by the inputs, float32
    /// [M, K], set or added to. Where its rows start at multiples of 8 bytes, a number after an odd last column changes.
    /// </summary>
    InputGradient,

    /// <summary>
    /// Gradients [M, columns] transposed times inputs [M, K]: the rows from <c>firstColumn</c> on of the gradient by the
    /// weights, float32 [R, K], set or added to, as for <see cref="InputGradient"/>. Without tokens they are set to zeros.
    /// </summary>
    WeightGradient,
}
