namespace AdaptiveSoftmax;

/// <summary>How the losses of a batch's tokens become one number, as in PyTorch.</summary>
public enum Reduction
{
    /// <summary>
    /// The mean over the targets that are not ignored, weighted where tokens have weights; 0 where there are none (PyTorch
    /// gives NaN there).
    /// </summary>
    Mean,

    /// <summary>The sum over the targets that are not ignored, each times its token's weight.</summary>
    Sum,

    /// <summary>
    /// They stay apart, and the call must be given room for them. What is returned, and what a backward pass takes the
    /// gradient of, is their sum, each times its token's weight: a weight is what PyTorch hands <c>backward</c> for a loss.
    /// </summary>
    None,
}
