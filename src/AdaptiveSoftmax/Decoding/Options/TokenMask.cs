namespace AdaptiveSoftmax;

/// <summary>
/// A set of allowed tokens, for constrained decoding. Made by <see cref="SoftmaxDecoder.CreateAllowMask"/> and <see cref="SoftmaxDecoder.CreateDenyMask"/>; it never changes and may
/// serve any number of sequences. It takes a bit a token.
/// </summary>
public sealed class TokenMask
{
    private readonly ulong[] _allowed;
    private readonly int[] _counts;
    private readonly int[] _starts;

    internal TokenMask(SoftmaxDecoder softmax, IEnumerable<int> tokens, bool areAllowed)
    {
        Identity = softmax.Identity;
        var layout = softmax.Layout;
        _allowed = new ulong[(layout.VocabularySize + 63) / 64];
        if (!areAllowed)
        {
            _allowed.AsSpan().Fill(ulong.MaxValue);
            if (layout.VocabularySize % 64 != 0) _allowed[^1] = (1ul << (layout.VocabularySize % 64)) - 1;
        }

        foreach (var token in tokens)
        {
            var slot = softmax.SlotOf(token);
            if (slot < 0) throw new ArgumentException($"Token {token} is not in the vocabulary of {layout.VocabularySize} tokens.", nameof(tokens));
            var bit = 1ul << (slot & 63);
            if (areAllowed) _allowed[slot >> 6] |= bit;
            else _allowed[slot >> 6] &= ~bit;
        }

        _starts = [0, .. layout.Tails.Select(tail => tail.Start), layout.VocabularySize];
        _counts = [.. Enumerable.Range(0, layout.ClusterCount + 1).Select(part => CountAllowed(_starts[part], _starts[part + 1]))];
        AllowedCount = _counts.Sum();
        if (AllowedCount == 0) throw new ArgumentException("No token is left that may be chosen.", nameof(tokens));
    }

    /// <summary>The number of allowed tokens.</summary>
    public int AllowedCount { get; }

    internal SoftmaxIdentity Identity { get; }

    /// <summary>The allowed tokens of a part: part 0 is the head, part i + 1 is tail i.</summary>
    internal int Count(int part) => _counts[part];

    internal bool IsPartial(int part) => _counts[part] < _starts[part + 1] - _starts[part];

    /// <summary>Sets the scores of a part's forbidden tokens to −∞.</summary>
    internal unsafe void Apply(int part, float* scores)
    {
        if (!IsPartial(part)) return;
        for (int slot = _starts[part], end = _starts[part + 1]; slot < end; slot++)
        {
            var word = _allowed[slot >> 6];
            if (word == ulong.MaxValue && (slot & 63) == 0) slot += 63;
            else if ((word >> (slot & 63) & 1) == 0) scores[slot - _starts[part]] = float.NegativeInfinity;
        }
    }

    private int CountAllowed(int start, int end)
    {
        var count = 0;
        for (var slot = start; slot < end; slot++) count += (int)(_allowed[slot >> 6] >> (slot & 63) & 1);
        return count;
    }
}
