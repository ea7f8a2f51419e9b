using System.Globalization;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Distributed.Tests;

/// <summary>The model of step time counts what the ranks really send, and plans by it.</summary>
public sealed class StepTimeTests
{
    // Memory of a server processor, a network of 10 Gbit/s.
    private static readonly RankSpeeds s_speeds = new()
    {
        MultiplyAddsPerSecond = 40e9,
        LogitsPerSecond = 0.5e9,
        WeightsPerSecond = 0.5e9,
        BytesPerSecond = 1.25e9,
        SecondsPerMessage = 20e-6,
    };

    private static readonly SoftmaxLayout s_large = SoftmaxLayout.Create(512, 200_019, [2_096, 20_209]);

    [Theory]
    [InlineData(2, true)]
    [InlineData(3, true)]
    [InlineData(4, true)]
    [InlineData(2, false)]
    [InlineData(3, false)]
    public void TheBytesOfTheModel_AreThoseThatCross(int ranks, bool cutsHead)
    {
        var layout = SoftmaxLayout.Create(64, 30_000, [400, 4000], [16, 8]);
        var plan = new VocabularyPlan { CutsHead = cutsHead, CutsTails = [true, true] };
        var targets = FrequentTargets(layout.VocabularySize, 600);
        var received = 0L;
        ThreadCollectives.Run(ranks, collectives =>
        {
            using var softmax = VocabularyProgram.Create(collectives, 1, layout, plan);
            using var optimizer = new Sgd(0.1);
            var before = collectives.BytesReceived;
            softmax.Backward(new float[targets.Length * layout.HiddenSize], targets, new float[targets.Length * layout.HiddenSize]);
            softmax.Step(optimizer);
            if (collectives.Rank == 0) received = collectives.BytesReceived - before;
        });
        Assert.Equal(1, StepTime.OfVocabulary(layout, plan, targets.Length, ranks, s_speeds).Bytes / received, 0.03);
    }

    [Theory]
    [InlineData(2)]
    [InlineData(5)]
    public void TheBytesOfDataInParallel_AreThoseThatCross(int ranks)
    {
        var layout = SoftmaxLayout.Create(64, 30_000, [400, 4000], [16, 8]);
        var targets = FrequentTargets(layout.VocabularySize, 60);
        var received = 0L;
        ThreadCollectives.Run(ranks, collectives =>
        {
            using var softmax = new DynamicAdaptiveSoftmax(layout, seed: 1, VocabularyProgram.Options);
            using var optimizer = new Sgd(0.1);
            using var parallel = new DataParallel(collectives, softmax, null, ranks) { Threads = 1 };
            var before = collectives.BytesReceived;
            parallel.Backward(new float[targets.Length * layout.HiddenSize], targets);
            parallel.EndShard(collectives.Rank);
            parallel.Reduce();
            parallel.Step(optimizer);
            if (collectives.Rank == 0) received = collectives.BytesReceived - before;
        });
        Assert.Equal(1, StepTime.OfData(layout, targets.Length, ranks, s_speeds).Bytes / received, 0.01);
    }

    [Fact]
    public void ASecondOfWork_TakesASecond()
    {
        // 512 x 10,000 weights, each in three multiply-adds a token.
        var layout = SoftmaxLayout.CreateFull(512, 10_000);
        var time = StepTime.OfData(layout, tokens: 100, ranks: 1, s_speeds);
        Assert.Equal((3 * 5.12e8 / 40e9) + (1e6 / 0.5e9) + (5.12e6 / 0.5e9), time.ComputeSeconds, 1e-9);
        Assert.Equal(time.ComputeSeconds, time.Seconds);

        // Half of the rows on each of two ranks; of each token half of a gradient of 512 floats twice, and 8 bytes twelve times at most.
        var plan = new VocabularyPlan { CutsHead = true, CutsTails = [] };
        var two = StepTime.OfVocabulary(layout, plan, tokens: 100, ranks: 2, s_speeds);
        Assert.Equal(time.ComputeSeconds / 2, two.ComputeSeconds, 1e-9);
        Assert.InRange(two.Bytes, 100 * 512 * 4, 100 * ((512 * 4) + (8 * 12)) + 1000);
        Assert.Equal(two.Bytes / 1.25e9, two.TransferSeconds, 1e-12);
        Assert.InRange(two.WaitSeconds, 5 * 20e-6, 20 * 20e-6);
        var eight = StepTime.OfVocabulary(layout, plan, tokens: 100, ranks: 8, s_speeds);
        Assert.Equal(3, eight.WaitSeconds / two.WaitSeconds, 1e-9);
    }

    [Fact]
    public void TheAllReduceOfMoreRanks_NearsTwiceTheGradients()
    {
        Assert.Equal(1, Share(2), 0.01);
        Assert.Equal(1.75, Share(8), 0.01);
        Assert.Equal(2, Share(512), 0.02);

        static double Share(int ranks) => StepTime.OfData(s_large, 256, ranks, s_speeds).Bytes / s_large.ParameterBytes;
    }

    [Theory]
    [InlineData(100e9, 0, true, true)]
    [InlineData(25e6, 0, false, true)]
    [InlineData(1e3, 0, false, false)]
    [InlineData(100e9, 1e3, false, false)]
    public void ThePlan_FollowsTheBandwidths(double bytesPerSecond, double gatheredBytesPerSecond, bool cutsHead, bool cutsTails)
    {
        var speeds = s_speeds with { BytesPerSecond = bytesPerSecond, GatheredBytesPerSecond = gatheredBytesPerSecond };
        var plan = VocabularyPlan.Create(s_large, speeds, ranks: 4, tokens: 512);
        Assert.Equal(cutsHead, plan.CutsHead);
        Assert.Equal([cutsTails, cutsTails], plan.CutsTails);
    }

    // Memory that ranks of one machine share is for sums alone.
    [Fact]
    public void WhatIsAddedUp_AndWhatIsPutTogether_HaveRatesOfTheirOwn()
    {
        Assert.Equal(1.25e9, s_speeds.GatheredBytesPerSecond);
        var sums = StepTime.OfData(s_large, 256, 4, s_speeds with { GatheredBytesPerSecond = double.PositiveInfinity });
        Assert.Equal(1.5 * s_large.ParameterBytes / 1.25e9, sums.TransferSeconds, 1e-12);
        var plan = VocabularyPlan.Create(s_large);
        var both = StepTime.OfVocabulary(s_large, plan, 512, 4, s_speeds);
        var gathered = StepTime.OfVocabulary(s_large, plan, 512, 4, s_speeds with { BytesPerSecond = double.PositiveInfinity, GatheredBytesPerSecond = 1.25e9 });
        var summed = StepTime.OfVocabulary(s_large, plan, 512, 4, s_speeds with { GatheredBytesPerSecond = double.PositiveInfinity });
        Assert.Equal(both.TransferSeconds, gathered.TransferSeconds + summed.TransferSeconds, 1e-12);
        Assert.InRange(gathered.TransferSeconds / both.TransferSeconds, 0.001, 0.1);
    }

    [Fact]
    public void ThePlan_HasABlockForEachRank()
    {
        Assert.Equal(16, VocabularyPlan.Create(s_large, s_speeds, ranks: 3, tokens: 512).Blocks);
        Assert.Equal(32, VocabularyPlan.Create(s_large, s_speeds, ranks: 17, tokens: 512).Blocks);
        var alone = VocabularyPlan.Create(s_large, s_speeds, ranks: 1, tokens: 512);
        Assert.False(alone.CutsHead);
    }

    [Fact]
    public void TheTableOfThePage_IsTheModels()
    {
        var page = File.ReadAllText(Path.Combine(PageTests.Root(), "docs/distributed.md"));
        foreach (var ranks in (int[])[2, 8, 64, 512])
        {
            var data = StepTime.OfData(s_large, 256, ranks, s_speeds);
            var plan = VocabularyPlan.Create(s_large) with { Blocks = Math.Max(16, ranks) };
            var vocabulary = StepTime.OfVocabulary(s_large, plan, 256 * ranks, ranks, s_speeds);
            Assert.Contains(
                string.Create(CultureInfo.InvariantCulture, $"\n| {ranks} | {data.Bytes / 1e6:F1} | {1e3 * data.TransferSeconds:F1} | {vocabulary.Bytes / 1e6:F1} | {1e3 * vocabulary.TransferSeconds:F1} |\n"),
                page,
                StringComparison.Ordinal);
        }
    }

    [Fact]
    public void AllRanks_MeasureTheSame()
    {
        var speeds = new RankSpeeds[2];
        ThreadCollectives.Run(2, collectives => speeds[collectives.Rank] = RankSpeeds.Measure(collectives, threads: 1));
        Assert.Equal(speeds[0], speeds[1]);
        foreach (var value in new[] { speeds[0].MultiplyAddsPerSecond, speeds[0].LogitsPerSecond, speeds[0].WeightsPerSecond, speeds[0].BytesPerSecond, speeds[0].GatheredBytesPerSecond, 1 / speeds[0].SecondsPerMessage })
            Assert.InRange(value, 100, 1e15);
    }

    // Targets as frequent as one over their rank, the same number of each of the batch's quantiles.
    private static int[] FrequentTargets(int vocabulary, int tokens) =>
        [.. Enumerable.Range(0, tokens).Select(token => Math.Min((int)Math.Exp((token + 0.5) / tokens * Math.Log(vocabulary + 1.0)) - 1, vocabulary - 1))];
}
