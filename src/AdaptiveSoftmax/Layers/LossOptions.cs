using System.Globalization;

namespace AdaptiveSoftmax;

/// <summary>What the loss of a batch is made of; names and defaults follow PyTorch's <c>cross_entropy</c>.</summary>
public sealed record LossOptions
{
    /// <summary>The mean of −log p over all targets but <c>-100</c>.</summary>
    public static LossOptions Default { get; } = new();

    /// <summary>The target that stands for no target, <c>ignore_index</c>: it adds nothing to loss or gradient.</summary>
    public int IgnoreIndex { get; init; } = -100;

    /// <summary>How losses of tokens become one number.</summary>
    public Reduction Reduction { get; init; } = Reduction.Mean;

    /// <summary>
    /// The share e in [0, 1] of each target that is spread evenly over all V tokens, <c>label_smoothing</c>: the loss of
    /// a token is (1 − e) · −log p(target) + e / V · Σ −log p(w). Above 0 every token needs every tail, so a step costs
    /// far more.
    /// </summary>
    public float LabelSmoothing { get; init; }

    /// <summary>
    /// What a backward pass multiplies all of its gradients by, and not the loss that it returns. With 1 / n, gradients that n
    /// passes add up are those of the mean of their losses.
    /// </summary>
    public double GradientScale { get; init; } = 1;

    internal void Check()
    {
        if (Reduction is not (Reduction.Mean or Reduction.Sum or Reduction.None))
            throw new ArgumentException($"The reduction {Reduction} is none of {nameof(Reduction.Mean)}, {nameof(Reduction.Sum)} and {nameof(Reduction.None)}.");
        if (!(LabelSmoothing is >= 0 and <= 1))
            throw new ArgumentException(string.Create(CultureInfo.InvariantCulture, $"The label smoothing is {LabelSmoothing}; it must be from 0 to 1."));
        if (!double.IsFinite(GradientScale))
            throw new ArgumentException(string.Create(CultureInfo.InvariantCulture, $"The scale of the gradients is {GradientScale}; it must be finite."));
    }
}
