namespace AdaptiveSoftmax.Vocabulary;

/// <summary>What a plan must keep to.</summary>
public sealed record ClusterPlanOptions
{
    /// <summary>
    /// The div value of plans that ask for none. PyTorch's 4 makes rare words pay: in a model of 8,000 tokens, cutoffs 1,000
    /// and 3,000, trained both ways, 2 had the lower perplexity in every band of frequency and less than half of it beyond
    /// rank 3,000, for 7 % more time.
    /// </summary>
    public const double RecommendedDivValue = 2;

    /// <summary>The number of tail clusters; the planner chooses if null.</summary>
    public int? Clusters { get; init; }

    /// <summary>The factor by which each cluster's projection narrows, as in PyTorch.</summary>
    public double DivValue { get; init; } = RecommendedDivValue;

    /// <summary>The projection width of each tail cluster, which then are as many; empty to take them from the div value.</summary>
    public EquatableArray<int> Projections { get; init; }

    /// <summary>
    /// The share of occurrences that the shortlist covers at least. Cost alone would leave frequent tokens to a narrow
    /// cluster, where a model tells them apart less well and decoding must visit the cluster for them.
    /// </summary>
    public double MinimumHeadCoverage { get; init; } = 0.8;

    /// <summary>The tokens that the shortlist has at least, for example those that are pinned to it.</summary>
    public int MinimumHeadSize { get; init; }

    /// <summary>
    /// The width below which the planner adds no cluster of its own accord, since so few values tell tokens badly
    /// apart; a number of clusters asked for goes below it.
    /// </summary>
    public int MinimumProjectionWidth { get; init; } = 16;

    /// <summary>
    /// The same as a share of the hidden size. At a quarter rare words lost nothing against a full softmax where it was
    /// tried, at a sixteenth they did; what lies between is for an evaluation to say.
    /// </summary>
    public double MinimumWidthShare { get; init; } = 0.25;

    /// <summary>The bytes that the weights take at most in float32; null for no such limit.</summary>
    public long? MaximumWeightBytes { get; init; }

    /// <summary>Whether the head has a bias.</summary>
    public bool HasHeadBias { get; init; }

    /// <summary>What a step costs.</summary>
    public SoftmaxCostModel CostModel { get; init; } = new();

    /// <summary>What decoding visits; null to estimate it from the counts. Training's visits are always those of the counts.</summary>
    public VisitSample? Visits { get; init; }

    /// <summary>The width below which no cluster is added of the planner's own accord.</summary>
    internal int LeastChosenWidth(int hiddenSize) => Math.Max(Math.Max(MinimumProjectionWidth, 1), (int)Math.Min(int.MaxValue, Math.Floor(hiddenSize * MinimumWidthShare)));
}
