namespace AdaptiveSoftmax.Vocabulary.Tests.Planning;

public sealed class ClusterPlannerTests
{
    // Small enough that clusters pay in vocabularies that can be searched exhaustively.
    private static readonly ClusterPlanOptions CostOnly = new() { MinimumHeadCoverage = 0, DivValue = 2 };
    private static readonly TrainingCostModel SmallModel = new() { BatchSize = 7, VisitCost = 30, MinimumRows = 2, UpdateCost = 5, LogitCost = 3 };

    public static TheoryData<long[]> SmallCounts => new(
        (long[])[1000, 500, 100, 50, 20, 10, 5, 2, 1, 1, 0, 0, 0, 0],
        (long[])[10, 10, 10, 10, 10, 10, 10, 10, 10],
        (long[])[5, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0],
        (long[])[0, 0, 0, 0, 0, 0, 0, 0],
        (long[])[1_000_000_000_000, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        (long[])[3, 2, 0],
        (long[])[1, 0]);

    [Fact]
    public void CostOfALayout_IsWhatThePlannerExpectsOfIt()
    {
        // No token is unseen or seen once, so the planner's shares are those of the counts.
        long[] counts = [.. Enumerable.Range(1, 5_000).Select(rank => 1_000_000L / rank)];
        var model = new TrainingCostModel { BatchSize = 64 };
        var plan = ClusterPlanner.Plan(counts, 128, new ClusterPlanOptions { Clusters = 2, CostModel = model }, TestContext.Current.CancellationToken);
        Assert.Equal(1, model.CostOf(plan.Layout, plan.Coverage) / plan.Cost, 1e-9);
        Assert.Contains("2 shares", Assert.Throws<ArgumentException>(() => model.CostOf(plan.Layout, [0.5, 0.5])).Message, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(SmallCounts))]
    public void Plan_CostsWhatAnExhaustiveSearchFinds(long[] counts)
    {
        foreach (var model in new[] { SmallModel, new TrainingCostModel(), SmallModel with { BatchSize = 1, ProductsPerStep = 1, UpdateCost = 0 } })
        {
            for (var clusters = 1; clusters <= Math.Min(3, counts.Length - 1); clusters++)
            {
                var options = CostOnly with { Clusters = clusters, CostModel = model };
                var plan = ClusterPlanner.Plan(counts, 16, options, TestContext.Current.CancellationToken);

                var expected = Subsets(counts.Length, clusters).Min(cutoffs => Cost(counts, cutoffs, 16, 2, model));
                Assert.Equal(1, plan.Cost / expected, 1e-9);
                Assert.Equal(1, Cost(counts, [.. plan.Cutoffs], 16, 2, model) / expected, 1e-9);
            }

            var best = ClusterPlanner.Plan(counts, 16, CostOnly with { MinimumProjectionWidth = 2, CostModel = model }, TestContext.Current.CancellationToken);
            var least = Enumerable.Range(1, Math.Min(3, counts.Length - 1)).SelectMany(clusters => Subsets(counts.Length, clusters)).Min(cutoffs => Cost(counts, cutoffs, 16, 2, model));
            Assert.Equal(1, best.Cost / least, 1e-9);
        }
    }

    [Fact]
    public void CoarseCandidates_CostLittleMoreThanAllCutoffs()
    {
        var counts = Zipf(4000);
        var model = SmallModel with { VisitCost = 1000, BatchSize = 32 };
        var plan = ClusterPlanner.Plan(counts, 32, CostOnly with { Clusters = 2, CostModel = model }, TestContext.Current.CancellationToken);

        var best = double.PositiveInfinity;
        var sums = Sums(counts);
        for (var first = 1; first < counts.Length; first++)
        {
            for (var second = first + 1; second < counts.Length; second += 1) best = Math.Min(best, Cost(sums, [first, second], 32, 2, model));
        }

        Assert.InRange(plan.Cost / best, 1 - 1e-9, 1.001);
    }

    [Fact]
    public void Coverage_IsTheShareOfOccurrences()
    {
        var plan = ClusterPlanner.Plan([60, 20, 10, 10, 0], 16, new ClusterPlanOptions { Clusters = 1, CostModel = SmallModel }, TestContext.Current.CancellationToken);
        var shortlist = new long[] { 60, 20, 10, 10, 0 }.Take(plan.Layout.ShortlistSize).Sum() / 100.0;

        Assert.Equal(2, plan.Coverage.Count);
        Assert.Equal(shortlist, plan.Coverage[0], 1e-12);
        Assert.Equal(1 - shortlist, plan.Coverage[1], 1e-12);
    }

    [Fact]
    public void SkewedCounts_GiveASmallHeadAndAGreatSpeedUp()
    {
        var counts = Zipf(200_000);
        var plan = ClusterPlanner.Plan(counts, 512, cancellationToken: TestContext.Current.CancellationToken);

        Assert.Equal(2, plan.Layout.TailCount);
        Assert.InRange(plan.Layout.ShortlistSize, 1000, 20_000);
        Assert.True(plan.SpeedUp > 8);
        Assert.Equal(plan.FullCost, new TrainingCostModel().CostOfHead(200_000, 512));
    }

    [Fact]
    public void AMillionTokens_ArePlanned()
    {
        var plan = ClusterPlanner.Plan(Zipf(1_000_000), 1024, new ClusterPlanOptions { Clusters = 4 }, TestContext.Current.CancellationToken);

        Assert.Equal(4, plan.Cutoffs.Count);
    }

    [Theory]
    [InlineData(0.5)]
    [InlineData(0.9)]
    [InlineData(0.999)]
    public void Shortlist_CoversTheShareAskedFor(double share)
    {
        var counts = Zipf(30_000);
        var plan = ClusterPlanner.Plan(counts, 512, new ClusterPlanOptions { MinimumHeadCoverage = share }, TestContext.Current.CancellationToken);

        Assert.True(plan.Coverage[0] >= share);
        // Where cost alone would take fewer, the shortlist is the smallest that covers the share.
        Assert.True((counts.Take(plan.Cutoffs[0] - 1).Sum() / (double)counts.Sum()) < share);
    }

    [Fact]
    public void HeadThatCoversAllThatOccurs_LeavesTheUnseenTokens()
    {
        var counts = new long[100_000];
        Array.Fill(counts, 100, 0, 20_011);
        var plan = ClusterPlanner.Plan(counts, 512, new ClusterPlanOptions { MinimumHeadCoverage = 1 }, TestContext.Current.CancellationToken);

        Assert.Equal([20_011], plan.Cutoffs);
        Assert.Equal([1, 0], plan.Coverage);
    }

    [Fact]
    public void HeadThatMustCoverEverything_LeavesEachClusterAToken()
    {
        var counts = new long[5000];
        Array.Fill(counts, 7);
        var plan = ClusterPlanner.Plan(counts, 512, new ClusterPlanOptions { MinimumHeadCoverage = 1, Clusters = 3 }, TestContext.Current.CancellationToken);

        Assert.Equal([4997, 4998, 4999], plan.Cutoffs);
    }

    [Fact]
    public void ChosenClusters_KeepTheMinimumWidth()
    {
        var counts = Zipf(50_000);

        Assert.Equal([128, 32], ClusterPlanner.Plan(counts, 512, cancellationToken: TestContext.Current.CancellationToken).Layout.Tails.Select(tail => tail.ProjectionWidth));
        Assert.Equal([4], ClusterPlanner.Plan(counts, 16, cancellationToken: TestContext.Current.CancellationToken).Layout.Tails.Select(tail => tail.ProjectionWidth));
        Assert.Equal([128, 32, 8, 2], ClusterPlanner.Plan(counts, 512, new ClusterPlanOptions { Clusters = 4 }, TestContext.Current.CancellationToken).Layout.Tails.Select(tail => tail.ProjectionWidth));
    }

    [Fact]
    public void ImpossibleWishes_SayWhy()
    {
        Assert.Contains("at least 2", Message([5], 512, new ClusterPlanOptions()), StringComparison.Ordinal);
        Assert.Contains("at least 2", Message([], 512, new ClusterPlanOptions()), StringComparison.Ordinal);
        Assert.Contains("1 to 2", Message([5, 4, 3], 512, new ClusterPlanOptions { Clusters = 3 }), StringComparison.Ordinal);
        Assert.Contains("1 to 16", Message(Zipf(100), 512, new ClusterPlanOptions { Clusters = 17, DivValue = 1 }), StringComparison.Ordinal);
        Assert.Contains("0 clusters", Message([5, 4, 3], 512, new ClusterPlanOptions { Clusters = 0 }), StringComparison.Ordinal);
        Assert.Contains("no width for cluster 2", Message(Zipf(100), 32, new ClusterPlanOptions { Clusters = 4 }), StringComparison.Ordinal);
        Assert.Contains("no width for cluster 0", Message([5, 4, 3], 3, new ClusterPlanOptions()), StringComparison.Ordinal);
        Assert.Contains("div value is NaN", Message([5, 4, 3], 3, new ClusterPlanOptions { DivValue = double.NaN }), StringComparison.Ordinal);
        Assert.Contains("must descend", Message([5, 6, 3], 512, new ClusterPlanOptions()), StringComparison.Ordinal);
        Assert.Contains("negative", Message([5, -6], 512, new ClusterPlanOptions()), StringComparison.Ordinal);
        Assert.Contains("hidden size is 0", Message([5, 4], 0, new ClusterPlanOptions()), StringComparison.Ordinal);
        Assert.Contains("from 0 to 1", Message([5, 4], 512, new ClusterPlanOptions { MinimumHeadCoverage = double.NaN }), StringComparison.Ordinal);
        Assert.Throws<ArgumentOutOfRangeException>(() => new TrainingCostModel { BatchSize = 0 });
    }

    [Fact]
    public void Cancellation_StopsTheSearch()
    {
        Assert.Throws<OperationCanceledException>(() => ClusterPlanner.Plan(Zipf(1000), 512, null, new CancellationToken(canceled: true)));
    }

    [Theory]
    [InlineData(0.0, 0.0)]
    [InlineData(1e-30, 2.56e-28)]
    [InlineData(0.001, 0.22597)]
    [InlineData(1.0, 1.0)]
    public void Visits_AreTheStepsWithATarget(double probability, double expected)
    {
        var (visited, targets) = new TrainingCostModel().Visits(probability);

        Assert.Equal(expected, visited, expected * 1e-4);
        Assert.Equal(256 * probability, visited * targets, 1e-9);
    }

    private static string Message(long[] counts, int hiddenSize, ClusterPlanOptions options) =>
        Assert.ThrowsAny<ArgumentException>(() => ClusterPlanner.Plan(counts, hiddenSize, options)).Message;

    private static long[] Zipf(int size) => [.. Enumerable.Range(1, size).Select(rank => 10_000_000L / rank)];

    // What a step costs, written down once more from its description.
    private static double Cost(long[] counts, int[] cutoffs, int hiddenSize, double divValue, TrainingCostModel model) =>
        Cost(Sums(counts), cutoffs, hiddenSize, divValue, model);

    private static double Cost(double[] sums, int[] cutoffs, int hiddenSize, double divValue, TrainingCostModel model)
    {
        double Matrix(double rows, double columns, double targets) =>
            rows * columns * (model.ProductsPerStep * Math.Max(targets, model.MinimumRows) + model.UpdateCost);

        var headRows = cutoffs[0] + cutoffs.Length;
        var cost = model.VisitCost + Matrix(headRows, hiddenSize, model.BatchSize) + model.LogitCost * headRows * model.BatchSize;
        for (var i = 0; i < cutoffs.Length; i++)
        {
            var end = i + 1 < cutoffs.Length ? cutoffs[i + 1] : sums.Length - 1;
            var size = end - cutoffs[i];
            var width = Math.Floor(hiddenSize / Math.Pow(divValue, i + 1));
            var share = sums[end] - sums[cutoffs[i]];
            if (share <= 0) continue;
            var visited = 1 - Math.Pow(1 - share, model.BatchSize);
            if (visited <= 0) visited = share * model.BatchSize;
            var targets = model.BatchSize * share / visited;
            cost += visited * (model.VisitCost + Matrix(width, hiddenSize, targets) + Matrix(size, width, targets) + model.LogitCost * size * targets);
        }

        return cost;
    }

    private static double[] Sums(long[] counts)
    {
        var total = counts.Sum();
        var unseen = counts.Count(count => count == 0);
        var unseenShare = unseen == 0 ? 0 : total == 0 ? 1 : Math.Min(0.5, counts.Count(count => count == 1) / (double)total);
        var sums = new double[counts.Length + 1];
        for (var i = 0; i < counts.Length; i++)
            sums[i + 1] = sums[i] + (counts[i] > 0 ? (1 - unseenShare) * counts[i] / total : unseenShare / unseen);
        return sums;
    }

    private static IEnumerable<int[]> Subsets(int size, int clusters, int from = 1)
    {
        if (clusters == 0) return [[]];
        return Enumerable.Range(from, Math.Max(0, size - from)).SelectMany(first => Subsets(size, clusters - 1, first + 1).Select(rest => (int[])[first, .. rest]));
    }
}
