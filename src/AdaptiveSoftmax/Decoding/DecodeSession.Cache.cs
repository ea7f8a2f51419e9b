using System.Buffers;

namespace AdaptiveSoftmax;

// Top-k through a cache. These calls take no options, so nothing but context and weights decides on what is kept.
public sealed unsafe partial class DecodeSession
{
    /// <summary>The cache of the calls with a context's key; null where they compute every time.</summary>
    public DecodeCache? Cache { get; }

    /// <summary>
    /// The most probable tokens of a context, from <see cref="Cache"/> where it has them, and else computed and kept there.
    /// With one place it is greedy decoding. Entries belong to the weights that made them: once these change, and for other
    /// layers that share the cache, the context is computed anew.
    /// </summary>
    /// <param name="contextKey">The caller's key of the context; equal keys promise equal hidden vectors.</param>
    /// <param name="hidden">The context's hidden vector, [hidden].</param>
    /// <param name="tokens">Receives token ids, best first, [k].</param>
    /// <param name="logProbs">Receives their log-probs, [k].</param>
    /// <returns>What was found; without a tail visited where the cache had it.</returns>
    /// <exception cref="ArgumentException">The sizes do not agree, or k is more than an entry of the cache holds.</exception>
    /// <exception cref="DecodeException">A value that was read is not finite; nothing is kept.</exception>
    /// <exception cref="ObjectDisposedException">The session or the layer is disposed.</exception>
    public TopKResult TopK(UInt128 contextKey, ReadOnlySpan<float> hidden, Span<int> tokens, Span<float> logProbs)
    {
        if (hidden.Length != _softmax.Layout.HiddenSize)
            throw new ArgumentException(FormattableString.Invariant($"The hidden vector has {hidden.Length} values; the hidden size is {_softmax.Layout.HiddenSize}."), nameof(hidden));
        if (TryGetCached(contextKey, tokens, logProbs, out var variant, out var cached)) return cached;
        return Keep(contextKey, variant, tokens, logProbs, TopK(hidden, tokens, logProbs));
    }

    /// <inheritdoc cref="TopK(UInt128, ReadOnlySpan{float}, Span{int}, Span{float})"/>
    /// <param name="contextKey">The caller's key of the context.</param>
    /// <param name="computeHidden">Writes the context's hidden vector, [hidden]; called only where the cache does not know the context.</param>
    /// <param name="tokens">Receives token ids, best first, [k].</param>
    /// <param name="logProbs">Receives their log-probs, [k].</param>
    public TopKResult TopK(UInt128 contextKey, Action<Span<float>> computeHidden, Span<int> tokens, Span<float> logProbs)
    {
        ArgumentNullException.ThrowIfNull(computeHidden);
        if (TryGetCached(contextKey, tokens, logProbs, out var variant, out var cached)) return cached;
        // Its own for each call, since what computes the vector may decode with the session as well.
        var buffer = ArrayPool<float>.Shared.Rent(_softmax.Layout.HiddenSize);
        try
        {
            var hidden = buffer.AsSpan(0, _softmax.Layout.HiddenSize);
            hidden.Clear();
            computeHidden(hidden);
            return Keep(contextKey, variant, tokens, logProbs, TopK(hidden, tokens, logProbs));
        }
        finally
        {
            ArrayPool<float>.Shared.Return(buffer);
        }
    }

    private bool TryGetCached(UInt128 contextKey, Span<int> tokens, Span<float> logProbs, out ulong variant, out TopKResult result)
    {
        ThrowIfDisposed();
        var k = CachedTokens(tokens.Length);
        variant = _softmax.CacheVariant;
        result = new TopKResult(k, TailsVisited: 0, UnseenMass: 0);
        if (k == 0) return false;
        if (logProbs.Length != tokens.Length)
            throw new ArgumentException($"There is room for {tokens.Length} tokens and {logProbs.Length} log-probs; give one place each.", nameof(logProbs));
        if (k > Cache!.TokensPerEntry)
            throw new ArgumentException(FormattableString.Invariant($"{k} tokens are more than the {Cache.TokensPerEntry} of a cache's entry; make the cache with tokensPerEntry: {k}, or ask for fewer."), nameof(tokens));
        if (!Cache.TryGet(contextKey, tokens[..k], logProbs[..k], variant)) return false;
        tokens[k..].Fill(-1);
        logProbs[k..].Fill(float.NegativeInfinity);
        return true;
    }

    private TopKResult Keep(UInt128 contextKey, ulong variant, Span<int> tokens, Span<float> logProbs, TopKResult result)
    {
        // Where the weights changed meanwhile, nobody knows which ones made the result.
        if (CachedTokens(tokens.Length) is > 0 and var k && variant == _softmax.CacheVariant) Cache!.Set(contextKey, tokens[..k], logProbs[..k], variant);
        return result;
    }

    // A vocabulary may have fewer tokens than were asked for.
    private int CachedTokens(int k) => Cache is null ? 0 : Math.Min(k, _softmax.Layout.VocabularySize);
}
