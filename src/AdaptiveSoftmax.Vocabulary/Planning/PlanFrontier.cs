namespace AdaptiveSoftmax.Vocabulary;

/// <summary>
/// What narrower tails save and whom they make pay: the best plan of several div values side by side. Counts tell the time
/// of a step; of a rare word's loss they tell only how few values are left to tell it apart, which an evaluation must weigh.
/// </summary>
public static class PlanFrontier
{
    /// <summary>The div values that are compared.</summary>
    public static IReadOnlyList<double> DivValues { get; } = [1.5, 2, 3, 4, 8];

    /// <summary>Plans for each of the div values, with tails as narrow as each leads to.</summary>
    /// <param name="counts">How often each token occurs, in slot order.</param>
    /// <param name="hiddenSize">The hidden size H, at least 1.</param>
    /// <param name="options">What each plan must keep to, save for div value, projections and the share of the hidden size.</param>
    /// <param name="cancellationToken">Stops the search.</param>
    /// <returns>A point for each div value that leaves a width, the widest first.</returns>
    /// <exception cref="ArgumentException">As of <see cref="ClusterPlanner.Plan"/>.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public static IReadOnlyList<FrontierPoint> Create(ReadOnlySpan<long> counts, int hiddenSize, ClusterPlanOptions options, CancellationToken cancellationToken = default)
    {
        if (options is null) throw new ArgumentNullException(nameof(options));
        var points = new List<FrontierPoint>();
        foreach (var divValue in DivValues)
        {
            if (ProjectionWidth.Compute(hiddenSize, divValue, Math.Max(0, (options.Clusters ?? 1) - 1)) < 1) continue;
            try
            {
                points.Add(new FrontierPoint(divValue, ClusterPlanner.Plan(counts, hiddenSize, options with { DivValue = divValue, Projections = default, MinimumWidthShare = 0 }, cancellationToken)));
            }
            catch (ArgumentException) when (options.MaximumWeightBytes is not null)
            {
                // Wide tails may not fit the memory that narrow ones do.
            }
        }

        return points;
    }
}

/// <summary>One way to trade time for the width of rare words.</summary>
/// <param name="DivValue">The factor by which each cluster's projection narrows.</param>
/// <param name="Plan">The cheapest plan with it.</param>
public sealed record FrontierPoint(double DivValue, ClusterPlan Plan)
{
    /// <summary>The share of the hidden size that is left to tell the rarest tokens apart.</summary>
    public double NarrowestShare => Plan.Layout.Tails.Min(tail => tail.ProjectionWidth) / (double)Plan.Layout.HiddenSize;

    /// <summary>The share of occurrences that are told apart with less than a quarter of the hidden size.</summary>
    public double NarrowCoverage => Plan.Layout.Tails.Where(tail => 4L * tail.ProjectionWidth < Plan.Layout.HiddenSize).Sum(tail => Plan.Coverage[tail.Cluster]);
}
