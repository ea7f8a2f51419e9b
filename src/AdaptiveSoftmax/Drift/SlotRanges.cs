using System.Globalization;

namespace AdaptiveSoftmax;

/// <summary>Runs of neighbouring slots that are compared as a whole: the clusters, or tenths of the occurrences.</summary>
internal sealed class SlotRanges
{
    private readonly int[] _ends;
    private readonly double[] _expected;
    private readonly double[] _smallest;

    /// <summary>Takes the ranges' shares of the table.</summary>
    /// <param name="ends">Where each range ends, ascending; the last one with the table.</param>
    /// <param name="counts">The table's counts, in slot order.</param>
    /// <param name="total">Their sum.</param>
    /// <param name="unseenShare">What tokens of count 0 are expected to have together.</param>
    public SlotRanges(int[] ends, ReadOnlySpan<long> counts, double total, double unseenShare)
    {
        (_ends, _expected, _smallest) = (ends, new double[ends.Length], new double[ends.Length]);
        var unseen = counts.Count(0L);
        for (var range = 0; range < ends.Length; range++)
        {
            var slots = counts[First(range)..ends[range]];
            foreach (var count in slots) _expected[range] += count;
            _expected[range] /= total;
            _smallest[range] = unseen == 0 ? 0 : unseenShare * slots.Count(0L) / unseen;
        }
    }

    /// <summary>
    /// Where the tenths of a table's occurrences end, in slot order, and last the tokens of count 0 behind them, if there are
    /// any. A token of several tenths leaves fewer ranges.
    /// </summary>
    /// <param name="counts">The counts, in slot order.</param>
    public static int[] EndsOfTenths(ReadOnlySpan<long> counts)
    {
        const int Bins = 10;
        var total = 0.0;
        foreach (var count in counts) total += count;
        var ends = new List<int>();
        var sum = 0.0;
        // Pinned tokens stand in front whatever their counts, and may have none.
        var seen = counts.LastIndexOfAnyExcept(0L) + 1;
        for (var slot = 0; slot < seen; slot++)
        {
            sum += counts[slot];
            if (sum < total * (ends.Count + 1) / Bins) continue;
            ends.Add(slot + 1);
            // What one token has beyond its tenth fills the next ones too.
            while (ends.Count < Bins && sum >= total * (ends.Count + 1) / Bins) ends.Add(slot + 1);
        }

        if (seen > 0 && (ends.Count == 0 || ends[^1] < seen)) ends.Add(seen);
        ends.Add(counts.Length);
        return [.. ends.Distinct()];
    }

    /// <summary>What <see cref="EndsOfTenths"/> found is called: <c>1</c> to <c>10</c>, and <c>unseen</c> what was never counted.</summary>
    /// <param name="ends">The ends.</param>
    /// <param name="counts">The counts, in slot order.</param>
    public static string[] NamesOfTenths(int[] ends, ReadOnlySpan<long> counts)
    {
        var seen = counts.LastIndexOfAnyExcept(0L) + 1;
        return [.. ends.Select((_, range) => range > 0 && ends[range - 1] >= seen ? "unseen" : (range + 1).ToString(CultureInfo.InvariantCulture))];
    }

    /// <summary>The number of ranges.</summary>
    public int Count => _ends.Length;

    /// <summary>The first slot of a range.</summary>
    public int First(int range) => range == 0 ? 0 : _ends[range - 1];

    /// <summary>The slot behind the last one of a range.</summary>
    public int End(int range) => _ends[range];

    /// <summary>The share of the table's occurrences.</summary>
    public double Expected(int range) => _expected[range];

    /// <summary>What a range adds to the population stability index.</summary>
    public double Stability(int range, double observed) => DriftStatistics.Stability(_expected[range], observed, _smallest[range]);

    /// <summary>Sums values of ascending slots by range, and divides the sums.</summary>
    public double[] Sum(ReadOnlySpan<int> slots, ReadOnlySpan<double> values, double divisor)
    {
        var sums = new double[_ends.Length];
        var range = 0;
        for (var i = 0; i < slots.Length; i++)
        {
            while (slots[i] >= _ends[range]) range++;
            sums[range] += values[i];
        }

        for (range = 0; range < sums.Length; range++) sums[range] /= divisor;
        return sums;
    }
}
