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
        var model = SmallModel with { Use = use };
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
