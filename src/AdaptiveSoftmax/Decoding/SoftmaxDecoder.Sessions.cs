namespace AdaptiveSoftmax;

// Top-k and sampling. A session does the work; calls here borrow one.
public abstract partial class SoftmaxDecoder
{
    private static ulong s_decoders;

    private readonly IdlePool<DecodeSession> _sessions;
    private readonly ulong _number = Interlocked.Increment(ref s_decoders);
    private LayerTags? _tags;
    private TokenIds? _tokenIds;

    /// <summary>What this layer's measurements are tagged with.</summary>
    internal LayerTags Tags => _tags ??= new LayerTags(Name, Layout.TailCount);

    /// <summary>What reports call this layer.</summary>
    private protected virtual string Name => GetType().Name;

    /// <summary>What tells entries in a cache that these weights made from those of other layers and of these weights as they were before.</summary>
    internal ulong CacheVariant => (_number * 0x9E3779B97F4A7C15) ^ (ulong)WeightsVersion;

    TokenIds ISoftmaxVocabulary.TokenIds => _tokenIds ??= new TokenIds(this);

    /// <summary>Begins to decode: a session has the memory that steps work in. Dispose it before the layer.</summary>
    /// <param name="cache">The cache of the calls with a context's key; sessions may share one. Null for none.</param>
    /// <exception cref="ObjectDisposedException">The softmax is disposed.</exception>
    public DecodeSession CreateSession(DecodeCache? cache = null)
    {
        ThrowIfDisposed();
        return new DecodeSession(this, cache);
    }

    /// <summary>An empty history of a sequence, for penalties.</summary>
    /// <exception cref="ObjectDisposedException">The softmax is disposed.</exception>
    public TokenHistory CreateHistory()
    {
        ThrowIfDisposed();
        return new TokenHistory(this);
    }

    /// <summary>An empty set of retrieved tokens, to be filled before each step and mixed into its distribution.</summary>
    /// <exception cref="ObjectDisposedException">The softmax is disposed.</exception>
    public RetrievedTokens CreateRetrieved()
    {
        ThrowIfDisposed();
        return new RetrievedTokens(this);
    }

    /// <summary>Biases of single tokens.</summary>
    /// <param name="values">Token ids and what is added to their log-probs; −∞ forbids a token.</param>
    /// <exception cref="ArgumentException">A token is not in the vocabulary or occurs twice, or a value is NaN, +∞ or beyond ±1e20.</exception>
    /// <exception cref="ObjectDisposedException">The softmax is disposed.</exception>
    public TokenBias CreateBias(IEnumerable<KeyValuePair<int, float>> values)
    {
        ArgumentNullException.ThrowIfNull(values);
        ThrowIfDisposed();
        return new TokenBias(this, values);
    }

    /// <summary>
    /// A mask that allows every token, to be set from bits: <see cref="TokenMask.SetTokens(ReadOnlySpan{ulong})"/>,
    /// <see cref="TokenMask.SetSlots"/>. One serves a sequence for all its steps.
    /// </summary>
    /// <exception cref="ObjectDisposedException">The softmax is disposed.</exception>
    public TokenMask CreateMask()
    {
        ThrowIfDisposed();
        return new TokenMask(this);
    }

    /// <summary>A mask that allows only the given tokens.</summary>
    /// <param name="tokens">Token ids.</param>
    /// <exception cref="ArgumentException">A token is not in the vocabulary, or there is none.</exception>
    /// <exception cref="ObjectDisposedException">The softmax is disposed.</exception>
    public TokenMask CreateAllowMask(IEnumerable<int> tokens)
    {
        ArgumentNullException.ThrowIfNull(tokens);
        ThrowIfDisposed();
        return new TokenMask(this, tokens, areAllowed: true);
    }

    /// <summary>A mask that allows all but the given tokens.</summary>
    /// <param name="tokens">Token ids.</param>
    /// <exception cref="ArgumentException">A token is not in the vocabulary, or no token is left.</exception>
    /// <exception cref="ObjectDisposedException">The softmax is disposed.</exception>
    public TokenMask CreateDenyMask(IEnumerable<int> tokens)
    {
        ArgumentNullException.ThrowIfNull(tokens);
        ThrowIfDisposed();
        return new TokenMask(this, tokens, areAllowed: false);
    }

    /// <inheritdoc cref="DecodeSession.TopK(ReadOnlySpan{float}, Span{int}, Span{float}, DecodeOptions?, TokenHistory?)"/>
    public TopKResult TopK(ReadOnlySpan<float> hidden, Span<int> tokens, Span<float> logProbs, DecodeOptions? options = null, TokenHistory? history = null)
    {
        var session = _sessions.Rent();
        try
        {
            return session.TopK(hidden, tokens, logProbs, options, history);
        }
        finally
        {
            _sessions.Return(session);
        }
    }

    /// <inheritdoc cref="DecodeSession.Sample(ReadOnlySpan{float}, DecodeOptions, ref SampleRandom, TokenHistory?)"/>
    public DecodedToken Sample(ReadOnlySpan<float> hidden, DecodeOptions options, ref SampleRandom random, TokenHistory? history = null)
    {
        var session = _sessions.Rent();
        try
        {
            return session.Sample(hidden, options, ref random, history);
        }
        finally
        {
            _sessions.Return(session);
        }
    }
}
