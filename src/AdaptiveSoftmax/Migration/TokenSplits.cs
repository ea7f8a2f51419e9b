using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax;

/// <summary>The old tokens that new ones consist of.</summary>
internal sealed class TokenSplits
{
    private readonly Dictionary<ReadOnlyMemory<byte>, int> _slots;
    private readonly Func<ReadOnlyMemory<byte>, IReadOnlyList<SplitPart>>? _splits;
    private readonly int _longest;

    public TokenSplits(TokenTable old, Func<ReadOnlyMemory<byte>, IReadOnlyList<SplitPart>>? splits)
    {
        _splits = splits;
        _slots = new Dictionary<ReadOnlyMemory<byte>, int>(old.Count, TokenBytes.Comparer);
        for (var slot = 0; slot < old.Count; slot++)
        {
            var token = old.GetToken(slot).ToArray();
            _slots.Add(token, slot);
            _longest = Math.Max(_longest, token.Length);
        }
    }

    /// <summary>The old slots of a token's parts, with weights.</summary>
    /// <exception cref="ArgumentException">The caller's parts are not of the old vocabulary.</exception>
    public IReadOnlyList<(int Slot, double Weight)> Split(ReadOnlySpan<byte> token)
    {
        var bytes = token.ToArray();
        if (_splits is null) return SplitLongest(bytes);
        var parts = new List<(int, double)>();
        foreach (var part in _splits(bytes))
        {
            if (!_slots.TryGetValue(part.Token, out var slot))
                throw new ArgumentException($"The new token {Excerpt.Quote(System.Text.Encoding.UTF8.GetString(bytes))} was split into {Excerpt.Quote(System.Text.Encoding.UTF8.GetString(part.Token.Span))}, which the old vocabulary does not have; split it as the old tokenizer does.");
            if (!(part.Weight >= 0) || double.IsInfinity(part.Weight))
                throw new ArgumentException($"A part of the new token {Excerpt.Quote(System.Text.Encoding.UTF8.GetString(bytes))} has the weight {part.Weight.ToString(System.Globalization.CultureInfo.InvariantCulture)}; weights are finite and not negative.");
            parts.Add((slot, part.Weight));
        }

        return parts;
    }

    // What no token begins with is passed over, a byte at a time.
    private List<(int Slot, double Weight)> SplitLongest(ReadOnlyMemory<byte> token)
    {
        var parts = new List<(int, double)>();
        for (var at = 0; at < token.Length;)
        {
            var length = Math.Min(_longest, token.Length - at);
            while (length > 0)
            {
                if (_slots.TryGetValue(token.Slice(at, length), out var slot))
                {
                    parts.Add((slot, 1));
                    break;
                }

                length--;
            }

            at += Math.Max(length, 1);
        }

        return parts;
    }
}
