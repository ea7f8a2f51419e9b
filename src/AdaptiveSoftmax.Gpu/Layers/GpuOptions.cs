namespace AdaptiveSoftmax.Gpu;

/// <summary>How a layer runs on a device.</summary>
public sealed record GpuOptions
{
    /// <summary>128 MiB of logits.</summary>
    public static GpuOptions Default { get; } = new();

    /// <summary>
    /// The bytes of logits that a backward pass keeps at once. The rows of a weight are taken in chunks that fit, so that
    /// memory does not grow with the vocabulary; a larger budget means fewer launches.
    /// </summary>
    public long LogitBytes { get; init; } = 128L << 20;

    internal void Check()
    {
        if (LogitBytes < 0)
            throw new ArgumentException($"The memory for logits is {LogitBytes} bytes; it must not be negative.");
    }
}
