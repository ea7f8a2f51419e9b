using System.Globalization;
using System.Text.Json;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tool.Tests.Commands;

public sealed class DriftCommandTests
{
    private const string Spec = """{ "hiddenSize": 64, "vocabulary": "x.tokens", "cutoffs": [100, 500], "divValue": 4 }""";

    [Fact]
    public async Task TheSameShares_AreNoDrift()
    {
        using var run = new ToolRun();
        WriteTable(run, "x.tokens", slot => 1_000_000 / (slot + 1));
        WriteTable(run, "now.tokens", slot => 100_000 / (slot + 1));

        Assert.Equal(0, await run.RunAsync("drift", run.Path("x.tokens"), "--observed", run.Path("now.tokens")));
        Assert.Contains("There is no drift.", run.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("adaptive-softmax plan", run.Output, StringComparison.Ordinal);
        Assert.Equal(["now.tokens", "x.tokens"], run.Files);
    }

    [Fact]
    public async Task Drift_HasAnExitCodeOfItsOwn_AndSaysWhatNext()
    {
        using var run = new ToolRun();
        WriteTable(run, "x.tokens", slot => 1_000_000 / (slot + 1));
        // What was rarest is now the most frequent.
        WriteTable(run, "now.tokens", slot => 1_000_000 / (2_000 - slot));
        run.Write("x.softmax.json", Spec);

        Assert.Equal(2, await run.RunAsync("drift", run.Path("x.tokens"), "--observed", run.Path("now.tokens"), "--spec", run.Path("x.softmax.json")));
        Assert.Empty(run.Error);
        Assert.Contains("There is drift.", run.Output, StringComparison.Ordinal);
        Assert.Contains("t1999", run.Output, StringComparison.Ordinal);
        Assert.Contains("| head ", run.Output, StringComparison.Ordinal);
        Assert.Contains("0..99", run.Output, StringComparison.Ordinal);
        Assert.Contains("| tail 1 ", run.Output, StringComparison.Ordinal);
        var next = run.Output.Split('\n').Select(line => line.Trim()).Single(line => line.StartsWith("adaptive-softmax plan", StringComparison.Ordinal));
        Assert.Equal(0, await run.RunAsync([.. next.Split(' ')[1..]]));
        Assert.Equal(["next.softmax.json", "next.tokens", "now.tokens", "x.softmax.json", "x.tokens"], run.Files);

        // The next night that spec is the present one.
        WriteTable(run, "later.tokens", slot => 1_000_000 / (slot + 1));
        Assert.Equal(2, await run.RunAsync("drift", run.Path("next.tokens"), "--observed", run.Path("later.tokens"), "--spec", run.Path("next.softmax.json")));
        next = run.Output.Split('\n').Select(line => line.Trim()).Single(line => line.StartsWith("adaptive-softmax plan", StringComparison.Ordinal));
        Assert.Equal(0, await run.RunAsync([.. next.Split(' ')[1..]]));
        Assert.Contains("next-2.softmax.json", run.Files);
    }

    [Fact]
    public async Task Replan_WritesTheNextSpec_OnlyWhereThereIsDrift()
    {
        using var run = new ToolRun();
        WriteTable(run, "x.tokens", slot => 1_000_000 / (slot + 1));
        WriteTable(run, "same.tokens", slot => 100_000 / (slot + 1));
        var observed = WriteTable(run, "now.tokens", slot => 1_000_000 / (2_000 - slot));
        run.Write("x.softmax.json", Spec);
        string[] drift = ["drift", run.Path("x.tokens"), "--spec", run.Path("x.softmax.json"), "--afresh", "--replan", run.Path("next.softmax.json"), "--observed"];
        Assert.Equal(0, await run.RunAsync([.. drift, run.Path("same.tokens")]));
        Assert.False(File.Exists(run.Path("next.softmax.json")));

        Assert.Equal(2, await run.RunAsync([.. drift, run.Path("now.tokens")]));
        var next = File.ReadAllText(run.Path("next.softmax.json"));
        var read = SoftmaxDefinitionReader.Read("next.softmax.json", next, "now.tokens", File.ReadAllText(run.Path("now.tokens"))).Definition!;
        Assert.Equal((64, 4.0, "now.tokens", observed.Fingerprint), (read.Spec.HiddenSize, read.Spec.DivValue, read.Spec.TableFile, read.VocabularyFingerprint));
        Assert.Contains($"Wrote {run.Path("next.softmax.json")} with fingerprint {read.Fingerprint}.", run.Output, StringComparison.Ordinal);
        Assert.Contains($"adaptive-softmax migrate WEIGHTS --from {run.Path("x.softmax.json")} --to {run.Path("next.softmax.json")}", run.Output, StringComparison.Ordinal);

        // The same again writes the same; as JSON the file is there as well.
        Assert.Equal(2, await run.RunAsync([.. drift, run.Path("now.tokens"), "--json"]));
        Assert.Equal(next, File.ReadAllText(run.Path("next.softmax.json")));
        using var json = JsonDocument.Parse(run.Output);
        Assert.Equal(read.Fingerprint, json.RootElement.GetProperty("written").GetProperty("fingerprint").GetString());
        Assert.Equal(JsonValueKind.Null, json.RootElement.GetProperty("replan").GetProperty("kept").ValueKind);
    }

    [Fact]
    public async Task Replan_MovesOnlyWhatRose()
    {
        using var run = new ToolRun();
        var random = new Random(7);
        var old = WriteTable(run, "x.tokens", slot => 1_000_000 / (slot + 1));
        int[] risers = [700, 1_100, 1_500];
        // Counts that are drawn once more have about the deviation of their root.
        WriteTable(run, "now.tokens", slot => risers.Contains(slot) ? 30_000 : Draw(1_000_000.0 / (slot + 1)));
        run.Write("x.softmax.json", Spec);
        var clusters = SoftmaxLayout.Create(64, 2_000, [100, 500], 4, hasHeadBias: false);

        string[] command = ["drift", run.Path("x.tokens"), "--observed", run.Path("now.tokens"), "--spec", run.Path("x.softmax.json"), "--threshold", "0.0001", "--replan", run.Path("next.softmax.json")];
        Assert.Equal(2, await run.RunAsync([.. command, "--json"]));
        Assert.Equal(risers, Moved("next", "next"));
        using var json = JsonDocument.Parse(run.Output);
        var kept = json.RootElement.GetProperty("replan").GetProperty("kept");
        Assert.Equal(risers, kept.GetProperty("moves").EnumerateArray().Select(move => move.GetProperty("id").GetInt32()).Order());
        // All three came out of the last tail.
        Assert.Equal([103, 503], json.RootElement.GetProperty("replan").GetProperty("cutoffs").EnumerateArray().Select(cutoff => cutoff.GetInt32()));

        // It is what plan makes of the same files.
        Assert.Equal(0, await run.RunAsync("plan", run.Path("now.tokens"), "-H", "64", "--keep", run.Path("x.softmax.json"), "-o", run.Path("kept.softmax.json")));
        Assert.Equal(File.ReadAllText(run.Path("kept.tokens")), File.ReadAllText(run.Path("next.tokens")));
        Assert.Equal(2, await run.RunAsync(command));
        Assert.Contains("Only what changed beyond noise moves: 3 of 2,000 tokens", run.Output, StringComparison.Ordinal);
        // From scratch others move as well.
        Assert.Equal(2, await run.RunAsync([.. command[..^1], run.Path("fresh.softmax.json"), "--afresh"]));
        Assert.True(Moved("fresh", "now").Length > risers.Length);

        int[] Moved(string spec, string table)
        {
            var definition = SoftmaxDefinitionReader.Read(spec, File.ReadAllText(run.Path($"{spec}.softmax.json")), $"{table}.tokens", File.ReadAllText(run.Path($"{table}.tokens"))).Definition!;
            return [.. Enumerable.Range(0, 2_000).Where(slot => definition.Layout.ClusterOf(slot) != clusters.ClusterOf(old.Ids.IndexOf(definition.Table.GetId(slot)))).Select(definition.Table.GetId).Order()];
        }

        long Draw(double mean)
        {
            var normal = Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());
            return Math.Max(0, (long)Math.Round(mean + (Math.Sqrt(mean) * normal)));
        }
    }

    [Fact]
    public async Task Replan_IsForTheStepThatIsNamed()
    {
        using var run = new ToolRun();
        WriteTable(run, "x.tokens", slot => 1_000_000 / (slot + 1));
        WriteTable(run, "now.tokens", slot => 1_000_000 / (2_000 - slot));
        run.Write("x.softmax.json", Spec);
        string[] command = ["drift", run.Path("x.tokens"), "--observed", run.Path("now.tokens")];
        Assert.Equal(2, await run.RunAsync([.. command, "--spec", run.Path("x.softmax.json"), "--afresh", "--for", "sample", "--batch", "3"]));
        Assert.Contains("sampling step of 3 sequences", run.Output, StringComparison.Ordinal);
        Assert.Contains("--for sample --batch 3 --output", run.Output, StringComparison.Ordinal);
        Assert.Equal(1, await run.RunAsync([.. command, "--for", "sample"]));
        Assert.Contains("--for is about planning anew", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task ReplanOfText_WritesItsCountsBesideTheSpec()
    {
        using var run = new ToolRun();
        Assert.Equal(0, await run.RunAsync("count", run.Write("old.txt", string.Concat(Enumerable.Repeat("the cat sat on the mat. ", 200))), "--output", run.Path("x.tokens")));
        Assert.Equal(0, await run.RunAsync("plan", run.Path("x.tokens"), "-H", "64", "-o", run.Path("x.softmax.json")));
        var text = run.Write("new.txt", string.Concat(Enumerable.Repeat("int main(void) { return 0; }\n", 200)));
        Assert.Equal(2, await run.RunAsync("drift", run.Path("x.tokens"), "--observed", text, "--afresh", "--spec", run.Path("x.softmax.json"), "--replan", run.Path("next.softmax.json")));
        var next = SoftmaxDefinitionReader.Read("next.softmax.json", File.ReadAllText(run.Path("next.softmax.json")), "next.tokens", File.ReadAllText(run.Path("next.tokens"))).Definition!;
        Assert.Equal("next.tokens", next.Spec.TableFile);
        Assert.Equal(0, await run.RunAsync("count", text, "--output", run.Path("counted.tokens")));
        Assert.Equal(File.ReadAllText(run.Path("counted.tokens")), File.ReadAllText(run.Path("next.tokens")));
    }

    [Fact]
    public async Task WhatIsPinned_StaysPinnedWhereTextIsCounted()
    {
        using var run = new ToolRun();
        run.Write("x.tokens", "#pinned\t3\n3\t1\tend\n7\t0\tnever\n2\t30\tc\n0\t50\ta\n1\t40\tb\n4\t1\te\n");
        run.Write("x.softmax.json", """{ "hiddenSize": 16, "vocabulary": "x.tokens", "cutoffs": [4], "divValue": 2 }""");
        var text = run.Write("text.txt", "e e e e e e e e b b b b d d d a a c end\n");

        Assert.Equal(2, await run.RunAsync("drift", run.Path("x.tokens"), "--observed", text, "--words", "--afresh", "--spec", run.Path("x.softmax.json"), "--replan", run.Path("next.softmax.json")));
        Assert.Equal("#pinned\t2\n5\t1\tend\n4\t1\tc\n0\t8\te\n1\t4\tb\n2\t3\td\n3\t2\ta\n", File.ReadAllText(run.Path("next.tokens")));
        Assert.True(SpecReader.Read("next", File.ReadAllText(run.Path("next.softmax.json"))).Spec!.Cutoffs[0] >= 2);
    }

    [Fact]
    public async Task PinsThatAPlanWouldLose_AreSaid()
    {
        using var run = new ToolRun();
        run.Write("x.tokens", "#pinned\t3\n3\t1\tend\n7\t0\tnever\n2\t30\tc\n0\t50\ta\n1\t40\tb\n4\t1\te\n");
        run.Write("x.softmax.json", """{ "hiddenSize": 16, "vocabulary": "x.tokens", "cutoffs": [4], "divValue": 2 }""");
        // One stays pinned, one is there and free, one is gone. Of text only the last can be.
        run.Write("now.tokens", "#pinned\t1\n3\t1\tend\n4\t80\te\n1\t40\tb\n0\t20\ta\n2\t10\tc\n");
        var text = run.Write("text.txt", "e e e e e e e e b b b b d d d a a c end\n");
        foreach (var (observed, pinned, unpinned, remedy) in new[] { (run.Path("now.tokens"), 1, 1, "plan it with --pin"), (text, 2, 0, "does not pin 0.") })
        {
            string[] command = ["drift", run.Path("x.tokens"), "--observed", observed, "--words", "--afresh", "--spec", run.Path("x.softmax.json")];
            Assert.Equal(2, await run.RunAsync(command));
            Assert.Contains($"lacks 1 and does not pin {unpinned}", run.Output, StringComparison.Ordinal);
            Assert.Contains(remedy, run.Output, StringComparison.Ordinal);
            Assert.Equal(2, await run.RunAsync([.. command, "--json"]));
            using var json = JsonDocument.Parse(run.Output);
            var replan = json.RootElement.GetProperty("replan");
            Assert.Equal((pinned, 3, unpinned, 1), (Number("pinned"), Number("pinnedBefore"), Number("unpinnedTokens"), Number("missingPinnedTokens")));
            int Number(string name) => replan.GetProperty(name).GetInt32();
        }

        // Where nothing is pinned, nothing is said.
        run.Write("free.tokens", "0\t50\ta\n1\t40\tb\n2\t30\tc\n4\t1\te\n");
        run.Write("free.softmax.json", """{ "hiddenSize": 16, "vocabulary": "free.tokens", "cutoffs": [2], "divValue": 2 }""");
        Assert.Equal(2, await run.RunAsync("drift", run.Path("free.tokens"), "--observed", run.Path("now.tokens"), "--spec", run.Path("free.softmax.json")));
        Assert.DoesNotContain("does not pin", run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task ReplanOverWhatIsRead_IsRefused()
    {
        using var run = new ToolRun();
        WriteTable(run, "x.tokens", slot => 1_000_000 / (slot + 1));
        WriteTable(run, "now.tokens", slot => 1_000_000 / (2_000 - slot));
        run.Write("x.softmax.json", Spec);
        Assert.Equal(1, await run.RunAsync("drift", run.Path("x.tokens"), "--observed", run.Path("now.tokens"), "--spec", run.Path("x.softmax.json"), "--replan", run.Path("x.softmax.json")));
        Assert.Contains("would be lost", run.Error, StringComparison.Ordinal);
        Assert.Equal(Spec, File.ReadAllText(run.Path("x.softmax.json")));
        Assert.Equal(1, await run.RunAsync("drift", run.Path("x.tokens"), "--observed", run.Path("now.tokens"), "--replan", run.Path("next.softmax.json")));
        Assert.Contains("give --spec as well", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Json_HasTheReportAndTheReplan()
    {
        using var run = new ToolRun();
        var table = WriteTable(run, "x.tokens", slot => 1_000_000 / (slot + 1));
        var observed = WriteTable(run, "now.tokens", slot => 1_000_000 / (2_000 - slot));
        run.Write("x.softmax.json", Spec);

        Assert.Equal(2, await run.RunAsync("drift", run.Path("x.tokens"), "--observed", run.Path("now.tokens"), "--spec", run.Path("x.softmax.json"), "--afresh", "--json"));
        var layout = SoftmaxLayout.Create(64, 2_000, [100, 500], 4, hasHeadBias: false);
        var expected = new DriftBaseline(table, layout).Compare(observed);
        using var json = JsonDocument.Parse(run.Output);
        var root = json.RootElement;
        Assert.True(root.GetProperty("drift").GetBoolean());
        Assert.Equal(expected.ClusterStability, root.GetProperty("clusterStability").GetDouble());
        Assert.Equal(expected.JensenShannon, root.GetProperty("divergence").GetDouble());
        Assert.Equal(expected.Clusters.Select(cluster => cluster.ObservedShare), root.GetProperty("clusters").EnumerateArray().Select(cluster => cluster.GetProperty("observedShare").GetDouble()));
        Assert.Equal(("t1999", 1999), (root.GetProperty("risen")[0].GetProperty("token").GetString(), root.GetProperty("risen")[0].GetProperty("slot").GetInt32()));
        Assert.Equal("t0", root.GetProperty("fallen")[0].GetProperty("token").GetString());

        var model = new SoftmaxCostModel();
        var plan = ClusterPlanner.Plan(observed.Counts, 64, new ClusterPlanOptions { DivValue = 4, MinimumWidthShare = 0 }, TestContext.Current.CancellationToken);
        var gain = model.CostOf(layout, [.. expected.Clusters.Select(cluster => cluster.ObservedShare)]) / model.CostOf(plan.Layout, plan.Coverage);
        Assert.Equal(plan.Cutoffs, root.GetProperty("replan").GetProperty("cutoffs").EnumerateArray().Select(cutoff => cutoff.GetInt32()));
        Assert.Equal(gain, root.GetProperty("replan").GetProperty("speedUp").GetDouble(), 1e-12);
        Assert.True(root.GetProperty("replan").GetProperty("coverage")[0].GetDouble() >= 0.8);
    }

    [Fact]
    public async Task Thresholds_Decide()
    {
        using var run = new ToolRun();
        WriteTable(run, "x.tokens", slot => 1_000_000 / (slot + 1));
        WriteTable(run, "now.tokens", slot => 1_000_000 / (slot + 20));

        Assert.Equal(2, await run.RunAsync("drift", run.Path("x.tokens"), "--observed", run.Path("now.tokens")));
        Assert.Equal(0, await run.RunAsync("drift", run.Path("x.tokens"), "--observed", run.Path("now.tokens"), "--threshold", "9", "--divergence", "0.6"));
        Assert.Equal(2, await run.RunAsync("drift", run.Path("x.tokens"), "--observed", run.Path("now.tokens"), "--threshold", "9", "--divergence", "0.01"));
        Assert.Equal(2, await run.RunAsync("drift", run.Path("x.tokens"), "--observed", run.Path("now.tokens"), "--threshold", "0.01", "--divergence", "0.6"));
    }

    [Fact]
    public async Task Text_IsCountedFirst()
    {
        using var run = new ToolRun();
        run.Write("then/a.txt", string.Concat(Enumerable.Repeat("the cat sat on the mat. ", 500)));
        run.Write("now/a.txt", string.Concat(Enumerable.Repeat("der Hund lief in den Wald. ", 500)));
        Assert.Equal(0, await run.RunAsync("count", run.Path("then"), "-o", run.Path("x.tokens")));

        Assert.Equal(0, await run.RunAsync("drift", run.Path("x.tokens"), "--observed", run.Path("then")));
        Assert.Equal(2, await run.RunAsync("drift", run.Path("x.tokens"), "--observed", run.Path("now"), run.Path("then")));
        Assert.Equal(2, await run.RunAsync("drift", run.Path("x.tokens"), "--observed", run.Path("now")));
        Assert.Contains("Hund", run.Output, StringComparison.Ordinal);
        Assert.Contains("never counted", run.Output, StringComparison.Ordinal);
        Assert.Contains("  adaptive-softmax count --output observed.tokens", run.Output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(1L << 62)]
    [InlineData(long.MaxValue)]
    public async Task CountsWhoseSumHasMoreThan64Bits_AreCompared(long count)
    {
        using var run = new ToolRun();
        WriteTable(run, "x.tokens", slot => slot < 4 ? count : 0);
        WriteTable(run, "same.tokens", slot => slot < 4 ? count : 0);
        WriteTable(run, "other.tokens", slot => slot < 8 ? count : 0);
        run.Write("unknown.tokens", $"0\t{count}\tx\n1\t{count}\ty\n2\t{count}\tz\n");
        Assert.Equal(0, await run.RunAsync("drift", run.Path("x.tokens"), "--observed", run.Path("same.tokens")));
        Assert.Contains("There is no drift.", run.Output, StringComparison.Ordinal);

        // Half of what is observed now was never counted.
        Assert.Equal(2, await run.RunAsync("drift", run.Path("x.tokens"), "--observed", run.Path("other.tokens")));
        Assert.Contains(string.Create(CultureInfo.InvariantCulture, $"Compared {8.0 * count:n0} tokens with the {4.0 * count:n0} of"), run.Output, StringComparison.Ordinal);
        Assert.Contains("50.00 %", run.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("NaN", run.Output, StringComparison.Ordinal);
        Assert.Equal(2, await run.RunAsync("drift", run.Path("x.tokens"), "--observed", run.Path("unknown.tokens")));
        Assert.Contains("100.0 % of the observed tokens are not in the table", run.Output, StringComparison.Ordinal);
        Assert.Equal(2, await run.RunAsync("drift", run.Path("x.tokens"), "--observed", run.Path("unknown.tokens"), "--json"));
        Assert.DoesNotContain("NaN", run.Output, StringComparison.Ordinal);
        Assert.Equal(0, await run.RunAsync("plan", run.Path("other.tokens"), "-H", "64"));
    }

    [Fact]
    public async Task AnotherEncoding_IsPointedOut()
    {
        using var run = new ToolRun();
        WriteTable(run, "x.tokens", slot => 1_000_000 / (slot + 1));
        run.Write("now.txt", "some text");

        Assert.Equal(2, await run.RunAsync("drift", run.Path("x.tokens"), "--observed", run.Path("now.txt")));
        Assert.Contains("100.0 % of the observed tokens are not in the table", run.Output, StringComparison.Ordinal);
        Assert.Contains("--encoding", run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Mistakes_AreExplained()
    {
        using var run = new ToolRun();
        WriteTable(run, "x.tokens", slot => 1_000_000 / (slot + 1));
        WriteTable(run, "none.tokens", _ => 0);
        run.Write("inline.softmax.json", """{ "hiddenSize": 8, "vocabulary": ["a", "b"], "cutoffs": [1] }""");
        run.Write("large.softmax.json", """{ "hiddenSize": 8, "vocabulary": "x.tokens", "cutoffs": [5000] }""");
        foreach (var (arguments, expected) in new (string[], string)[]
        {
            ([run.Path("none.tokens"), "--observed", run.Path("x.tokens")], "All counts"),
            ([run.Path("x.tokens"), "--observed", run.Path("none.tokens")], "No token was observed"),
            ([run.Path("x.tokens"), "--observed", run.Path("x.tokens"), run.Path("none.tokens")], "one *.tokens file"),
            ([run.Path("x.tokens"), "--observed", run.Path("x.tokens"), "--spec", run.Path("inline.softmax.json")], "holds its vocabulary itself"),
            ([run.Path("x.tokens"), "--observed", run.Path("x.tokens"), "--spec", run.Path("large.softmax.json")], "5000"),
            ([run.Path("x.tokens"), "--observed", run.Path("missing.tokens")], "missing.tokens"),
        })
        {
            Assert.Equal(1, await run.RunAsync(["drift", .. arguments]));
            Assert.Contains(expected, run.Error, StringComparison.Ordinal);
            Assert.Empty(run.Output);
        }
    }

    private static TokenTable WriteTable(ToolRun run, string name, Func<int, long> count)
    {
        var ids = Enumerable.Range(0, 2_000).ToArray();
        var table = TokenTable.Create(ids, [.. ids.Select(count)], [.. ids.Select(id => System.Text.Encoding.ASCII.GetBytes(id.ToString("'t'0", CultureInfo.InvariantCulture)))]);
        using var text = new StringWriter();
        TokenTableWriter.Write(text, table);
        run.Write(name, text.ToString());
        return table;
    }
}
