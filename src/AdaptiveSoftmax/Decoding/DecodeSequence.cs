namespace AdaptiveSoftmax;

/// <summary>
/// One sequence that is being decoded: its options, random numbers and tokens so far. In a batch each row has one, so
/// rows with different options can share a call.
/// </summary>
public sealed class DecodeSequence
{
    private static long s_batches;

    private readonly ISoftmaxVocabulary _softmax;
    private long _batch;

    /// <summary>Starts a sequence.</summary>
    /// <param name="softmax">The softmax that decodes it, or one of the same vocabulary.</param>
    /// <param name="options">How tokens are chosen; null for <see cref="DecodeOptions.Default"/>.</param>
    /// <param name="seed">The seed of its random numbers.</param>
    /// <exception cref="ArgumentException">An option is out of range, or belongs to another layer.</exception>
    public DecodeSequence(SoftmaxDecoder softmax, DecodeOptions? options = null, ulong seed = 0)
        : this(softmax ?? throw new ArgumentNullException(nameof(softmax)), softmax.CreateHistory(), options, seed)
    {
    }

    internal DecodeSequence(ISoftmaxVocabulary softmax, TokenHistory history, DecodeOptions? options, ulong seed)
    {
        _softmax = softmax;
        Options = options ?? DecodeOptions.Default;
        History = history;
        Random = new SampleRandom(seed);
    }

    private DecodeSequence(DecodeSequence source, SampleRandom random)
    {
        _softmax = source._softmax;
        Options = source.Options;
        History = source.History.Clone();
        (Retrieved, RetrievedWeight) = (source.Retrieved, source.RetrievedWeight);
        Random = random;
    }

    /// <summary>How tokens are chosen, from the next one on.</summary>
    /// <exception cref="ArgumentException">An option is out of range, or belongs to another layer; the options stay as they were.</exception>
    public DecodeOptions Options
    {
        get;
        set
        {
            ArgumentNullException.ThrowIfNull(value);
            value.Check(_softmax);
            field = value;
        }
    }

    /// <summary>The tokens so far; add a prompt's to have penalties count them. Decoding adds each chosen token.</summary>
    public TokenHistory History { get; }

    /// <summary>What a retriever found, mixed into the next tokens; null for nothing. Set by <see cref="Retrieve"/>.</summary>
    public RetrievedTokens? Retrieved { get; private set; }

    /// <summary>λ, the weight of <see cref="Retrieved"/>.</summary>
    public float RetrievedWeight { get; private set; }

    /// <summary>
    /// Says what is mixed into the distributions of the next steps, until it is said anew. The tokens are not copied: fill them
    /// before each step.
    /// </summary>
    /// <param name="retrieved">The retrieved tokens; null for none.</param>
    /// <param name="weight">λ, from 0 to 1.</param>
    /// <exception cref="ArgumentException">λ is out of range, or the tokens are of another vocabulary; all stays as it was.</exception>
    public void Retrieve(RetrievedTokens? retrieved, float weight)
    {
        RetrievedTokens.Check(_softmax, retrieved, weight);
        (Retrieved, RetrievedWeight) = (retrieved, weight);
    }

    internal Retrieval Retrieval => new(Retrieved, RetrievedWeight);

    /// <summary>Where the random numbers stand. Decoding moves it on by a position a token; set it back to draw the same numbers again.</summary>
    public SampleRandom Random { get; set; }

    /// <summary>A sequence with the same options, retrieved tokens and tokens so far, which goes its own way from here.</summary>
    /// <param name="random">Its random numbers: those of this one give the same tokens, another stream gives others.</param>
    public DecodeSequence Fork(SampleRandom random) => new(this, random);

    /// <summary>Checks that the rows of a batch have a sequence each.</summary>
    /// <exception cref="ArgumentException">One is null, or stands in two rows.</exception>
    internal static void EnterBatch(ReadOnlySpan<DecodeSequence> sequences)
    {
        var batch = Interlocked.Increment(ref s_batches);
        for (var i = 0; i < sequences.Length; i++)
        {
            if (sequences[i] is null) throw new ArgumentException(FormattableString.Invariant($"Sequence {i} is null."), nameof(sequences));
            if (Interlocked.Exchange(ref sequences[i]._batch, batch) == batch)
                throw new ArgumentException(FormattableString.Invariant($"Sequence {i} stands in an earlier row too; each row needs a sequence of its own, since it has one history and one stream of random numbers."), nameof(sequences));
        }
    }

    /// <summary>Adds a token that was drawn, behind which the random numbers stand at the next position.</summary>
    internal void MoveOn(int token)
    {
        Random = Random.Next();
        History.Add(token);
    }
}
