namespace AdaptiveSoftmax;

/// <summary>How the losses of a batch's tokens become one number, as in PyTorch.</summary>
public enum Reduction
{
    /// <summary>The mean over the targets that are not ignored; 0 where there are none (PyTorch gives NaN there).</summary>
    Mean,

    /// <summary>The sum over the targets that are not ignored.</summary>
    Sum,
}
