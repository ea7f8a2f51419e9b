namespace AdaptiveSoftmax.Vocabulary;

/// <summary>
/// The share of future targets that fall on each run of slots. Tokens that a corpus does not have will occur all the
/// same, about as often as tokens that it has once (Good and Turing): that share is spread over them evenly.
/// </summary>
internal sealed class TokenShares
{
    private readonly double[] _sums;

    private TokenShares(double[] sums, int seenTokens)
    {
        _sums = sums;
        SeenTokens = seenTokens;
    }

    /// <summary>The number of tokens that occur, which stand first.</summary>
    public int SeenTokens { get; }

    /// <summary>Reads counts in slot order.</summary>
    /// <exception cref="ArgumentException">The counts do not descend, or one is negative.</exception>
    public static TokenShares Create(ReadOnlySpan<long> counts)
    {
        var total = 0.0;
        var seen = 0;
        var once = 0;
        for (var slot = 0; slot < counts.Length; slot++)
        {
            var count = counts[slot];
            if (count < 0)
                throw new ArgumentException(FormattableString.Invariant($"The count of slot {slot} is {count}; counts must not be negative."), nameof(counts));
            if (slot > 0 && count > counts[slot - 1])
                throw new ArgumentException(FormattableString.Invariant($"Slot {slot} has count {count} behind {counts[slot - 1]}; counts must descend."), nameof(counts));
            total += count;
            if (count > 0) seen++;
            if (count == 1) once++;
        }

        // Without any count all tokens are equally likely; where each token occurs once, half the share is a cautious guess.
        var unseen = counts.Length - seen;
        var unseenShare = unseen == 0 ? 0 : total == 0 ? 1 : Math.Min(once / total, 0.5);
        var sums = new double[counts.Length + 1];
        for (var slot = 0; slot < counts.Length; slot++)
            sums[slot + 1] = sums[slot] + (slot < seen ? counts[slot] / total * (1 - unseenShare) : unseenShare / unseen);
        return new TokenShares(sums, seen);
    }

    /// <summary>The sum of counts, which may have more bits than each of them.</summary>
    public static double Sum(ReadOnlySpan<long> counts)
    {
        var sum = 0.0;
        foreach (var count in counts) sum += count;
        return sum;
    }

    /// <summary>The smallest number of first slots that hold at least a share of all occurrences.</summary>
    public static int SlotsCovering(ReadOnlySpan<long> counts, double share)
    {
        var total = Sum(counts);
        var covered = 0.0;
        var slots = 0;
        while (slots < counts.Length && covered < share * total) covered += counts[slots++];
        return slots;
    }

    /// <summary>The share of the slots from <paramref name="start"/> to before <paramref name="end"/>.</summary>
    public double Between(int start, int end) => Math.Max(0, _sums[end] - _sums[start]);
}
