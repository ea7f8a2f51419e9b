namespace AdaptiveSoftmax.Vocabulary.Tests.Planning;

public sealed class ClusterPlannerTests
{
    private static readonly ClusterPlanOptions CostOnly = new() { MinimumHeadCoverage = 0, MinimumWidthShare = 0, MinimumProjectionWidth = 2 };
    private static readonly SoftmaxCostModel SmallModel = new() { Machine = Machines.Small, Batch = 7 };

    public static TheoryData<long[]> SmallCounts => new(
        (long[])[1000, 500, 100, 50, 20, 10, 5, 2, 1, 1, 0, 0, 0, 0],
        (long[])[10, 10, 10, 10, 10, 10, 10, 10, 10],
        (long[])[5, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0],
        (long[])[0, 0, 0, 0, 0, 0, 0, 0],
        (long[])[1_000_000_000_000, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        (long[])[3, 2, 0],
        (long[])[1, 0]);

    [Theory]
    [MemberData(nameof(SmallCounts))]
    public void Plan_CostsWhatAnExhaustiveSearchFinds(long[] counts)
    {
        foreach (var (use, batch) in new[] { (SoftmaxUse.Training, 7), (SoftmaxUse.Training, 1), (SoftmaxUse.Training, 256), (SoftmaxUse.Greedy, 1), (SoftmaxUse.Greedy, 5), (SoftmaxUse.Greedy, 20), (SoftmaxUse.TopK, 1), (SoftmaxUse.TopK, 6), (SoftmaxUse.Serving, 3), (SoftmaxUse.Sampling, 1), (SoftmaxUse.Sampling, 3), (SoftmaxUse.Serving, 16), (SoftmaxUse.Greedy, 515), (SoftmaxUse.Sampling, 257), (SoftmaxUse.Serving, 512) })
        {
            var model = SmallModel with { Use = use, Batch = batch, TopK = 3 };
            var reference = new CostReference(counts, 16, model);
            for (var clusters = 1; clusters <= Math.Min(3, counts.Length - 1); clusters++)
            {
                var plan = ClusterPlanner.Plan(counts, 16, CostOnly with { Clusters = clusters, CostModel = model }, TestContext.Current.CancellationToken);

                var expected = Subsets(counts.Length, clusters).Min(cutoffs => reference.Of(cutoffs, Halves));
                Assert.Equal(1, plan.Cost / expected, 1e-9);
                Assert.Equal(1, reference.Of([.. plan.Cutoffs], Halves) / plan.Cost, 1e-9);
                Assert.Equal(1, plan.FullCost / reference.Full(), 1e-9);
            }

            // Of its own accord the planner makes no tail of fewer tokens than its width, unless it is the only one.
            var roomy = Enumerable.Range(1, Math.Min(3, counts.Length - 1)).SelectMany(clusters => Subsets(counts.Length, clusters))
                .Where(cutoffs => cutoffs.Length == 1 || cutoffs.Select((start, i) => (i + 1 < cutoffs.Length ? cutoffs[i + 1] : counts.Length) - start >= Halves(i)).All(fits => fits))
                .Select(cutoffs => reference.Of(cutoffs, Halves))
                .ToArray();
            var best = ClusterPlanner.Plan(counts, 16, CostOnly with { CostModel = model }, TestContext.Current.CancellationToken);
            Assert.Equal(1, best.Cost / roomy.Min(), 1e-9);
        }
    }

    // As many tokens as its width are enough for a tail: frequent tokens, then 8 of a middle sort, then rare ones.
    [Fact]
    public void ATailOfAsManyTokensAsItsWidth_IsOne()
    {
        var exact = 0;
        for (var number = 0; number < 18; number++)
        {
            var (few, many, frequent) = (1 + (number % 3), number % 2 == 0 ? 4 : 6, 300 * Math.Pow(10, number / 6));
            long[] counts = [.. Enumerable.Repeat((long)frequent, few), .. Enumerable.Repeat(100L, 8), .. Enumerable.Repeat(2L, many)];
            foreach (var use in new[] { SoftmaxUse.Training, SoftmaxUse.Sampling })
            {
                var model = SmallModel with { Use = use, Batch = 1 };
                var reference = new CostReference(counts, 16, model);
                var best = Enumerable.Range(1, 3).SelectMany(clusters => Subsets(counts.Length, clusters))
                    .Where(cutoffs => cutoffs.Length == 1 || cutoffs.Select((start, i) => (i + 1 < cutoffs.Length ? cutoffs[i + 1] : counts.Length) - start >= Halves(i)).All(fits => fits))
                    .Min(cutoffs => reference.Of(cutoffs, Halves));
                var plan = ClusterPlanner.Plan(counts, 16, CostOnly with { CostModel = model }, TestContext.Current.CancellationToken);
                Assert.Equal(1, plan.Cost / best, 1e-9);
                if (plan.Layout.TailCount > 1 && plan.Layout.Tails.Any(tail => tail.Size == tail.ProjectionWidth)) exact++;
            }
        }

        Assert.True(exact > 0, "None of the cheapest plans has such a tail.");
    }

    // Reading is what takes the time, and three tails push each other and the head out of the caches.
    [Theory]
    [MemberData(nameof(SmallCounts))]
    public void PlansOfSlowMemory_CostWhatAnExhaustiveSearchFinds(long[] counts)
    {
        var machine = Machines.WithCalls with { Memory = new MemoryTimes([64, 4096], [0.8, 0.02]) };
        foreach (var (use, batch) in new[] { (SoftmaxUse.Greedy, 1), (SoftmaxUse.Greedy, 5), (SoftmaxUse.Greedy, 20), (SoftmaxUse.TopK, 1), (SoftmaxUse.Sampling, 3), (SoftmaxUse.Serving, 16) })
        {
            var model = SmallModel with { Machine = machine, Use = use, Batch = batch, TopK = 3 };
            var reference = new CostReference(counts, 16, model);
            for (var clusters = 1; clusters <= Math.Min(3, counts.Length - 1); clusters++)
            {
                var plan = ClusterPlanner.Plan(counts, 16, CostOnly with { Clusters = clusters, CostModel = model }, TestContext.Current.CancellationToken);
                Assert.Equal(1, reference.Of([.. plan.Cutoffs], Halves) / plan.Cost, 1e-9);
                Assert.Equal(1, plan.Cost / Subsets(counts.Length, clusters).Min(cutoffs => reference.Of(cutoffs, Halves)), 1e-9);
                Assert.Equal(1, plan.FullCost / reference.Full(), 1e-9);
            }
        }
    }

    // Too many cutoffs to try them all. What a cluster costs depends on those beside it, so the sum that the dynamic programme makes
    // least is not the cost. Its cutoffs, and the best of evenly spaced ones, are moved one by one to where they cost least together.
    [Theory]
    [InlineData(SoftmaxUse.Greedy, 1)]
    [InlineData(SoftmaxUse.TopK, 1)]
    public void PlansOfManyCutoffs_CostLittleMoreThanTheBest(SoftmaxUse use, int batch)
    {
        var counts = Zipf(220);
        foreach (var memory in new[] { new MemoryTimes([64, 4096], [8, 2]), new MemoryTimes([64, 4096], [0.8, 0.02]) })
        {
            var model = SmallModel with { Machine = Machines.WithCalls with { Memory = memory }, Use = use, Batch = batch, TopK = 3 };
            var reference = new CostReference(counts, 16, model);
            var plan = ClusterPlanner.Plan(counts, 16, CostOnly with { Clusters = 2, CostModel = model }, TestContext.Current.CancellationToken);

            Assert.Equal(1, reference.Of([.. plan.Cutoffs], Halves) / plan.Cost, 1e-9);
            Assert.InRange(plan.Cost / Subsets(counts.Length, 2).Min(cutoffs => reference.Of(cutoffs, Halves)), 1 - 1e-9, 1.02);
        }
    }

    // A device launches the kernels of each tail in each step, so that a tail that nothing visits is not free.
    [Theory]
    [MemberData(nameof(SmallCounts))]
    public void PlansOfADevice_CostWhatAnExhaustiveSearchFinds(long[] counts)
    {
        foreach (var (use, batch) in new[] { (SoftmaxUse.Training, 7), (SoftmaxUse.Greedy, 1), (SoftmaxUse.Greedy, 5), (SoftmaxUse.Greedy, 20) })
        {
            var model = SmallModel with { Machine = Machines.Device, Use = use, Batch = batch };
            var reference = new CostReference(counts, 16, model);
            for (var clusters = 1; clusters <= Math.Min(3, counts.Length - 1); clusters++)
            {
                var plan = ClusterPlanner.Plan(counts, 16, CostOnly with { Clusters = clusters, CostModel = model }, TestContext.Current.CancellationToken);
                Assert.Equal(1, plan.Cost / Subsets(counts.Length, clusters).Min(cutoffs => reference.Of(cutoffs, Halves)), 1e-9);
                Assert.Equal(1, reference.Of([.. plan.Cutoffs], Halves) / plan.Cost, 1e-9);
                Assert.Equal(1, plan.FullCost / reference.Full(), 1e-9);
            }
        }

        // It neither draws nor looks for the best k.
        foreach (var use in new[] { SoftmaxUse.TopK, SoftmaxUse.Sampling, SoftmaxUse.Serving })
        {
            Assert.False(Machines.Device.HasTimesOf(use));
            Assert.Contains("a device's has those of training and greedy decoding", Assert.Throws<NotSupportedException>(() => ClusterPlanner.Plan(counts, 16, CostOnly with { CostModel = SmallModel with { Machine = Machines.Device, Use = use } }, TestContext.Current.CancellationToken)).Message, StringComparison.Ordinal);
        }

        Assert.All(Enum.GetValues<SoftmaxUse>(), use => Assert.True(Machines.Small.HasTimesOf(use)));
        Assert.True(Machines.Device.HasTimesOf(SoftmaxUse.Training) && Machines.Device.HasTimesOf(SoftmaxUse.Greedy));
    }

    [Theory]
    [MemberData(nameof(SmallCounts))]
    public void PlansWithinMemory_CostLittleMoreThanTheBestThatFits(long[] counts)
    {
        foreach (var use in new[] { SoftmaxUse.Training, SoftmaxUse.Greedy })
        {
            var model = SmallModel with { Use = use };
            var reference = new CostReference(counts, 16, model);
            for (var clusters = 1; clusters <= Math.Min(3, counts.Length - 1); clusters++)
            {
                var all = Subsets(counts.Length, clusters).Select(cutoffs => (Bytes: reference.Bytes(cutoffs, Halves), Cost: reference.Of(cutoffs, Halves))).ToArray();
                foreach (var limit in all.Select(one => one.Bytes).Distinct())
                {
                    var plan = ClusterPlanner.Plan(counts, 16, CostOnly with { Clusters = clusters, CostModel = model, MaximumWeightBytes = (long)limit }, TestContext.Current.CancellationToken);
                    Assert.True(plan.Layout.ParameterBytes <= limit);
                    Assert.InRange(plan.Cost / all.Where(one => one.Bytes <= limit).Min(one => one.Cost), 1 - 1e-9, 1.1);
                }

                var message = Message(counts, 16, CostOnly with { Clusters = clusters, CostModel = model, MaximumWeightBytes = (long)all.Min(one => one.Bytes) - 1 });
                Assert.Contains("allow more", message, StringComparison.Ordinal);
            }
        }
    }

    [Fact]
    public void Wishes_AreKept()
    {
        var counts = Zipf(5000);
        var plan = ClusterPlanner.Plan(counts, 64, new ClusterPlanOptions { Projections = [48, 5], MinimumHeadSize = 777, MinimumHeadCoverage = 0, CostModel = SmallModel }, TestContext.Current.CancellationToken);

        Assert.Equal([48, 5], plan.Layout.Tails.Select(tail => tail.ProjectionWidth));
        Assert.True(plan.Layout.ShortlistSize >= 777);
        var reference = new CostReference(counts, 64, SmallModel);
        Assert.Equal(1, reference.Of([.. plan.Cutoffs], tail => tail == 0 ? 48 : 5) / plan.Cost, 1e-9);
    }

    [Fact]
    public void CountsInAnyOrder_ArePlannedAsTheyStand()
    {
        // The last tokens are pinned to the front, whatever their counts.
        long[] counts = [0, 1, 0, 500, 300, 100, 80, 60, 40, 30, 20, 10, 5, 3, 2, 2];
        foreach (var (use, least) in new[] { (SoftmaxUse.Training, 3), (SoftmaxUse.Greedy, 9) })
        {
            var model = SmallModel with { Use = use };
            var reference = new CostReference(counts, 16, model);
            var plan = ClusterPlanner.Plan(counts, 16, CostOnly with { Clusters = 2, MinimumHeadSize = least, CostModel = model }, TestContext.Current.CancellationToken);

            Assert.Equal(1, plan.Cost / Subsets(counts.Length, 2).Where(cutoffs => cutoffs[0] >= least).Min(cutoffs => reference.Of(cutoffs, Halves)), 1e-9);
        }
    }

    [Fact]
    public void CoarseCandidates_CostLittleMoreThanAllCutoffs()
    {
        var counts = Zipf(2000);
        var model = SmallModel with { Machine = Machines.Create(fixedTime: 1000, update: 0.5), Batch = 32 };
        var plan = ClusterPlanner.Plan(counts, 32, CostOnly with { Clusters = 1, CostModel = model }, TestContext.Current.CancellationToken);
        var reference = new CostReference(counts, 32, model);

        Assert.InRange(plan.Cost / Enumerable.Range(1, counts.Length - 1).Min(first => reference.Of([first], Halve)), 1 - 1e-9, 1.001);
        static int Halve(int tail) => 32 >> (tail + 1);
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

        Assert.Equal([256, 128], plan.Layout.Tails.Select(tail => tail.ProjectionWidth));
        Assert.InRange(plan.Layout.ShortlistSize, 1000, 20_000);
        Assert.True(plan.SpeedUp > 5);
        Assert.Equal(plan.FullCost, new SoftmaxCostModel().CostOfHead(200_000, 512));
    }

    // What planning anew for drift keeps to: the second tail of a div value has at least 16 values, the first one any.
    [Theory]
    [InlineData(63, 1)]
    [InlineData(64, 2)]
    [InlineData(20, 1)]
    public void SecondTail_IsNotNarrowerThan16(int hiddenSize, int most)
    {
        var options = new ClusterPlanOptions { DivValue = 2, MinimumWidthShare = 0 };
        var plan = ClusterPlanner.Plan(Zipf(200_000), hiddenSize, options, TestContext.Current.CancellationToken);

        Assert.Equal(most, plan.Layout.TailCount);
        Assert.Equal(hiddenSize / 2, plan.Layout.Tails[0].ProjectionWidth);
    }

    [Fact]
    public void Frontier_TradesTimeForTheWidthOfRareTokens()
    {
        var points = PlanFrontier.Create(Zipf(100_000), 512, new ClusterPlanOptions(), TestContext.Current.CancellationToken);

        Assert.Equal(PlanFrontier.DivValues, points.Select(point => point.DivValue));
        foreach (var point in points)
        {
            var narrow = point.Plan.Layout.Tails.Where(tail => tail.ProjectionWidth < 128).Sum(tail => point.Plan.Coverage[tail.Cluster]);
            Assert.Equal(narrow, point.NarrowCoverage, 1e-12);
            Assert.Equal(point.Plan.Layout.Tails[^1].ProjectionWidth / 512.0, point.NarrowestShare);
            Assert.All(point.Plan.Layout.Tails, tail => Assert.True(tail.ProjectionWidth >= 16 && tail.Size >= tail.ProjectionWidth));
        }
    }

    [Fact]
    public void AMillionTokens_ArePlanned()
    {
        var plan = ClusterPlanner.Plan(Zipf(1_000_000), 1024, new ClusterPlanOptions { Clusters = 4 }, TestContext.Current.CancellationToken);

        Assert.Equal(4, plan.Cutoffs.Count);
    }

    [Theory]
    [InlineData(0.85)]
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

        Assert.Equal([256, 128], ClusterPlanner.Plan(counts, 512, cancellationToken: TestContext.Current.CancellationToken).Layout.Tails.Select(tail => tail.ProjectionWidth));
        Assert.Equal([128, 32], ClusterPlanner.Plan(counts, 512, new ClusterPlanOptions { DivValue = 4, MinimumWidthShare = 0 }, TestContext.Current.CancellationToken).Layout.Tails.Select(tail => tail.ProjectionWidth));
        Assert.Equal([8], ClusterPlanner.Plan(counts, 16, cancellationToken: TestContext.Current.CancellationToken).Layout.Tails.Select(tail => tail.ProjectionWidth));
        Assert.Equal([128, 32, 8, 2], ClusterPlanner.Plan(counts, 512, new ClusterPlanOptions { Clusters = 4, DivValue = 4 }, TestContext.Current.CancellationToken).Layout.Tails.Select(tail => tail.ProjectionWidth));
    }

    [Fact]
    public void ImpossibleWishes_SayWhy()
    {
        Assert.Contains("at least 2", Message([5], 512, new ClusterPlanOptions()), StringComparison.Ordinal);
        Assert.Contains("at least 2", Message([], 512, new ClusterPlanOptions()), StringComparison.Ordinal);
        Assert.Contains("1 to 2", Message([5, 4, 3], 512, new ClusterPlanOptions { Clusters = 3 }), StringComparison.Ordinal);
        Assert.Contains("1 to 16", Message(Zipf(100), 512, new ClusterPlanOptions { Clusters = 17, DivValue = 1 }), StringComparison.Ordinal);
        Assert.Contains("0 clusters", Message([5, 4, 3], 512, new ClusterPlanOptions { Clusters = 0 }), StringComparison.Ordinal);
        Assert.Contains("no width for cluster 2", Message(Zipf(100), 32, new ClusterPlanOptions { Clusters = 4, DivValue = 4 }), StringComparison.Ordinal);
        Assert.Contains("no width for cluster 0", Message([5, 4, 3], 3, new ClusterPlanOptions { DivValue = 4 }), StringComparison.Ordinal);
        Assert.Contains("div value is NaN", Message([5, 4, 3], 3, new ClusterPlanOptions { DivValue = double.NaN }), StringComparison.Ordinal);
        Assert.Contains("0 to 2", Message([5, 6, 3], 512, new ClusterPlanOptions { MinimumHeadSize = 3 }), StringComparison.Ordinal);
        Assert.Contains("one projection a cluster", Message([5, 6, 3], 512, new ClusterPlanOptions { Clusters = 1, Projections = [4, 4] }), StringComparison.Ordinal);
        Assert.Contains("width 0", Message([5, 6, 3], 512, new ClusterPlanOptions { Projections = [0] }), StringComparison.Ordinal);
        Assert.Contains("negative", Message([5, -6], 512, new ClusterPlanOptions()), StringComparison.Ordinal);
        Assert.Contains("hidden size is 0", Message([5, 4], 0, new ClusterPlanOptions()), StringComparison.Ordinal);
        Assert.Contains("from 0 to 1", Message([5, 4], 512, new ClusterPlanOptions { MinimumHeadCoverage = double.NaN }), StringComparison.Ordinal);
        Assert.Throws<ArgumentOutOfRangeException>(() => new SoftmaxCostModel { Batch = 0 });
    }

    [Fact]
    public void Cancellation_StopsTheSearch()
    {
        Assert.Throws<OperationCanceledException>(() => ClusterPlanner.Plan(Zipf(1000), 512, null, new CancellationToken(canceled: true)));
    }

    private static string Message(long[] counts, int hiddenSize, ClusterPlanOptions options) =>
        Assert.ThrowsAny<ArgumentException>(() => ClusterPlanner.Plan(counts, hiddenSize, options)).Message;

    private static long[] Zipf(int size) => [.. Enumerable.Range(1, size).Select(rank => 10_000_000L / rank)];

    private static int Halves(int tail) => 16 >> (tail + 1);

    private static IEnumerable<int[]> Subsets(int size, int clusters, int from = 1)
    {
        if (clusters == 0) return [[]];
        return Enumerable.Range(from, Math.Max(0, size - from)).SelectMany(first => Subsets(size, clusters - 1, first + 1).Select(rest => (int[])[first, .. rest]));
    }
}
