namespace AdaptiveSoftmax;

/// <summary>
/// The tokens of a sequence, and how often each has occurred, which is what penalties need to know. Made by
/// <see cref="SoftmaxDecoder.CreateHistory"/>; it belongs to one sequence.
/// </summary>
public sealed class TokenHistory
{
    private readonly ISoftmaxVocabulary _softmax;
    private readonly Dictionary<int, int> _places;
    private readonly int[] _distinct;
    private readonly int[] _mostFrequent;
    private int[] _tokens;
    private int[] _slots;
    private int[] _counts;

    internal TokenHistory(ISoftmaxVocabulary softmax)
    {
        _softmax = softmax;
        _places = [];
        _distinct = new int[softmax.Layout.TailCount + 1];
        _mostFrequent = new int[softmax.Layout.TailCount + 1];
        (_tokens, _slots, _counts) = (new int[64], new int[64], new int[64]);
    }

    private TokenHistory(TokenHistory source)
    {
        _softmax = source._softmax;
        _places = new Dictionary<int, int>(source._places);
        (_distinct, _mostFrequent) = ([.. source._distinct], [.. source._mostFrequent]);
        (_tokens, _slots, _counts) = ([.. source._tokens], [.. source._slots], [.. source._counts]);
        (Length, DistinctCount) = (source.Length, source.DistinctCount);
    }

    /// <summary>The number of tokens, each occurrence counted.</summary>
    public int Length { get; private set; }

    /// <summary>The number of different tokens.</summary>
    public int DistinctCount { get; private set; }

    /// <summary>The token ids in their order. The span holds until the next change.</summary>
    public ReadOnlySpan<int> Tokens => _tokens.AsSpan(0, Length);

    /// <summary>Counts an occurrence of a token.</summary>
    /// <param name="token">A token id.</param>
    /// <exception cref="ArgumentException">The id is not in the vocabulary.</exception>
    public void Add(int token)
    {
        var slot = _softmax.SlotOf(token);
        if (slot < 0) throw new ArgumentException(FormattableString.Invariant($"Token {token} is not in the vocabulary of {_softmax.Layout.VocabularySize} tokens."), nameof(token));
        var cluster = _softmax.Layout.ClusterOf(slot);
        if (!_places.TryGetValue(slot, out var place))
        {
            place = DistinctCount++;
            if (place == _slots.Length)
            {
                Array.Resize(ref _slots, 2 * place);
                Array.Resize(ref _counts, 2 * place);
            }

            _places.Add(slot, place);
            (_slots[place], _counts[place]) = (slot, 0);
            _distinct[cluster]++;
        }

        _mostFrequent[cluster] = Math.Max(_mostFrequent[cluster], ++_counts[place]);
        if (Length == _tokens.Length) Array.Resize(ref _tokens, 2 * Length);
        _tokens[Length++] = token;
    }

    /// <summary>Counts the tokens of a text, such as a prompt.</summary>
    /// <param name="tokens">Token ids.</param>
    /// <exception cref="ArgumentException">An id is not in the vocabulary; those before it are counted.</exception>
    public void Add(ReadOnlySpan<int> tokens)
    {
        foreach (var token in tokens) Add(token);
    }

    /// <summary>Forgets the last tokens, such as those of a draft that was not accepted.</summary>
    /// <param name="length">How many of the first ones are kept.</param>
    /// <exception cref="ArgumentOutOfRangeException">It is negative or above <see cref="Length"/>.</exception>
    public void CutBack(int length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, Length);
        if (length == Length) return;
        while (Length > length)
        {
            // A token's first occurrence leaves after all later ones, so what it leaves is the last different token.
            var slot = _softmax.SlotOf(_tokens[--Length]);
            if (--_counts[_places[slot]] > 0) continue;
            _places.Remove(slot);
            _distinct[_softmax.Layout.ClusterOf(slot)]--;
            DistinctCount--;
        }

        _mostFrequent.AsSpan().Clear();
        for (var i = 0; i < DistinctCount; i++)
        {
            ref var most = ref _mostFrequent[_softmax.Layout.ClusterOf(_slots[i])];
            most = Math.Max(most, _counts[i]);
        }
    }

    /// <summary>A copy that goes its own way from here, as a beam or a draft does.</summary>
    public TokenHistory Clone() => new(this);

    /// <summary>Forgets all tokens.</summary>
    public void Clear()
    {
        _places.Clear();
        _distinct.AsSpan().Clear();
        _mostFrequent.AsSpan().Clear();
        (Length, DistinctCount) = (0, 0);
    }

    internal SoftmaxIdentity Identity => _softmax.Identity;

    /// <summary>Checks that it is of the same vocabulary.</summary>
    internal void Check(ISoftmaxVocabulary softmax, string name)
    {
        if (!Identity.Equals(softmax.Identity)) throw new ArgumentException("The history belongs to another vocabulary; make it with this layer's CreateHistory.", name);
    }

    /// <summary>The slots that occur, in the order of their first occurrence.</summary>
    internal ReadOnlySpan<int> Slots => _slots.AsSpan(0, DistinctCount);

    /// <summary>How often each of <see cref="Slots"/> occurs.</summary>
    internal ReadOnlySpan<int> Counts => _counts.AsSpan(0, DistinctCount);

    /// <summary>How often the token of a slot occurs.</summary>
    internal int CountOf(int slot) => _places.TryGetValue(slot, out var place) ? _counts[place] : 0;

    /// <summary>The number of different tokens of a cluster: cluster 0 is the head, cluster i + 1 is tail i.</summary>
    internal int Distinct(int cluster) => _distinct[cluster];

    /// <summary>How often the most frequent token of a cluster occurs.</summary>
    internal int MostFrequent(int cluster) => _mostFrequent[cluster];
}
