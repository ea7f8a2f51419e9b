namespace AdaptiveSoftmax.Vocabulary.Tests.Planning;

/// <summary>What steps cost by the model that plans are made with.</summary>
public sealed class SoftmaxCostModelTests
{
    [Fact]
    public void CostOfALayout_IsWhatThePlannerExpectsOfIt()
    {
        // No token is unseen or seen once, so the planner's shares are those of the counts.
        long[] counts = [.. Enumerable.Range(1, 5_000).Select(rank => 1_000_000L / rank)];
        foreach (var use in Enum.GetValues<SoftmaxUse>())
        {
            var model = new SoftmaxCostModel { Use = use, Batch = 64 };
            var plan = ClusterPlanner.Plan(counts, 128, new ClusterPlanOptions { Clusters = 2, CostModel = model }, TestContext.Current.CancellationToken);
            Assert.Equal(1, model.For(counts).CostOf(plan.Layout, plan.Coverage) / plan.Cost, 1e-9);
            Assert.Contains("2 shares", Assert.Throws<ArgumentException>(() => model.CostOf(plan.Layout, [0.5, 0.5])).Message, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData(0.3)]
    [InlineData(0.01)]
    public void AServersVisits_AreHalfwayBetweenGreedyOnesAndDraws(double share)
    {
        double Of(SoftmaxUse use) => new SoftmaxCostModel { Use = use, RivalShare = 0.005 }.VisitProbability(share);
        Assert.True(Of(SoftmaxUse.Greedy) > Of(SoftmaxUse.Sampling));
        Assert.Equal((Of(SoftmaxUse.Greedy) + Of(SoftmaxUse.Sampling)) / 2, Of(SoftmaxUse.Serving), 1e-12);
    }

    // The head is read as fast as its cache allows where no tail is visited, and from beyond it where one is, in each step.
    [Theory]
    [InlineData(0.0, 8.0)]
    [InlineData(1.0, 2.0)]
    [InlineData(0.25, 0.0)]
    public void VisitedTail_PushesTheHeadOutOfTheCache(double visits, double rate)
    {
        var machine = Machines.Small with { DecodingHeadTime = 0, DecodingTailTime = 0, Sampling = new ProductTimes([1], [1], [1e-9]) };
        var model = new SoftmaxCostModel { Machine = machine, Use = SoftmaxUse.Sampling, Batch = 1 };
        // A head of 2 × 8 values is 64 bytes, and a tail of 8 × (8 + 192) is 6,400.
        var layout = SoftmaxLayout.Create(8, 193, [1], [8]);
        var tail = visits * ((8 * 8 * 4 / 2.0) + (8 * 192 * 4 / 2.0));
        var head = rate > 0 ? 64 / rate : (0.75 * 64 / 8) + (0.25 * 64 / 2);

        Assert.Equal(head + tail, model.CostOf(layout, [1 - visits, visits]), 1e-4);
        Assert.Equal(8, model.CostOfHead(2, 8), 1e-4);
    }

    // Logits of 200,019 rows fit the scratch memory of 64 MiB for 80 tokens, and each block of them reads the weights anew.
    [Theory]
    [InlineData(SoftmaxUse.Sampling, 200_019, 256, 3, 80, 16)]
    [InlineData(SoftmaxUse.Greedy, 200_019, 160, 2, 80, 0)]
    [InlineData(SoftmaxUse.TopK, 2_000_000, 256, 8, 32, 0)]
    [InlineData(SoftmaxUse.Sampling, 1000, 600, 2, 256, 88)]
    [InlineData(SoftmaxUse.Training, 200_019, 256, 1, 256, 0)]
    public void DecodingBatches_ArePaidForInBlocks(SoftmaxUse use, int rows, int batch, int times, int block, int rest)
    {
        var model = new SoftmaxCostModel { Machine = Machines.Small, Use = use };
        var expected = (times * Cost(block)) + (rest > 0 ? Cost(rest) : 0);
        Assert.Equal(1, (model with { Batch = batch }).CostOfHead(rows, 16) / expected, 1e-9);
        double Cost(int tokens) => (model with { Batch = tokens }).Head(16).CostOf(rows);
    }

    // Of several tokens together: near weights take 1 a row, far ones 5, and what lies between them follows memory's slowing down.
    [Theory]
    [InlineData(1, 0.0)]
    [InlineData(2, 0.0)]
    [InlineData(17, 0.5)]
    [InlineData(32, 1.0)]
    [InlineData(100, 1.0)]
    public void WeightsFromAfar_AreWaitedFor(int megabytes, double way)
    {
        // Half way in bytes is at 5 of 8 and 2 gigabytes a second, and so at (1/5 − 1/8) / (1/2 − 1/8) of the time.
        var share = way == 0.5 ? (0.2 - 0.125) / (0.5 - 0.125) : way;
        var machine = Machines.Small with
        {
            Memory = new MemoryTimes([2 << 20, 32 << 20], [8, 2]),
            Sampling = new ProductTimes([1], [2], [1000]),
            FarSampling = new ProductTimes([1], [2], [5000]),
            TopK = new ProductTimes([1], [2], [1000]),
            BatchHeadTime = 7,
            SelectionTime = 0,
        };
        var rows = (megabytes << 20) / sizeof(float);
        foreach (var use in new[] { SoftmaxUse.Sampling, SoftmaxUse.TopK })
            Assert.Equal(7 + (rows * (1000 + (4000 * share))), new SoftmaxCostModel { Machine = machine, Use = use, Batch = 2 }.CostOfHead(rows, 1), rows * 1e-6);
        // A single token reads along, and what was not measured from afar is as near.
        Assert.Equal(machine.DecodingHeadTime + (rows * 1000.0), new SoftmaxCostModel { Machine = machine, Use = SoftmaxUse.Sampling, Batch = 1 }.CostOfHead(rows, 1), rows * 1e-6);
        Assert.Equal(7 + (rows * 1000.0), new SoftmaxCostModel { Machine = machine with { FarSampling = null }, Use = SoftmaxUse.Sampling, Batch = 2 }.CostOfHead(rows, 1), rows * 1e-6);

        // A tail that every token visits lies as far as itself and the head together.
        var layout = SoftmaxLayout.Create(1, rows, [1], [1]);
        var own = new SoftmaxCostModel { Machine = machine with { BatchTailTime = 3 }, Use = SoftmaxUse.Sampling, Batch = 2 }.CostOf(layout, [0, 1]);
        Assert.Equal(1, own / ((2 + rows) * (1000 + (4000 * share))), 1e-3);

        // Between two readings of a head of half the rows lies the tail with the other half: it is as far as all of them.
        var halves = new SoftmaxCostModel { Machine = machine, Use = SoftmaxUse.Sampling, Batch = 2 }.CostOf(SoftmaxLayout.Create(1, rows, [rows / 2], [1]), [0, 1]);
        Assert.Equal(1, halves / (rows * (1000 + (4000 * share))), 1e-3);
    }

    [Theory]
    [InlineData(0.0, 0.0)]
    [InlineData(1e-30, 2.56e-28)]
    [InlineData(0.001, 0.22597)]
    [InlineData(1.0, 1.0)]
    public void Visits_AreTheStepsWithATarget(double probability, double expected)
    {
        var (visited, targets, _) = new SoftmaxCostModel().VisitsOf(probability);

        Assert.Equal(expected, visited, expected * 1e-4);
        Assert.Equal(256 * probability, visited * targets, 1e-9);
    }
}
