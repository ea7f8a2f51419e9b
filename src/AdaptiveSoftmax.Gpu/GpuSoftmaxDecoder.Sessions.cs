namespace AdaptiveSoftmax.Gpu;

// Top-k and sampling: sessions, and what their options are made of.
public abstract partial class GpuSoftmaxDecoder : ISoftmaxVocabulary
{
    private TokenIds? _tokenIds;

    TokenIds ISoftmaxVocabulary.TokenIds => _tokenIds ??= new TokenIds(this);

    /// <summary>Begins to decode batches with top-k and sampling. Dispose the session before the layer.</summary>
    /// <exception cref="ObjectDisposedException">The layer is disposed.</exception>
    public GpuDecodeSession CreateSession()
    {
        CheckUsable();
        return new GpuDecodeSession(this, new DecodeStep(Accelerator, Layout, _linears, Tables, Options.LogitBytes));
    }

    /// <summary>Starts a sequence that is decoded on the device; <see cref="DecodeSequence"/> makes those of the CPU.</summary>
    /// <param name="options">How tokens are chosen; null for <see cref="DecodeOptions.Default"/>.</param>
    /// <param name="seed">The seed of its random numbers.</param>
    /// <exception cref="ArgumentException">An option is out of range, or belongs to another layer.</exception>
    /// <exception cref="ObjectDisposedException">The layer is disposed.</exception>
    public DecodeSequence CreateSequence(DecodeOptions? options = null, ulong seed = 0) => new(this, CreateHistory(), options, seed);

    /// <inheritdoc cref="SoftmaxDecoder.CreateHistory"/>
    public TokenHistory CreateHistory()
    {
        CheckUsable();
        return new TokenHistory(this);
    }

    /// <inheritdoc cref="SoftmaxDecoder.CreateBias"/>
    public TokenBias CreateBias(IEnumerable<KeyValuePair<int, float>> values)
    {
        ArgumentNullException.ThrowIfNull(values);
        CheckUsable();
        return new TokenBias(this, values);
    }

    /// <inheritdoc cref="SoftmaxDecoder.CreateMask"/>
    public TokenMask CreateMask()
    {
        CheckUsable();
        return new TokenMask(this);
    }

    /// <inheritdoc cref="SoftmaxDecoder.CreateAllowMask"/>
    public TokenMask CreateAllowMask(IEnumerable<int> tokens)
    {
        ArgumentNullException.ThrowIfNull(tokens);
        CheckUsable();
        return new TokenMask(this, tokens, areAllowed: true);
    }

    /// <inheritdoc cref="SoftmaxDecoder.CreateDenyMask"/>
    public TokenMask CreateDenyMask(IEnumerable<int> tokens)
    {
        ArgumentNullException.ThrowIfNull(tokens);
        CheckUsable();
        return new TokenMask(this, tokens, areAllowed: false);
    }

    int ISoftmaxVocabulary.SlotOf(int tokenId) => FindSlot(tokenId);

    int ISoftmaxVocabulary.TokenOf(int slot) => GetTokenId(slot);
}
