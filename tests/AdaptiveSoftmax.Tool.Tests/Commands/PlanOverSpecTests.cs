using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tool.Tests.Commands;

/// <summary>A plan that goes into a spec that is there changes what it decides, and leaves the rest.</summary>
public sealed class PlanOverSpecTests
{
    [Fact]
    public async Task MembersThatAPlanDoesNotDecide_StayAsTheyAreWritten()
    {
        using var run = new ToolRun();
        WriteTable(run);
        const string Old = "{\n  \"$schema\": \"./softmax.schema.json\",\n  \"seed\": 7,\n  \"hiddenSize\": 32,\n  \"vocabulary\": \"old.tokens\",\n  \"cutoffs\": [2, 5],\n  \"divValue\": 2.0,\n  \"precision\": { \"head\": \"bfloat16\",\n                 \"tails\": \"int8\" },\n  \"headBias\": true\n}\n";
        run.Write("x.softmax.json", Old);

        Assert.Equal(0, await run.RunAsync("plan", run.Path("x.tokens"), "-H", "64", "-k", "3", "-o", run.Path("x.softmax.json")));
        var text = File.ReadAllText(run.Path("x.softmax.json"));
        var spec = SpecReader.Read("x", text).Spec!;
        Assert.Equal((64, "x.tokens", 3, 2.0, true, 7ul), (spec.HiddenSize, spec.TableFile, spec.Cutoffs.Count, spec.DivValue, spec.HeadBias, spec.Seed));
        Assert.Equal((WeightPrecision.BFloat16, WeightPrecision.Int8), (spec.HeadPrecision, spec.TailPrecisions[2]));
        Assert.Equal(Old.Replace("32", "64", StringComparison.Ordinal).Replace("old.", "x.", StringComparison.Ordinal).Replace("[2, 5]", $"[{string.Join(", ", spec.Cutoffs)}]", StringComparison.Ordinal), text);
        Assert.Contains("Kept of the spec that was there: $schema, seed, precision, headBias.", run.Output, StringComparison.Ordinal);

        // Once more changes nothing; what is said anew is.
        Assert.Equal(0, await run.RunAsync("plan", run.Path("x.tokens"), "-H", "64", "-k", "3", "-o", run.Path("x.softmax.json")));
        Assert.Equal(text, File.ReadAllText(run.Path("x.softmax.json")));
        Assert.Equal(0, await run.RunAsync("plan", run.Path("x.tokens"), "-H", "64", "--head-bias", "false", "--div-value", "3", "-o", run.Path("x.softmax.json")));
        spec = SpecReader.Read("x", File.ReadAllText(run.Path("x.softmax.json"))).Spec!;
        Assert.Equal((3.0, false, 7ul), (spec.DivValue, spec.HeadBias, spec.Seed));
        Assert.Equal(0, await run.RunAsync("plan", run.Path("x.tokens"), "-H", "64", "--head-bias", "-o", run.Path("x.softmax.json")));
        Assert.True(SpecReader.Read("x", File.ReadAllText(run.Path("x.softmax.json"))).Spec!.HeadBias);
    }

    // The div value that a plan wrote is no word for narrower tails than it made.
    [Fact]
    public async Task PlannedAgain_ItIsTheSamePlan_AndDriftSeesNothingToGain()
    {
        using var run = new ToolRun();
        WriteTable(run);
        Assert.Equal(0, await run.RunAsync("plan", run.Path("x.tokens"), "-H", "128", "-o", run.Path("x.softmax.json")));
        var text = File.ReadAllText(run.Path("x.softmax.json"));
        Assert.Equal(0, await run.RunAsync("plan", run.Path("x.tokens"), "-H", "128", "-o", run.Path("x.softmax.json")));
        Assert.Equal(text, File.ReadAllText(run.Path("x.softmax.json")));
        Assert.Equal(0, await run.RunAsync("drift", run.Path("x.tokens"), "--observed", run.Path("x.tokens"), "--spec", run.Path("x.softmax.json"), "--json"));
        using var json = System.Text.Json.JsonDocument.Parse(run.Output);
        var replan = json.RootElement.GetProperty("replan");
        Assert.Equal(SpecReader.Read("x", text).Spec!.Cutoffs, replan.GetProperty("cutoffs").EnumerateArray().Select(cutoff => cutoff.GetInt32()));
        Assert.Equal(1, replan.GetProperty("speedUp").GetDouble(), 1e-12);
    }

    [Fact]
    public async Task APlanThatIsSlowerThanAFullSoftmax_IsCalledSo()
    {
        using var run = new ToolRun();
        run.Write("x.tokens", string.Concat(Enumerable.Range(0, 200).Select(slot => $"{slot}\t{1_000_000 / (slot + 1)}\tt{slot}\n")));
        Assert.Equal(0, await run.RunAsync("plan", run.Path("x.tokens"), "-H", "64", "--for", "topk", "-o", run.Path("x.softmax.json")));
        Assert.Contains("times slower than a full softmax's", run.Output, StringComparison.Ordinal);
        Assert.Contains("which is the better choice here", run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task FullSoftmax_BecomesAnAdaptiveOne()
    {
        using var run = new ToolRun();
        WriteTable(run);
        run.Write("x.softmax.json", "{ \"hiddenSize\": 32, \"vocabulary\": \"x.tokens\", \"softmax\": \"full\", \"logitSoftCap\": 30.0, \"seed\": 3 }");
        Assert.Equal(0, await run.RunAsync("plan", run.Path("x.tokens"), "-H", "32", "-o", run.Path("x.softmax.json")));
        var spec = SpecReader.Read("x", File.ReadAllText(run.Path("x.softmax.json"))).Spec!;
        Assert.Equal((false, 3ul), (spec.IsFull, spec.Seed));
        Assert.Contains("The logitSoftCap 30.0 of", run.Error, StringComparison.Ordinal);
        Assert.NotEmpty(spec.Cutoffs);
    }

    [Fact]
    public async Task ByteOrderMarkAndLineEnds_Stay()
    {
        using var run = new ToolRun();
        WriteTable(run);
        run.Write("x.softmax.json", "\ufeff{\r\n\t\"seed\": 3,\r\n\t\"hiddenSize\": 32,\r\n\t\"vocabulary\": \"x.tokens\"\r\n}\r\n");

        Assert.Equal(0, await run.RunAsync("plan", run.Path("x.tokens"), "-H", "32", "-o", run.Path("x.softmax.json")));
        var text = File.ReadAllText(run.Path("x.softmax.json"));
        Assert.StartsWith("{\r\n\t\"seed\": 3,\r\n\t\"hiddenSize\": 32,\r\n", text, StringComparison.Ordinal);
        Assert.Contains("\"cutoffs\": [", text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{\n  \"hiddenSize\": 32,\n  \"vocabulary\": \"x.tokens\",\n  \"hiddenSize\": 16 }", "(4,3): \"hiddenSize\" is given twice.")]
    [InlineData("{\n  \"cutoffs\": [\n    2,\n    5],\n  \"divValue\": 2,\n  \"divValue\": 2 }", "(6,3): \"divValue\" is given twice.")]
    [InlineData("{ \"hiddenSize\": 32,\n  \"comment\": [\"of\", { \"mine\": 1.50 }] }", "(2,3): \"comment\" is not a member of a spec.")]
    [InlineData("{ \"hiddenSize\": 32, \"cutoffs\": [\n 2],\n \"seed\": -1 }", "(3,10): seed is -1")]
    [InlineData("{ \"hiddenSize\": 32,\n  \"precision\": { \"head\": \"float8\" } }", "(2,26): precision.head is \"float8\"")]
    [InlineData("{ \"hiddenSize\": 32,\n  \"seed\": 1,\n  \"\\ud800\": 1 }", "is not well-formed")]
    public async Task WhatABuildRefuses_IsNotWrittenAnew(string old, string expected)
    {
        using var run = new ToolRun();
        WriteTable(run);
        run.Write("x.softmax.json", old);
        Assert.Equal(1, await run.RunAsync("plan", run.Path("x.tokens"), "-H", "64", "-o", run.Path("x.softmax.json")));
        Assert.Contains(expected, run.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("fingerprint", run.Output, StringComparison.Ordinal);
        Assert.Equal(old, File.ReadAllText(run.Path("x.softmax.json")));
        Assert.Equal(0, await run.RunAsync("plan", run.Path("x.tokens"), "-H", "64", "--force", "-o", run.Path("x.softmax.json")));
    }

    [Fact]
    public async Task InAFolderThatIsALink_TheTableIsNamedFromWhereTheSpecStands()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Links need a permission on Windows.");
        using var run = new ToolRun();
        WriteTable(run);
        Directory.CreateDirectory(run.Path("other/deep"));
        Directory.CreateSymbolicLink(run.Path("link"), "other/deep");
        Assert.Equal(0, await run.RunAsync("plan", run.Path("x.tokens"), "-H", "64", "-o", run.Path("link/x.softmax.json")));
        foreach (var name in new[] { "link/x.softmax.json", "other/deep/x.softmax.json" })
        {
            Assert.Equal("../../x.tokens", SpecReader.Read("x", File.ReadAllText(run.Path(name))).Spec!.TableFile);
            Assert.Equal(5000, Files.SpecFile.Read(run.Path(name), TestContext.Current.CancellationToken).Table.Count);
        }

        // A table in the same folder is named without any step, by whatever name the folder is called.
        File.Move(run.Path("x.tokens"), run.Path("other/deep/x.tokens"));
        Assert.Equal(0, await run.RunAsync("plan", run.Path("other/deep/x.tokens"), "-H", "64", "-o", run.Path("link/x.softmax.json")));
        Assert.Equal("x.tokens", SpecReader.Read("x", File.ReadAllText(run.Path("link/x.softmax.json"))).Spec!.TableFile);
    }

    [Fact]
    public async Task Projections_GiveWayToTheDivValue()
    {
        using var run = new ToolRun();
        WriteTable(run);
        run.Write("x.softmax.json", "{ \"projections\": [16, 4], \"hiddenSize\": 32, \"vocabulary\": \"x.tokens\", \"cutoffs\": [2, 5], \"seed\": 3 }");
        Assert.Equal(0, await run.RunAsync("plan", run.Path("x.tokens"), "-H", "64", "-o", run.Path("x.softmax.json")));
        var read = SpecReader.Read("x", File.ReadAllText(run.Path("x.softmax.json")));
        Assert.Empty(read.Errors);
        Assert.Equal((2.0, 3ul, 0), (read.Spec!.DivValue, read.Spec.Seed, read.Spec.Projections.Count));
        Assert.Contains("note: The projections [16, 4] of", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task PrecisionsOfSoManyTails_FollowOrAreRefused()
    {
        using var run = new ToolRun();
        WriteTable(run);
        run.Write("x.softmax.json", "{ \"hiddenSize\": 32, \"vocabulary\": \"x.tokens\", \"cutoffs\": [2], \"precision\": { \"tails\": [\"int8\"] } }");
        Assert.Equal(0, await run.RunAsync("plan", run.Path("x.tokens"), "-H", "64", "-k", "2", "-o", run.Path("x.softmax.json")));
        Assert.Equal([WeightPrecision.Int8, WeightPrecision.Int8], SpecReader.Read("x", File.ReadAllText(run.Path("x.softmax.json"))).Spec!.TailPrecisions);

        const string Two = "{ \"hiddenSize\": 32, \"vocabulary\": \"x.tokens\", \"cutoffs\": [2, 5], \"precision\": { \"tails\": [\"bfloat16\", \"int8\"] } }";
        run.Write("x.softmax.json", Two);
        Assert.Equal(1, await run.RunAsync("plan", run.Path("x.tokens"), "-H", "64", "-k", "3", "-o", run.Path("x.softmax.json")));
        Assert.Contains("give --clusters 2", run.Error, StringComparison.Ordinal);
        Assert.Equal(Two, File.ReadAllText(run.Path("x.softmax.json")));
    }

    [Theory]
    [InlineData("{ \"hiddenSize\": 32, \"vocabulary\": [\"a\", \"b\"], \"cutoffs\": [1] }", "holds its vocabulary itself")]
    [InlineData("{ \"hiddenSize\": 32, \"cutoffs\": [1] // mine\n, }", "is not well-formed")]
    public async Task WhatCannotBeKept_IsNotWrittenOver(string old, string expected)
    {
        using var run = new ToolRun();
        WriteTable(run);
        run.Write("x.softmax.json", old);
        Assert.Equal(1, await run.RunAsync("plan", run.Path("x.tokens"), "-H", "64", "-o", run.Path("x.softmax.json")));
        Assert.Contains(expected, run.Error, StringComparison.Ordinal);
        Assert.Equal(old, File.ReadAllText(run.Path("x.softmax.json")));
        Assert.Equal(0, await run.RunAsync("plan", run.Path("x.tokens"), "-H", "64", "--force", "-o", run.Path("x.softmax.json")));
        Assert.NotNull(SpecReader.Read("x", File.ReadAllText(run.Path("x.softmax.json"))).Spec);
    }

    private static void WriteTable(ToolRun run) =>
        run.Write("x.tokens", string.Concat(Enumerable.Range(0, 5000).Select(slot => $"{slot}\t{1_000_000 / (slot + 1)}\tt{slot}\n")));
}
