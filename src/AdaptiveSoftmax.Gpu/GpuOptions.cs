namespace AdaptiveSoftmax.Gpu;

/// <summary>How a layer runs on a device.</summary>
public sealed record GpuOptions
{
    /// <summary>128 MiB of logits, and no tensor cores.</summary>
    public static GpuOptions Default { get; } = new();

    /// <summary>
    /// The bytes of logits that a training step keeps at once. The rows of a weight are taken in chunks that fit, so that
    /// memory does not grow with the vocabulary: the logits of the first chunk stay from the forward to the backward pass,
    /// those of further chunks are computed again. A larger budget means fewer products and fewer launches. Where a sixteenth
    /// more spares the head a chunk, it is taken.
    /// </summary>
    public long LogitBytes { get; init; } = 128L << 20;

    /// <summary>Whether training multiplies on tensor cores, in bfloat16; off unless asked for.</summary>
    public TensorCoreUse TensorCores { get; init; } = TensorCoreUse.Off;

    /// <summary>Whether the logits of a first chunk are kept. It changes no bit; tests compare with none kept.</summary>
    internal bool KeepsLogits { get; init; } = true;

    /// <summary>Makes the products on tensor cores; tests compute them in another way.</summary>
    internal Func<GpuLinear, ITensorProducts>? TensorProducts { get; init; }

    internal void Check()
    {
        if (TensorCores is not (TensorCoreUse.Off or TensorCoreUse.On))
            throw new ArgumentException($"The use of tensor cores is {TensorCores}, which is none of {nameof(TensorCoreUse.Off)} and {nameof(TensorCoreUse.On)}.");
        if (LogitBytes < 0)
            throw new ArgumentException(FormattableString.Invariant($"The memory for logits is {LogitBytes} bytes; it must not be negative."));
    }
}
