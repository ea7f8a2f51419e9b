namespace AdaptiveSoftmax.Vocabulary;

/// <summary>The clusters that a <see cref="ClusterPlanner"/> chose, and what it expects of them.</summary>
/// <param name="Layout">The layout with the chosen cutoffs.</param>
/// <param name="Cutoffs">The chosen cutoffs, ascending.</param>
/// <param name="Coverage">The share of all occurrences that fall on the shortlist, then on each tail cluster; all 0 where nothing was counted.</param>
/// <param name="Cost">The expected cost of a training step, in the cost model's units.</param>
/// <param name="FullCost">The cost of a step with a full softmax over the same vocabulary.</param>
public sealed record ClusterPlan(SoftmaxLayout Layout, EquatableArray<int> Cutoffs, EquatableArray<double> Coverage, double Cost, double FullCost)
{
    /// <summary>How many times faster than a full softmax a training step should be.</summary>
    public double SpeedUp => FullCost / Cost;
}
