namespace AdaptiveSoftmax.Vocabulary;

/// <summary>
/// What a training step on a CPU costs, in multiply-adds. It follows Grave et al. 2017 (section 4): the time of a matrix
/// product is constant up to a number of rows and linear beyond, here with the traffic of weights and updates that a
/// CPU's memory makes dear. Only ratios matter to a plan, so the constants hold well beyond the machine they were
/// measured on: 54 billion multiply-adds and 21 GB a second on two cores, where speed-ups of 16 to 92 times over a full
/// softmax of 200,019 tokens were predicted to within a fifth.
/// </summary>
public sealed record TrainingCostModel
{
    private readonly int _batchSize = 256;

    /// <summary>The targets of a step B, at least 1.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is below 1.</exception>
    public int BatchSize
    {
        get => _batchSize;
        init => _batchSize = value >= 1 ? value : throw new ArgumentOutOfRangeException(nameof(value), value, "A batch has at least one target.");
    }

    /// <summary>The products of a step with each weight: the logits, the gradient of the input, the weight's gradient.</summary>
    public double ProductsPerStep { get; init; } = 3;

    /// <summary>
    /// The rows below which a product is no faster: reading a weight's 4 bytes takes as long as so many multiply-adds.
    /// </summary>
    public double MinimumRows { get; init; } = 10;

    /// <summary>
    /// The multiply-adds that an update of one weight takes as long as: AdamW reads weight, gradient and two moments
    /// and writes them again, 32 bytes.
    /// </summary>
    public double UpdateCost { get; init; } = 80;

    /// <summary>The multiply-adds that exponential, sum and gradient of one logit take as long as.</summary>
    public double LogitCost { get; init; } = 40;

    /// <summary>The fixed part of visiting a matrix: to wake the threads and to wait for them.</summary>
    public double VisitCost { get; init; } = 1_000_000;

    /// <summary>The cost of the head, in which every target takes part.</summary>
    /// <param name="rows">The head's rows: shortlist and clusters.</param>
    /// <param name="hiddenSize">The hidden size H.</param>
    public double CostOfHead(long rows, int hiddenSize) =>
        VisitCost + CostOfMatrix(rows, hiddenSize, BatchSize) + (LogitCost * rows * BatchSize);

    /// <summary>
    /// The expected cost of a tail cluster. A step that has no target in it does not visit it; one that has some pays
    /// for reading and updating all its weights.
    /// </summary>
    /// <param name="size">The tokens in the cluster.</param>
    /// <param name="width">The width of its projection.</param>
    /// <param name="hiddenSize">The hidden size H.</param>
    /// <param name="probability">The share of targets that are in the cluster.</param>
    public double CostOfTail(long size, int width, int hiddenSize, double probability)
    {
        var (visited, targets) = Visits(probability);
        return CostOfTail(size, width, hiddenSize, visited, targets);
    }

    /// <summary>The expected cost of a step with a layout.</summary>
    /// <param name="layout">The sizes of head and tails.</param>
    /// <param name="coverage">The share of targets in the shortlist, then in each tail cluster.</param>
    /// <exception cref="ArgumentException">There is not one share for each.</exception>
    public double CostOf(SoftmaxLayout layout, IReadOnlyList<double> coverage)
    {
        if (layout is null) throw new ArgumentNullException(nameof(layout));
        if (coverage is null) throw new ArgumentNullException(nameof(coverage));
        if (coverage.Count != layout.TailCount + 1)
            throw new ArgumentException(FormattableString.Invariant($"There are {coverage.Count} shares for a shortlist and {layout.TailCount} clusters; give one each."), nameof(coverage));
        return CostOfHead(layout.HeadRows, layout.HiddenSize)
            + layout.Tails.Sum(tail => CostOfTail(tail.Size, tail.ProjectionWidth, layout.HiddenSize, coverage[tail.Cluster]));
    }

    /// <summary>The share of steps that visit a cluster, and the targets that such a step has in it.</summary>
    internal (double Visited, double Targets) Visits(double probability)
    {
        if (probability <= 0) return (0, 0);
        // Powers by squaring are the same bits on every platform, which the library's are not.
        var missed = 1.0;
        var factor = 1 - Math.Min(probability, 1);
        for (var exponent = BatchSize; exponent > 0; exponent >>= 1)
        {
            if ((exponent & 1) != 0) missed *= factor;
            factor *= factor;
        }

        // Where the probability is too small for the difference to 1, the sum of the targets' chances is exact enough.
        var expected = BatchSize * probability;
        var visited = missed < 1 ? Math.Min(1 - missed, expected) : expected;
        return (visited, expected / visited);
    }

    internal double CostOfTail(long size, int width, int hiddenSize, double visited, double targets) =>
        visited * (VisitCost + CostOfMatrix(width, hiddenSize, targets) + CostOfMatrix(size, width, targets) + (LogitCost * size * targets));

    /// <summary>The products with a matrix [rows, columns] and its update.</summary>
    private double CostOfMatrix(double rows, double columns, double targets) =>
        rows * columns * ((ProductsPerStep * Math.Max(targets, MinimumRows)) + UpdateCost);
}
