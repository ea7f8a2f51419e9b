namespace AdaptiveSoftmax.Vocabulary;

/// <summary>What a plan must keep to.</summary>
public sealed record ClusterPlanOptions
{
    /// <summary>The number of tail clusters; the planner chooses if null.</summary>
    public int? Clusters { get; init; }

    /// <summary>The factor by which each cluster's projection narrows, as in PyTorch.</summary>
    public double DivValue { get; init; } = SoftmaxSpec.DefaultDivValue;

    /// <summary>
    /// The share of occurrences that the shortlist covers at least. Cost alone would leave frequent tokens to a narrow
    /// cluster, where a model tells them apart less well and decoding must visit the cluster for them.
    /// </summary>
    public double MinimumHeadCoverage { get; init; } = 0.8;

    /// <summary>
    /// The width below which the planner adds no cluster of its own accord, since so few values tell tokens badly
    /// apart; a number of clusters asked for goes below it.
    /// </summary>
    public int MinimumProjectionWidth { get; init; } = 16;

    /// <summary>Whether the head has a bias.</summary>
    public bool HasHeadBias { get; init; }

    /// <summary>What training costs.</summary>
    public TrainingCostModel CostModel { get; init; } = new();
}
