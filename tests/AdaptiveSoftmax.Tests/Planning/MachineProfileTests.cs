using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tests.Planning;

public sealed class MachineProfileTests
{
    [Fact]
    public void AProfile_IsReadAsItWasWritten()
    {
        var folder = Directory.CreateTempSubdirectory("adaptive-softmax-profile-");
        try
        {
            var path = Path.Combine(folder.FullName, "machine.json");
            MachineProfileFile.Save(path, MachineProfile.Default);
            var read = MachineProfileFile.Load(path);

            Assert.Equal(MachineProfile.Default, read);
            Assert.Equal(File.ReadAllText(path), MachineProfileFile.ToText(read));
            Assert.DoesNotContain('\r', File.ReadAllText(path));
            Assert.Equal(["machine.json"], folder.EnumerateFiles().Select(file => file.Name));
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [Fact]
    public void WhatAProfileHasOrLacks_IsKept()
    {
        var profile = MachineProfile.Default;
        var full = profile with { FarGreedy = profile.Greedy, FarSampling = profile.Training, BatchHeadTime = 17, BatchTailTime = 18 };
        Assert.Equal(full, MachineProfileFile.Parse(MachineProfileFile.ToText(full), "m.json"));
        var device = profile with { Device = "cuda", TopK = null, Sampling = null, SelectionTime = 0, FarGreedy = null, FarSampling = null };
        var text = MachineProfileFile.ToText(device);
        Assert.Equal(device, MachineProfileFile.Parse(text, "m.json"));
        Assert.DoesNotContain("sampling", text, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain("selection", text, StringComparison.Ordinal);

        // Without a device the same is a mistake. Files that do not tell several tokens from one have one time for both.
        Assert.Contains("\"topK\" is missing", Assert.Throws<FormatException>(() => MachineProfileFile.Parse(text.Replace("\"device\"", "\"other\"", StringComparison.Ordinal), "m.json")).Message, StringComparison.Ordinal);
        var older = MachineProfileFile.Parse(MachineProfileFile.ToText(full).Replace("batchHead", "other", StringComparison.Ordinal).Replace("batchTail", "another", StringComparison.Ordinal), "m.json");
        Assert.Equal((full.DecodingHeadTime, full.DecodingTailTime), (older.BatchHeadTime, older.BatchTailTime));
    }

    [Theory]
    [InlineData("\"version\": 2", "\"version\": 1", "of version 1")]
    [InlineData("machine profile\"", "profile of machines\"", "is no machine profile")]
    [InlineData("\"threads\": 2", "\"threads\": 0", "0 threads")]
    [InlineData("\"threads\": 2", "\"threads\": true", "is no machine profile")]
    [InlineData("\"updateNanoseconds\":", "\"updateTime\":", "\"updateNanoseconds\" is missing")]
    [InlineData("\"selectionNanoseconds\":", "\"selection\":", "\"selectionNanoseconds\" is missing")]
    [InlineData("\"greedy\":", "\"lazy\":", "\"greedy\" is missing")]
    [InlineData("\"gigabytesPerSecond\": [", "\"gigabytesPerSecond\": [ -1,", "bandwidths for")]
    [InlineData("\"updateNanoseconds\":", "\"updateNanoseconds\": 1e306, \"was\":", "\"updateNanoseconds\" is not a number from 0 to 1e12")]
    public void AMistake_IsNamedWithTheRemedy(string old, string replacement, string expected)
    {
        var text = MachineProfileFile.ToText(MachineProfile.Default);
        Assert.Contains(old, text, StringComparison.Ordinal);
        var message = Assert.Throws<FormatException>(() => MachineProfileFile.Parse(text.Replace(old, replacement, StringComparison.Ordinal), "m.json")).Message;

        Assert.Contains("m.json", message, StringComparison.Ordinal);
        Assert.Contains(expected, message, StringComparison.Ordinal);
        Assert.Contains("adaptive-softmax calibrate", message, StringComparison.Ordinal);
    }

    [Fact]
    public void Times_AreStraightBetweenWhatWasMeasured()
    {
        var times = new ProductTimes([2, 4], [1, 3], [10, 30, 20, 60]);

        Assert.Equal(10, times.At(2, 1));
        Assert.Equal(22.5, times.At(3, 1.5), 1e-12);
        Assert.Equal(10, times.At(1, 0.5));
        Assert.Equal(240, times.At(8, 6), 1e-12);
        Assert.Equal(100 / 6.0, new MemoryTimes([50, 150], [8, 4]).Read(100), 1e-12);
        Assert.Equal(5, new MemoryTimes([50, 150], [8, 4]).Read(40), 1e-12);
        Assert.Throws<ArgumentException>(() => new ProductTimes([2, 2], [1], [1, 1]));
        Assert.Throws<ArgumentException>(() => new ProductTimes([2], [1], [0]));
        Assert.Throws<ArgumentException>(() => new MemoryTimes([2, 1], [1, 1]));
    }

    [Fact]
    public void ALayout_IsRunInEveryUse()
    {
        long[] counts = [.. Enumerable.Range(1, 300).Select(rank => 10_000L / rank)];
        var layout = SoftmaxLayout.Create(16, counts.Length, [40, 120], 2.0);
        foreach (var use in Enum.GetValues<SoftmaxUse>())
        {
            foreach (var batch in new[] { 1, 3, 20 })
                Assert.True(LayoutBenchmark.Measure(layout, counts, new SoftmaxCostModel { Use = use, Batch = batch, TopK = 5 }, threads: 1, least: TimeSpan.Zero, TestContext.Current.CancellationToken) > 0);
        }

        Assert.Throws<ArgumentException>(() => LayoutBenchmark.Measure(layout, new long[300], new SoftmaxCostModel(), cancellationToken: TestContext.Current.CancellationToken));
        Assert.Throws<OperationCanceledException>(() => LayoutBenchmark.Measure(layout, counts, new SoftmaxCostModel(), cancellationToken: new CancellationToken(canceled: true)));
    }

    [Theory]
    [InlineData(SoftmaxUse.Greedy)]
    [InlineData(SoftmaxUse.TopK)]
    public void DecodingStates_VisitTailsAsOftenAsAPlanExpects(SoftmaxUse use)
    {
        long[] counts = [.. Enumerable.Range(1, 3000).Select(rank => 100_000L / rank)];
        var layout = SoftmaxLayout.Create(64, counts.Length, [100, 600], 2.0);
        using var layer = new DynamicAdaptiveSoftmax(layout);
        var model = new SoftmaxCostModel { Use = SoftmaxUse.Greedy, Batch = 1 }.For(counts);
        var draws = new TokenDraws([.. counts]);
        double[] expected = [0.3, 0.1];
        var states = new DecodingStates(layer, draws, model with { Use = use }, expected, steps: 2000);
        using var session = layer.CreateSession();
        var k = use == SoftmaxUse.TopK ? 40 : 1;
        var visits = states.Steps.Average(hidden => session.TopK(hidden, new int[k], new float[k]).TailsVisited);

        // A state leans towards one of the tails that it is to visit, so both at once count as one; the best k may be in both.
        Assert.Equal(use == SoftmaxUse.TopK ? 0.4 : 0.37, visits, 0.06);
    }

    [Fact]
    public void Draws_FollowTheCounts()
    {
        var draws = new TokenDraws([0, 6, 0, 3, 1, 0]);
        var drawn = draws.Draw(100_000, stream: 1);

        Assert.Equal([1, 3, 4], drawn.Distinct().Order());
        Assert.Equal(0.6, drawn.Count(token => token == 1) / 100_000.0, 0.01);
        Assert.Equal(0.1, drawn.Count(token => token == 4) / 100_000.0, 0.01);
    }
}
