using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax;

/// <summary>How a layer runs on the CPU. No option changes the bits of a result.</summary>
public sealed record AdaptiveSoftmaxOptions
{
    /// <summary>All processors and 64 MiB of logits.</summary>
    public static AdaptiveSoftmaxOptions Default { get; } = new();

    /// <summary>The number of threads, the caller's included, at least 1; all processors at first. It changes no bit.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is below 1.</exception>
    public int Threads
    {
        get;
        init => field = ThreadCount.Check(value, nameof(Threads));
    } = ThreadCount.Default;

    /// <summary>
    /// The bytes of logits that are kept at a time. Tokens are taken in blocks that fit, of at least 32 and at most 256
    /// tokens, so that memory does not grow with the batch.
    /// </summary>
    public long ScratchBytes { get; init; } = LogitBlocks.DefaultBytes;

    internal void Check()
    {
        if (ScratchBytes < 0)
            throw new ArgumentException(FormattableString.Invariant($"The scratch memory is {ScratchBytes} bytes; it must not be negative."));
    }
}
