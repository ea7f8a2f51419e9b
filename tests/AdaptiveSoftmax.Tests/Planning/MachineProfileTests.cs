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
        var full = profile with { FarGreedy = profile.Greedy, FarSampling = profile.Training, BatchHeadTime = 17, BatchTailTime = 18, GreedyCallTime = 19, TopKCallTime = 20, SamplingCallTime = 21, CandidateTime = 22 };
        Assert.Equal(full, MachineProfileFile.Parse(MachineProfileFile.ToText(full), "m.json"));
        var device = profile with { Device = "cuda", TopK = null, Sampling = null, SelectionTime = 0, FarGreedy = null, FarSampling = null };
        var text = MachineProfileFile.ToText(device);
        Assert.Equal(device, MachineProfileFile.Parse(text, "m.json"));
        Assert.DoesNotContain("sampling", text, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain("selection", text, StringComparison.Ordinal);

        // Without a device the same is a mistake. Files that do not tell several tokens from one have one time for both.
        Assert.Contains("\"topK\" is missing", Assert.Throws<FormatException>(() => MachineProfileFile.Parse(text.Replace("\"device\"", "\"other\"", StringComparison.Ordinal), "m.json")).Message, StringComparison.Ordinal);
        var lines = MachineProfileFile.ToText(full).Split('\n').Where(line => !line.Contains("\"batchHead", StringComparison.Ordinal) && !line.Contains("\"batchTail", StringComparison.Ordinal));
        var older = MachineProfileFile.Parse(string.Join('\n', lines), "m.json");
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

    // Files of earlier releases have none of these.
    [Fact]
    public void ProfilesWithoutTimesOfCalls_AreRead()
    {
        var text = MachineProfileFile.ToText(MachineProfile.Default);
        Assert.DoesNotContain("Call", text, StringComparison.Ordinal);
        var read = MachineProfileFile.Parse(text, "m.json");
        Assert.Equal((0, 0, 0, 0), (read.GreedyCallTime, read.TopKCallTime, read.SamplingCallTime, read.CandidateTime));
    }

    // Of what the profile explains nothing is left for calls; where it explains nothing, calls have all.
    [Fact]
    public void CallsTake_WhatAPredictionLacks()
    {
        var parts = 0;
        var slow = CallTimes.AddTo(Scale(1e6), 600, [50, 200], () => parts++, TestContext.Current.CancellationToken);
        Assert.Equal(CallTimes.Parts, parts);
        Assert.Equal((0, 0, 0, 0), (slow.GreedyCallTime, slow.TopKCallTime, slow.SamplingCallTime, slow.CandidateTime));
        var fast = Scale(1e-9) with { SelectionTime = 1e-9 };
        var measured = CallTimes.AddTo(fast, 600, [50, 200], () => { }, TestContext.Current.CancellationToken);
        Assert.True(measured.GreedyCallTime > 0 && measured.SamplingCallTime > 0 && measured.TopKCallTime + measured.CandidateTime > 0);
        Assert.Equal(fast, measured with { GreedyCallTime = 0, TopKCallTime = 0, SamplingCallTime = 0, CandidateTime = 0 });

        static MachineProfile Scale(double factor)
        {
            var times = new ProductTimes([16], [1], [factor]);
            return MachineProfile.Default with { Threads = 1, Greedy = times, TopK = times, Sampling = times, DecodingHeadTime = factor, DecodingTailTime = factor, Memory = new MemoryTimes([1], [1e9]) };
        }
    }

    // What is passed over in silence would be taken from another member, or not at all.
    [Theory]
    [InlineData("\"batchHeadNanoseconds\":", "\"batchHeadNanosecond\":", "batchHeadNanosecond")]
    [InlineData("\"batches\":", "\"batch\": [1], \"batches\":", "batch")]
    [InlineData("\"bytes\":", "\"byte\": 3, \"bytes\":", "byte")]
    public void AMemberThatNoProfileHas_IsRefusedWithItsLine(string old, string replacement, string member)
    {
        var lines = MachineProfileFile.ToText(MachineProfile.Default).Split('\n');
        var at = Array.FindIndex(lines, line => line.Contains(old, StringComparison.Ordinal));
        lines[at] = lines[at].Replace(old, replacement, StringComparison.Ordinal);
        var message = Assert.Throws<FormatException>(() => MachineProfileFile.Parse(string.Join('\n', lines), "m.json")).Message;
        Assert.StartsWith(FormattableString.Invariant($"m.json, line {at + 1}: a machine profile has no member \"{member}\""), message, StringComparison.Ordinal);
        Assert.Contains("adaptive-softmax calibrate", message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("\"threads\": 2", "\"threads\": true", "\"threads\" holds what does not belong there")]
    [InlineData("\"threads\": 2", "\"threads\": 2, \"threads\": 3", "\"threads\" holds what does not belong there, or stands there twice")]
    [InlineData("\"threads\": 2", "\"threads\" 2", "it is not JSON as it should be")]
    public void JsonThatIsNoProfile_IsToldByItsLine(string old, string replacement, string problem)
    {
        var lines = MachineProfileFile.ToText(MachineProfile.Default).Split('\n');
        var at = Array.FindIndex(lines, line => line.Contains(old, StringComparison.Ordinal));
        lines[at] = lines[at].Replace(old, replacement, StringComparison.Ordinal);
        var message = Assert.Throws<FormatException>(() => MachineProfileFile.Parse(string.Join('\n', lines), "m.json")).Message;
        Assert.Contains(FormattableString.Invariant($"in line {at + 1}, {problem}"), message, StringComparison.Ordinal);
        Assert.DoesNotContain("System.", message, StringComparison.Ordinal);
        Assert.DoesNotContain("AdaptiveSoftmax.", message, StringComparison.Ordinal);
        Assert.DoesNotContain("Path:", message, StringComparison.Ordinal);
    }

    [Fact]
    public void ATableWithAMistake_IsNamed_WithoutParametersOfTheCode()
    {
        var text = MachineProfileFile.ToText(MachineProfile.Default);
        var start = text.IndexOf("\"sampling\"", StringComparison.Ordinal);
        var at = text.IndexOf("1.76", start, StringComparison.Ordinal);
        var message = Assert.Throws<FormatException>(() => MachineProfileFile.Parse(string.Concat(text.AsSpan(0, at), "-1", text.AsSpan(at + 4)), "m.json")).Message;
        Assert.Contains("\"sampling\": Each time must be a number above 0", message, StringComparison.Ordinal);
        Assert.DoesNotContain("Parameter", message, StringComparison.Ordinal);
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
