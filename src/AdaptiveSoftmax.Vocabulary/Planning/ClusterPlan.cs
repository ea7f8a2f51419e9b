namespace AdaptiveSoftmax.Vocabulary;

/// <summary>The clusters that a <see cref="ClusterPlanner"/> chose, and what it expects of them.</summary>
/// <param name="Layout">The layout with the chosen cutoffs.</param>
/// <param name="Cutoffs">The chosen cutoffs, ascending.</param>
/// <param name="Coverage">The share of all occurrences that fall on the shortlist, then on each tail cluster; all 0 where nothing was counted.</param>
/// <param name="Visits">The probability that a token visits each tail cluster.</param>
/// <param name="Cost">The expected nanoseconds of a step.</param>
/// <param name="FullCost">The nanoseconds of a step with a full softmax over the same vocabulary.</param>
public sealed record ClusterPlan(SoftmaxLayout Layout, EquatableArray<int> Cutoffs, EquatableArray<double> Coverage, EquatableArray<double> Visits, double Cost, double FullCost)
{
    /// <summary>How many times faster than a full softmax a step should be.</summary>
    public double SpeedUp => FullCost / Cost;

    /// <summary>The tail clusters that a token visits on average.</summary>
    public double VisitsPerToken => Visits.Sum();
}
