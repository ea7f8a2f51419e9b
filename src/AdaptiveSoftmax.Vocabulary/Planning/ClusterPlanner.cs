namespace AdaptiveSoftmax.Vocabulary;

/// <summary>
/// Chooses cutoffs by dynamic programming over the candidates, after Grave et al. 2017: the cheapest way to end with a
/// given number of clusters at a candidate extends the cheapest way to end with one cluster fewer at an earlier one.
/// </summary>
public static class ClusterPlanner
{
    /// <summary>The most clusters that a plan has; beyond a handful they save nothing.</summary>
    public const int MaximumClusters = 16;

    private const int MaximumChosenClusters = 8;

    /// <summary>Chooses the cutoffs with the least expected cost of a training step.</summary>
    /// <param name="counts">How often each token occurs, in slot order: descending.</param>
    /// <param name="hiddenSize">The hidden size H, from 1 to <see cref="SoftmaxLayout.MaximumWidth"/>.</param>
    /// <param name="options">What the plan must keep to.</param>
    /// <param name="cancellationToken">Stops the search.</param>
    /// <exception cref="ArgumentException">The counts do not descend, or no layout fits the options; the message says why.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public static ClusterPlan Plan(ReadOnlySpan<long> counts, int hiddenSize, ClusterPlanOptions? options = null, CancellationToken cancellationToken = default)
    {
        options ??= new ClusterPlanOptions();
        var full = SoftmaxLayout.CreateFull(hiddenSize, counts.Length, options.HasHeadBias);
        var widths = WidthsOf(counts.Length, hiddenSize, options);
        var shares = TokenShares.Create(counts);
        if (!(options.MinimumHeadCoverage is >= 0 and <= 1))
            throw new ArgumentException(FormattableString.Invariant($"The head's coverage is {options.MinimumHeadCoverage}; it must be from 0 to 1."), nameof(options));
        var shortlist = Math.Min(TokenShares.SlotsCovering(counts, options.MinimumHeadCoverage), counts.Length - (options.Clusters ?? 1));
        var candidates = CutoffCandidates.Create(counts.Length, shares.SeenTokens, shortlist);

        var (cutoffs, cost) = Search(candidates, shortlist, shares, widths, hiddenSize, options, cancellationToken);
        var layout = SoftmaxLayout.Create(hiddenSize, counts.Length, cutoffs, options.DivValue, options.HasHeadBias);
        return new ClusterPlan(layout, new EquatableArray<int>(cutoffs), CoverageOf(layout, counts), cost, options.CostModel.CostOfHead(full.HeadRows, hiddenSize));
    }

    /// <summary>The projection widths of as many clusters as the search may use.</summary>
    private static int[] WidthsOf(int vocabularySize, int hiddenSize, ClusterPlanOptions options)
    {
        if (!(options.DivValue > 0) || double.IsInfinity(options.DivValue))
            throw new ArgumentException(FormattableString.Invariant($"The div value is {options.DivValue}; it must be a positive finite number."), nameof(options));
        var most = Math.Min(options.Clusters ?? MaximumChosenClusters, vocabularySize - 1);
        if (options.Clusters is { } asked && (asked < 1 || asked > Math.Min(vocabularySize - 1, MaximumClusters)))
            throw new ArgumentException(FormattableString.Invariant($"{asked} clusters were asked for; {vocabularySize} tokens can have 1 to {Math.Min(vocabularySize - 1, MaximumClusters)}."), nameof(options));

        var widths = new List<int>(most);
        for (var i = 0; i < most; i++)
        {
            var width = ProjectionWidth.Compute(hiddenSize, options.DivValue, i);
            if (width > SoftmaxLayout.MaximumWidth)
                throw new ArgumentException(FormattableString.Invariant($"A hidden size of {hiddenSize} with a div value of {options.DivValue} makes the projection of tail cluster {i} wider than {SoftmaxLayout.MaximumWidth}; give a greater div value or a smaller hidden size."), nameof(options));
            // One cluster is the least that an adaptive softmax has, however narrow.
            var least = options.Clusters is null && i > 0 ? Math.Max(options.MinimumProjectionWidth, 1) : 1;
            if (width < least) break;
            widths.Add(width);
        }

        if (widths.Count == 0 || widths.Count < options.Clusters)
            throw new ArgumentException(FormattableString.Invariant($"A hidden size of {hiddenSize} with a div value of {options.DivValue} leaves no width for cluster {widths.Count}; ask for fewer clusters, a smaller div value or a greater hidden size."), nameof(options));
        return [.. widths];
    }

    private static (int[] Cutoffs, double Cost) Search(int[] candidates, int leastShortlist, TokenShares shares, int[] widths, int hiddenSize, ClusterPlanOptions options, CancellationToken cancellationToken)
    {
        // cost[k, c]: head and the first k tail clusters, which end at candidate c; the last candidate is the vocabulary's end.
        var model = options.CostModel;
        var last = candidates.Length - 1;
        var cost = new double[widths.Length + 1, candidates.Length];
        var previous = new int[widths.Length + 1, candidates.Length];
        for (var end = 0; end <= last; end++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            cost[0, end] = candidates[end] >= leastShortlist ? model.CostOfHead(candidates[end], hiddenSize) : double.PositiveInfinity;
            for (var k = 1; k <= widths.Length; k++) cost[k, end] = double.PositiveInfinity;
            for (var start = 0; start < end; start++)
            {
                var (visited, targets) = model.Visits(shares.Between(candidates[start], candidates[end]));
                for (var k = 1; k <= Math.Min(widths.Length, start + 1); k++)
                {
                    var extended = cost[k - 1, start] + model.CostOfTail(candidates[end] - candidates[start], widths[k - 1], hiddenSize, visited, targets);
                    if (!(extended < cost[k, end])) continue;
                    cost[k, end] = extended;
                    previous[k, end] = start;
                }
            }
        }

        var best = options.Clusters ?? 0;
        var bestCost = double.PositiveInfinity;
        for (var k = options.Clusters ?? 1; k <= widths.Length; k++)
        {
            // Each cluster adds a row to the head.
            var total = cost[k, last] + model.CostOfHead(k, hiddenSize) - model.VisitCost;
            if (!(total < bestCost)) continue;
            best = k;
            bestCost = total;
        }

        var cutoffs = new int[best];
        for (int k = best, at = last; k > 0; k--)
        {
            at = previous[k, at];
            cutoffs[k - 1] = candidates[at];
        }

        return (cutoffs, bestCost);
    }

    private static EquatableArray<double> CoverageOf(SoftmaxLayout layout, ReadOnlySpan<long> counts)
    {
        var coverage = new double[layout.TailCount + 1];
        coverage[0] = TokenShares.Sum(counts.Slice(0, layout.ShortlistSize));
        foreach (var tail in layout.Tails) coverage[tail.Cluster] = TokenShares.Sum(counts.Slice(tail.Start, tail.Size));
        var total = coverage.Sum();
        for (var i = 0; i < coverage.Length; i++) coverage[i] = total > 0 ? coverage[i] / total : 0;
        return new EquatableArray<double>(coverage);
    }
}
