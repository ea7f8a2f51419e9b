namespace AdaptiveSoftmax.Vocabulary.Tests.Planning;

public sealed class DomainCostsTests
{
    private static readonly string[] Names = ["en", "is"];

    // One domain lives in the head, the other a third in the tail.
    private static readonly long[][] Counts = [[600, 300, 60, 20, 10, 5, 3, 2, 0, 0], [0, 10, 20, 20, 8, 8, 8, 8, 9, 9]];

    private static readonly SoftmaxCostModel Model = new() { Machine = Machines.Small, Batch = 1, Use = SoftmaxUse.Sampling };

    [Fact]
    public void EachDomain_PaysForItsOwnTokens()
    {
        var layout = SoftmaxLayout.Create(16, 10, [4, 7], [8, 4]);
        var costs = DomainCosts.Of(layout, Names, Counts, Model);

        for (var i = 0; i < 2; i++)
        {
            double total = Counts[i].Sum();
            Assert.Equal((Names[i], total), (costs[i].Name, costs[i].Tokens));
            Assert.Equal(Counts[i][..4].Sum() / total, costs[i].HeadShare, 1e-12);
            // A draw visits the tail that it falls into.
            Assert.Equal(1 - costs[i].HeadShare, costs[i].VisitsPerToken, 1e-12);
            var expected = Model.CostOfHead(6, 16) + Model.CostOfTail(3, 8, 16, Counts[i][4..7].Sum() / total) + Model.CostOfTail(3, 4, 16, Counts[i][7..].Sum() / total);
            Assert.Equal(1, costs[i].Cost / expected, 1e-12);
        }

        Assert.Equal(1, costs[0].Ratio);
        Assert.Equal(costs[1].Cost / costs[0].Cost, costs[1].Ratio, 1e-12);
        Assert.False(costs[0].PaysMore);
        Assert.Equal(costs[1].Ratio > 1.25, costs[1].PaysMore);
    }

    [Fact]
    public void Balancing_HelpsTheDomainThatPaysMost()
    {
        var random = new Random(1);
        for (var round = 0; round < 20; round++)
        {
            long[][] counts = [[.. Zipf(40)], [.. Zipf(40).OrderBy(_ => random.Next())], [.. Zipf(40).OrderBy(_ => random.Next())]];
            var options = new ClusterPlanOptions { Clusters = 1 + (round % 2), MinimumHeadCoverage = 0, CostModel = Model with { Use = SoftmaxUse.Training, Batch = 4 } };
            var balanced = DomainCosts.Balance(["a", "b", "c"], counts, 16, options, TestContext.Current.CancellationToken);
            long[] all = [.. Enumerable.Range(0, 40).Select(slot => counts.Sum(domain => domain[slot]))];
            var plan = ClusterPlanner.Plan(all, 16, options, TestContext.Current.CancellationToken).Layout;

            double Worst(SoftmaxLayout layout) => DomainCosts.Of(layout, ["a", "b", "c"], counts, options.CostModel).Max(domain => domain.Cost);
            Assert.True(Worst(balanced) <= Worst(plan));
            // Against every layout there is.
            var best = (round % 2 == 0 ? Enumerable.Range(1, 39).Select(first => (int[])[first]) : Enumerable.Range(1, 38).SelectMany(first => Enumerable.Range(first + 1, 39 - first).Select(second => (int[])[first, second])))
                .Min(cutoffs => Worst(SoftmaxLayout.Create(16, 40, cutoffs, 2.0)));
            Assert.InRange(Worst(balanced) / best, 1 - 1e-9, 1.25);
        }
    }

    // Whatever mixture of them is planned for: small domains that live in few tokens do not make the head smaller.
    [Fact]
    public void ABalancedHead_CoversItsShareOfAllDomainsTogether()
    {
        var random = new Random(2);
        for (var round = 0; round < 20; round++)
        {
            long[] wide = [.. Enumerable.Repeat(0, 40).Select(_ => (long)random.Next(500, 1500))], narrow = new long[40];
            for (var i = 0; i < 3; i++) narrow[random.Next(6)] += 40;
            long[] all = [.. wide.Zip(narrow, (a, b) => a + b)];
            var options = new ClusterPlanOptions { Clusters = 1, MinimumHeadCoverage = 0.6, CostModel = Model };
            var layout = DomainCosts.Balance(["wide", "narrow"], [wide, narrow], 16, options, TestContext.Current.CancellationToken);
            Assert.InRange(all[..layout.ShortlistSize].Sum() / (double)all.Sum(), 0.6, 1);
        }
    }

    [Fact]
    public void Mistakes_AreNamed()
    {
        var layout = SoftmaxLayout.Create(16, 10, [4], [8]);
        Assert.Contains("give one each", Assert.Throws<ArgumentException>(() => DomainCosts.Of(layout, ["en"], Counts, Model)).Message, StringComparison.Ordinal);
        Assert.Contains("is has 1 counts", Assert.Throws<ArgumentException>(() => DomainCosts.Of(layout, Names, [Counts[0], [1]], Model)).Message, StringComparison.Ordinal);
        Assert.Contains("is has no tokens", Assert.Throws<ArgumentException>(() => DomainCosts.Of(layout, Names, [Counts[0], new long[10]], Model)).Message, StringComparison.Ordinal);
        Assert.Contains("no domains", Assert.Throws<ArgumentException>(() => DomainCosts.Balance([], [], 16, new ClusterPlanOptions(), TestContext.Current.CancellationToken)).Message, StringComparison.Ordinal);
        Assert.Empty(DomainCosts.Of(layout, [], [], Model));
    }

    private static IEnumerable<long> Zipf(int size) => Enumerable.Range(1, size).Select(rank => 10_000L / rank);
}
