namespace AdaptiveSoftmax;

/// <summary>How a layer runs on the CPU. No option changes the bits of a result.</summary>
public sealed record AdaptiveSoftmaxOptions
{
    /// <summary>All processors and 64 MiB of logits.</summary>
    public static AdaptiveSoftmaxOptions Default { get; } = new();

    /// <summary>The number of threads, the caller's included; at least 1.</summary>
    public int Threads { get; init; } = Environment.ProcessorCount;

    /// <summary>
    /// The bytes of logits that are kept at a time. Tokens are taken in blocks that fit, of at least 32 and at most 256
    /// tokens, so that memory does not grow with the batch.
    /// </summary>
    public long ScratchBytes { get; init; } = 64L << 20;

    internal void Check()
    {
        if (Threads < 1)
            throw new ArgumentException($"The number of threads is {Threads}; it must be at least 1.");
        if (ScratchBytes < 0)
            throw new ArgumentException($"The scratch memory is {ScratchBytes} bytes; it must not be negative.");
    }
}
