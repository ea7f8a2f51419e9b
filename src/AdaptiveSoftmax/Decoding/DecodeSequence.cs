namespace AdaptiveSoftmax;

/// <summary>
/// One sequence that is being decoded: its options, random numbers and tokens so far. In a batch each row has one, so
/// rows with different options can share a call.
/// </summary>
public sealed class DecodeSequence
{
    private static long s_batches;
    private long _batch;

    /// <summary>Starts a sequence.</summary>
    /// <param name="softmax">The softmax that decodes it, or one of the same vocabulary.</param>
    /// <param name="options">How tokens are chosen; null for <see cref="DecodeOptions.Default"/>.</param>
    /// <param name="seed">The seed of its random numbers.</param>
    /// <exception cref="ArgumentException">An option is out of range, or belongs to another layer.</exception>
    public DecodeSequence(SoftmaxDecoder softmax, DecodeOptions? options = null, ulong seed = 0)
    {
        ArgumentNullException.ThrowIfNull(softmax);
        Options = options ?? DecodeOptions.Default;
        Options.Check(softmax);
        History = softmax.CreateHistory();
        Random = new SampleRandom(seed);
    }

    /// <summary>How tokens are chosen.</summary>
    public DecodeOptions Options { get; }

    /// <summary>The tokens so far; add a prompt's to have penalties count them. Decoding adds each chosen token.</summary>
    public TokenHistory History { get; }

    /// <summary>Where the random numbers stand. Decoding moves it on.</summary>
    public SampleRandom Random { get; set; }

    /// <summary>A number for one batch.</summary>
    internal static long NewBatch() => Interlocked.Increment(ref s_batches);

    /// <summary>Takes a row of a batch; false where the sequence has one in it already.</summary>
    internal bool Enter(long batch) => Interlocked.Exchange(ref _batch, batch) != batch;
}
