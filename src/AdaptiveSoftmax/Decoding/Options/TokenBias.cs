namespace AdaptiveSoftmax;

/// <summary>
/// What is added to the log-probs of single tokens, with −∞ to forbid one. Made by <see cref="SoftmaxDecoder.CreateBias"/>;
/// it never changes and may serve any number of sequences.
/// </summary>
public sealed class TokenBias
{
    private readonly int[] _slots;
    private readonly float[] _values;

    // Where the entries of the head and of each tail begin; one more at the end.
    private readonly int[] _starts;
    private readonly float[] _largestRaise;

    internal TokenBias(ISoftmaxVocabulary softmax, IEnumerable<KeyValuePair<int, float>> values)
    {
        Identity = softmax.Identity;
        var entries = new SortedDictionary<int, float>();
        foreach (var (token, value) in values)
        {
            var slot = softmax.SlotOf(token);
            if (slot < 0) throw new ArgumentException(FormattableString.Invariant($"Token {token} has a bias and is not in the vocabulary of {softmax.Layout.VocabularySize} tokens."), nameof(values));
            if (!float.IsNegativeInfinity(value) && !(MathF.Abs(value) <= DecodeOptions.LargestShift))
                throw new ArgumentException(FormattableString.Invariant($"The bias of token {token} is {value}; it must be from -1E+20 to 1E+20, or -Infinity to forbid the token."), nameof(values));
            if (!entries.TryAdd(slot, value)) throw new ArgumentException(FormattableString.Invariant($"Token {token} has two biases; give one."), nameof(values));
        }

        _slots = [.. entries.Keys];
        _values = [.. entries.Values];
        var layout = softmax.Layout;
        _starts = new int[layout.TailCount + 2];
        _largestRaise = new float[layout.TailCount + 1];
        for (var cluster = 0; cluster <= layout.TailCount; cluster++)
        {
            var end = cluster < layout.TailCount ? layout.Tails[cluster].Start : layout.VocabularySize;
            var found = Array.BinarySearch(_slots, end);
            _starts[cluster + 1] = found < 0 ? ~found : found;
            for (var i = _starts[cluster]; i < _starts[cluster + 1]; i++) _largestRaise[cluster] = MathF.Max(_largestRaise[cluster], _values[i]);
        }
    }

    /// <summary>The number of tokens that have a bias.</summary>
    public int Count => _slots.Length;

    internal SoftmaxIdentity Identity { get; }

    /// <summary>The slots of one cluster in ascending order: cluster 0 is the head, cluster i + 1 is tail i.</summary>
    internal ReadOnlySpan<int> Slots(int cluster) => _slots.AsSpan(_starts[cluster].._starts[cluster + 1]);

    /// <summary>The biases of <see cref="Slots"/>.</summary>
    internal ReadOnlySpan<float> Values(int cluster) => _values.AsSpan(_starts[cluster].._starts[cluster + 1]);

    /// <summary>The largest bias of a cluster, or 0 where none is positive.</summary>
    internal float LargestRaise(int cluster) => _largestRaise[cluster];
}
