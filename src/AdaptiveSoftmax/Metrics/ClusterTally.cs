using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax;

/// <summary>The tokens of a batch, and the tails computed for them, by the cluster that each token was found in.</summary>
internal readonly ref struct ClusterTally
{
    private readonly Span<long> _counts;
    private readonly int _clusters;

    /// <summary>Begins to count.</summary>
    /// <param name="counts">The memory, [<see cref="Length"/>].</param>
    /// <param name="layout">The sizes.</param>
    public ClusterTally(Span<long> counts, SoftmaxLayout layout)
    {
        _counts = counts;
        _clusters = layout.TailCount + 1;
        counts.Clear();
    }

    /// <summary>The tokens, [1 + tails].</summary>
    public ReadOnlySpan<long> Tokens => _counts[.._clusters];

    /// <summary>The tails computed, [1 + tails].</summary>
    public ReadOnlySpan<long> TailsVisited => _counts[_clusters..];

    public static int Length(SoftmaxLayout layout) => 2 * (layout.TailCount + 1);

    /// <summary>Counts a token.</summary>
    /// <param name="cluster">0 for the head's shortlist, i + 1 for tail cluster i.</param>
    /// <param name="tailsVisited">The tails that were computed for it.</param>
    public void Add(int cluster, int tailsVisited)
    {
        _counts[cluster]++;
        _counts[_clusters + cluster] += tailsVisited;
    }
}
