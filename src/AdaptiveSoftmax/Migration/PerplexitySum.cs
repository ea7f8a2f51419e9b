using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax;

/// <summary>Losses added up by the target's place in the new layout: its cluster, and its tenth of the occurrences.</summary>
internal sealed class PerplexitySum
{
    private readonly SoftmaxLayout _layout;
    private readonly int[] _ends;
    private readonly string[] _names;
    private readonly LossSums _clusters, _tenths;

    /// <param name="layout">The layout.</param>
    /// <param name="counts">How often each of its tokens was counted, in slot order; where none was, there are no tenths.</param>
    public PerplexitySum(SoftmaxLayout layout, ReadOnlySpan<long> counts)
    {
        _layout = layout;
        _ends = counts.ContainsAnyExcept(0) ? SlotRanges.EndsOfTenths(counts) : [];
        _names = SlotRanges.NamesOfTenths(_ends, counts);
        (_clusters, _tenths) = (new LossSums(layout.TailCount + 1), new LossSums(_ends.Length));
    }

    public void Add(int targetSlot, double loss)
    {
        _clusters.Add(_layout.ClusterOf(targetSlot), loss);
        if (_ends.Length == 0) return;
        var tenth = 0;
        while (targetSlot >= _ends[tenth]) tenth++;
        _tenths.Add(tenth, loss);
    }

    public MigrationPerplexity ToResult()
    {
        var (count, loss) = _clusters.Total();
        return new MigrationPerplexity(count, Math.Exp(loss / Math.Max(count, 1)), [.. _clusters.Perplexities()], [.. _tenths.Perplexities().Select((perplexity, tenth) => new TenthPerplexity(_names[tenth], perplexity))]);
    }

    private sealed class LossSums(int groups)
    {
        private readonly double[] _losses = new double[groups];
        private readonly long[] _counts = new long[groups];

        public void Add(int group, double loss)
        {
            _losses[group] += loss;
            _counts[group]++;
        }

        public (long Count, double Loss) Total() => (_counts.Sum(), _losses.Sum());

        public IEnumerable<double> Perplexities() => _losses.Select((loss, group) => _counts[group] == 0 ? double.NaN : Math.Exp(loss / _counts[group]));
    }
}
