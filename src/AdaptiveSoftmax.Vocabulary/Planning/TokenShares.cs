namespace AdaptiveSoftmax.Vocabulary;

/// <summary>
/// The share of future targets that fall on each run of slots. Tokens that a corpus does not have will occur all the
/// same, about as often as tokens that it has once (Good and Turing): that share is spread over them evenly.
/// </summary>
internal sealed class TokenShares
{
    private readonly double[] _sums;
    private readonly double[] _counted;

    private TokenShares(double[] sums, double[] counted, int seenTokens)
    {
        _sums = sums;
        _counted = counted;
        SeenTokens = seenTokens;
    }

    /// <summary>The slots up to the last token that occurs.</summary>
    public int SeenTokens { get; }

    /// <summary>Reads counts in slot order.</summary>
    /// <exception cref="ArgumentException">A count is negative.</exception>
    public static TokenShares Create(ReadOnlySpan<long> counts)
    {
        var total = 0.0;
        var (end, seen, once) = (0, 0, 0);
        var counted = new double[counts.Length + 1];
        for (var slot = 0; slot < counts.Length; slot++)
        {
            var count = counts[slot];
            if (count < 0)
                throw new ArgumentException(FormattableString.Invariant($"The count of slot {slot} is {count}; counts must not be negative."), nameof(counts));
            total += count;
            counted[slot + 1] = total;
            if (count > 0) (end, seen) = (slot + 1, seen + 1);
            if (count == 1) once++;
        }

        // Without any count all tokens are equally likely; where each token occurs once, half the share is a cautious guess.
        var unseen = counts.Length - seen;
        var unseenShare = unseen == 0 ? 0 : total == 0 ? 1 : Math.Min(once / total, 0.5);
        var sums = new double[counts.Length + 1];
        for (var slot = 0; slot < counts.Length; slot++)
            sums[slot + 1] = sums[slot] + (counts[slot] > 0 ? counts[slot] / total * (1 - unseenShare) : unseenShare / unseen);
        return new TokenShares(sums, counted, end);
    }

    /// <summary>The sum of counts, which may have more bits than each of them.</summary>
    public static double Sum(ReadOnlySpan<long> counts)
    {
        var sum = 0.0;
        foreach (var count in counts) sum += count;
        return sum;
    }

    /// <summary>The smallest number of first slots that hold at least a share of all occurrences.</summary>
    public int SlotsCovering(double share)
    {
        var wanted = share * _counted[_counted.Length - 1];
        var slots = 0;
        while (slots < _counted.Length - 1 && _counted[slots] < wanted) slots++;
        return slots;
    }

    /// <summary>The share of the occurrences counted in the shortlist, then in each tail; all 0 where nothing was counted.</summary>
    public double[] CoverageOf(SoftmaxLayout layout)
    {
        var total = _counted[_counted.Length - 1];
        var coverage = new double[layout.TailCount + 1];
        if (total == 0) return coverage;
        coverage[0] = _counted[layout.ShortlistSize] / total;
        foreach (var tail in layout.Tails) coverage[tail.Cluster] = (_counted[tail.Start + tail.Size] - _counted[tail.Start]) / total;
        return coverage;
    }

    /// <summary>The share of the slots from <paramref name="start"/> to before <paramref name="end"/>.</summary>
    public double Between(int start, int end) => Math.Max(0, _sums[end] - _sums[start]);
}

/// <summary>Visits as a cost model expects them of the shares of the counts.</summary>
internal sealed class CountedVisits(TokenShares shares, SoftmaxCostModel model) : IShareModel
{
    private readonly SoftmaxCostModel[] _models = [.. Enumerable.Range(0, (int)SoftmaxUse.Serving + 1).Select(use => model with { Use = (SoftmaxUse)use })];

    public double VisitProbability(SoftmaxUse use, int start, int end) => _models[(int)use].VisitProbability(shares.Between(start, end));
}
