using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax;

/// <summary>The groups that a target belongs to: the whole, its cluster, its tenth of the occurrences, its domain.</summary>
internal sealed class EvaluationGroups
{
    /// <summary>The most groups that one target belongs to.</summary>
    public const int MostOfTarget = 4;

    private readonly SoftmaxLayout _layout;
    private readonly int[] _decileEnds;
    private readonly string[] _decileNames;
    private readonly IReadOnlyList<string> _domains;

    public EvaluationGroups(SoftmaxLayout layout, TokenTable? table, IReadOnlyList<string> domains)
    {
        (_layout, _domains) = (layout, domains);
        _decileEnds = table is null || !table.Counts.ContainsAnyExcept(0) ? [] : SlotRanges.EndsOfTenths(table.Counts);
        _decileNames = table is null ? [] : SlotRanges.NamesOfTenths(_decileEnds, table.Counts);
    }

    /// <summary>The number of groups.</summary>
    public int Count => 1 + Clusters + _decileEnds.Length + _domains.Count;

    private int Clusters => _layout.TailCount + 1;

    /// <summary>The groups of a target.</summary>
    /// <param name="slot">Its slot.</param>
    /// <param name="domain">Its domain; −1 for none.</param>
    /// <param name="groups">Receives their numbers.</param>
    /// <returns>How many they are.</returns>
    public int Find(int slot, int domain, Span<int> groups)
    {
        var count = 0;
        groups[count++] = 0;
        groups[count++] = 1 + _layout.ClusterOf(slot);
        if (_decileEnds.Length > 0)
        {
            var decile = 0;
            while (slot >= _decileEnds[decile]) decile++;
            groups[count++] = 1 + Clusters + decile;
        }

        if (domain >= 0) groups[count++] = 1 + Clusters + _decileEnds.Length + domain;
        return count;
    }

    /// <summary>What is made of the whole.</summary>
    public T Whole<T>(Func<int, EvaluationGroup, T> make) => make(0, new EvaluationGroup("all", 0, _layout.VocabularySize));

    /// <summary>What is made of each cluster.</summary>
    public T[] ByCluster<T>(Func<int, EvaluationGroup, T> make) =>
    [
        .. Enumerable.Range(0, Clusters).Select(cluster => make(1 + cluster, new EvaluationGroup(
            LayerTags.NameOf(cluster),
            cluster == 0 ? 0 : _layout.Tails[cluster - 1].Start,
            cluster == 0 ? _layout.ShortlistSize : _layout.Tails[cluster - 1].Size))),
    ];

    /// <summary>What is made of each tenth of the occurrences.</summary>
    public T[] ByDecile<T>(Func<int, EvaluationGroup, T> make) =>
    [
        .. Enumerable.Range(0, _decileEnds.Length).Select(decile =>
        {
            var first = decile == 0 ? 0 : _decileEnds[decile - 1];
            return make(1 + Clusters + decile, new EvaluationGroup(_decileNames[decile], first, _decileEnds[decile] - first));
        }),
    ];

    /// <summary>What is made of each domain.</summary>
    public T[] ByDomain<T>(Func<int, EvaluationGroup, T> make) =>
        [.. Enumerable.Range(0, _domains.Count).Select(domain => make(1 + Clusters + _decileEnds.Length + domain, new EvaluationGroup(_domains[domain], 0, _layout.VocabularySize)))];
}

/// <summary>A group of targets.</summary>
internal readonly record struct EvaluationGroup(string Name, int FirstSlot, int Slots);
