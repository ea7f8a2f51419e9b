using System.Globalization;
using System.Text.Json;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tool.Tests.Commands;

public sealed class PlanEditsTests
{
    [Fact]
    public async Task PinsAndDrops_WriteANewTableAndASpecOfIt()
    {
        using var run = new ToolRun();
        WriteTable(run, "x.tokens", slot => slot < 90 ? 10_000 / (slot + 1) : 0, 100);

        Assert.Equal(0, await run.RunAsync("plan", run.Path("x.tokens"), "-H", "32", "--pin", "t70", "t95", "--drop", "unseen", "-k", "1", "-o", run.Path("y.softmax.json")));
        var read = SoftmaxDefinitionReader.Read("y", File.ReadAllText(run.Path("y.softmax.json")), "y.tokens", File.ReadAllText(run.Path("y.tokens")));
        var definition = read.Definition!;
        Assert.Equal("y.tokens", definition.Spec.TableFile);
        Assert.Equal((91, 2), (definition.Table.Count, definition.Table.PinnedCount));
        Assert.Equal([70, 95, 0, 1], definition.Table.Ids[..4].ToArray());
        Assert.DoesNotContain(99, definition.Table.Ids.ToArray());
        Assert.True(definition.Layout.ShortlistSize >= 2);
        Assert.Contains(definition.Fingerprint, run.Output, StringComparison.Ordinal);
        Assert.Equal(["x.tokens", "y.softmax.json", "y.tokens"], run.Files);
    }

    [Fact]
    public async Task AnOldPlan_IsKept()
    {
        using var run = new ToolRun();
        WriteTable(run, "old.tokens", slot => 100_000 / (slot + 1), 400);
        Assert.Equal(0, await run.RunAsync("plan", run.Path("old.tokens"), "-H", "64", "--clusters", "2", "-o", run.Path("old.softmax.json")));
        var old = SpecReader.Read("x", File.ReadAllText(run.Path("old.softmax.json"))).Spec!;
        // Noise, and one token that became frequent.
        WriteTable(run, "new.tokens", slot => slot == 399 ? 40_000 : (100_000 / (slot + 1)) + (slot % 3), 400);

        Assert.Equal(0, await run.RunAsync("plan", run.Path("new.tokens"), "-H", "64", "--keep", run.Path("old.softmax.json"), "--json", "-o", run.Path("kept.softmax.json")));
        using var json = JsonDocument.Parse(run.Output);
        var move = Assert.Single(json.RootElement.GetProperty("kept").GetProperty("moves").EnumerateArray());
        Assert.Equal(("t399", 399, 2, 0), (move.GetProperty("token").GetString(), move.GetProperty("id").GetInt32(), move.GetProperty("from").GetInt32(), move.GetProperty("to").GetInt32()));
        var kept = SoftmaxDefinitionReader.Read("x", File.ReadAllText(run.Path("kept.softmax.json")), "kept.tokens", File.ReadAllText(run.Path("kept.tokens"))).Definition!;
        Assert.Equal(old.Cutoffs.Select(cutoff => cutoff + 1), kept.Spec.Cutoffs);
        Assert.Equal([.. Enumerable.Range(0, old.Cutoffs[0]), 399], kept.Table.Ids[..(old.Cutoffs[0] + 1)].ToArray());

        Assert.Equal(0, await run.RunAsync("plan", run.Path("new.tokens"), "-H", "64", "--keep", run.Path("old.softmax.json")));
        Assert.Contains("1 of 400 tokens moved", run.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("are pinned", run.Error, StringComparison.Ordinal);

        // The table of the kept plan is in the order of the old clusters, of which none is pinned to the head.
        Assert.Equal((0, true), (kept.Table.PinnedCount, kept.Table.KeptCount > 0));
        Assert.Equal(0, await run.RunAsync("plan", run.Path("kept.tokens"), "-H", "64", "--clusters", "1", "--head-coverage", "0.5", "--json"));
        using var again = JsonDocument.Parse(run.Output);
        Assert.True(again.RootElement.GetProperty("plan").GetProperty("cutoffs")[0].GetInt32() < kept.Table.KeptCount);
        Assert.Empty(run.Error);
    }

    [Fact]
    public async Task KindsOfTokens_ArePinned()
    {
        using var run = new ToolRun();
        string[] tokens = ["the", ",", " .", "of", "<|endoftext|>", "<br>", "...", "\\xe2\\x96\\x81!", "</s>", "<pad>", "a", "b"];
        run.Write("x.tokens", string.Concat(tokens.Select((token, id) => $"{id}\t{100 - id}\t{token}\n")));

        Assert.Equal(0, await run.RunAsync("plan", run.Path("x.tokens"), "-H", "16", "--pin", "b", "--pin-all", "stop", "punctuation", "-k", "1", "-o", run.Path("y.softmax.json")));
        Assert.StartsWith("#pinned\t6\n11\t89\tb\n4\t96\t<|endoftext|>\n8\t92\t</s>\n1\t99\t,\n2\t98\t .\n7\t93\t\\xE2\\x96\\x81!\n0\t100\tthe\n", File.ReadAllText(run.Path("y.tokens")), StringComparison.Ordinal);
        var spec = SpecReader.Read("y", File.ReadAllText(run.Path("y.softmax.json"))).Spec!;
        Assert.True(spec.Cutoffs[0] >= 6);

        Assert.Equal(0, await run.RunAsync("plan", run.Path("x.tokens"), "-H", "16", "--pin-all", "special", "-k", "1", "-o", run.Path("z.softmax.json")));
        Assert.StartsWith("#pinned\t3\n4\t96\t<|endoftext|>\n8\t92\t</s>\n9\t91\t<pad>\n0\t", File.ReadAllText(run.Path("z.tokens")), StringComparison.Ordinal);
    }

    // 1.344 MB would say that what is given were enough.
    [Fact]
    public async Task TheLeastMemory_IsSaidToTheByte()
    {
        using var run = new ToolRun();
        WriteTable(run, "x.tokens", slot => 100_000 / (slot + 1), 400);
        Assert.Equal(1, await run.RunAsync("plan", run.Path("x.tokens"), "-H", "64", "-k", "1", "--memory", "0.01"));
        var least = System.Text.RegularExpressions.Regex.Match(run.Error, @"takes ([0-9.]+)\s+MB").Groups[1].Value;
        Assert.Equal(0, await run.RunAsync("plan", run.Path("x.tokens"), "-H", "64", "-k", "1", "--memory", least));
    }

    [Fact]
    public async Task TheTableOfAnOldPlan_IsNotWrittenOver()
    {
        using var run = new ToolRun();
        WriteTable(run, "x.tokens", slot => 100_000 / (slot + 1), 400);
        Assert.Equal(0, await run.RunAsync("plan", run.Path("x.tokens"), "-H", "64", "-o", run.Path("old.softmax.json")));
        WriteTable(run, "new.tokens", slot => slot == 399 ? 40_000 : 100_000 / (slot + 1), 400);
        var before = File.ReadAllText(run.Path("x.tokens"));

        Assert.Equal(1, await run.RunAsync("plan", run.Path("new.tokens"), "-H", "64", "--keep", run.Path("old.softmax.json"), "-o", run.Path("x.softmax.json")));
        Assert.Contains("x.tokens, which is read; give --table another name", run.Error, StringComparison.Ordinal);
        Assert.Equal(before, File.ReadAllText(run.Path("x.tokens")));
    }

    [Fact]
    public async Task DomainsOfAnEarlierCount_AreRefused()
    {
        using var run = new ToolRun();
        WriteTable(run, "x.tokens", slot => 1000 / (slot + 1), 50);
        run.Write("x.domains", "domain\tid\tcount\nen\t0\t7\n");
        Assert.Equal(1, await run.RunAsync("plan", run.Path("x.tokens"), "-H", "16"));
        Assert.Contains("x.domains does not add up to", run.Error, StringComparison.Ordinal);
        Assert.Equal(0, await run.RunAsync("plan", run.Path("x.tokens"), "-H", "16", "--domains", run.Path("x.domains")));
    }

    [Fact]
    public async Task Domains_AreShownAndBalanced()
    {
        using var run = new ToolRun();
        WriteTable(run, "x.tokens", slot => (slot < 100 ? 1000 / (slot + 1) : 0) + 5, 500);
        run.Write("x.domains", "domain\tid\tcount\nen\tdocuments\t2\n" + string.Concat(Enumerable.Range(0, 100).Select(id => $"en\t{id}\t{1000 / (id + 1)}\n")) + "is\tdocuments\t1\n" + string.Concat(Enumerable.Range(0, 500).Select(id => $"is\t{id}\t5\n")));

        Assert.Equal(0, await run.RunAsync("plan", run.Path("x.tokens"), "-H", "64", "--for", "sample", "--div-value", "2"));
        Assert.Contains("pays more", run.Output, StringComparison.Ordinal);

        Assert.Equal(0, await run.RunAsync("plan", run.Path("x.tokens"), "-H", "64", "--for", "sample", "--div-value", "2", "--balance", "--json"));
        using var json = JsonDocument.Parse(run.Output);
        double Worst(JsonElement domains) => domains.EnumerateArray().Max(domain => domain.GetProperty("cost").GetDouble());
        Assert.True(Worst(json.RootElement.GetProperty("domains")) <= Worst(json.RootElement.GetProperty("unbalanced").GetProperty("domains")));
        Assert.True(json.RootElement.GetProperty("plan").GetProperty("nanoseconds").GetDouble() >= json.RootElement.GetProperty("unbalanced").GetProperty("plan").GetProperty("nanoseconds").GetDouble());
    }

    [Fact]
    public async Task Visits_AreTakenFromStates()
    {
        using var run = new ToolRun();
        var files = new EvaluationFiles(run);
        string[] line = ["plan", run.Path("news.tokens"), "-H", "16", "--for", "greedy", "-k", "1", "--states", files.States1, "--weights", files.Weights, "--spec", files.Spec];
        Assert.Equal(0, await run.RunAsync([.. line, "--json"]));
        using var json = JsonDocument.Parse(run.Output);
        var plan = json.RootElement.GetProperty("plan");
        Assert.Equal(EvaluationFiles.States, json.RootElement.GetProperty("states").GetInt32());
        Assert.NotEqual(plan.GetProperty("visits")[0].GetDouble(), json.RootElement.GetProperty("visitsByCounts")[0].GetDouble());

        Assert.Equal(0, await run.RunAsync(line));
        Assert.Contains("Visits are those of 300 states", run.Output, StringComparison.Ordinal);
        Assert.Equal(1, await run.RunAsync([.. line, "--balance"]));
        Assert.Contains("--balance plans from counts alone", run.Error, StringComparison.Ordinal);
        Assert.Equal(1, await run.RunAsync("plan", run.Path("news.tokens"), "-H", "16", "--states", files.States1));
        Assert.Contains("belong together", run.Error, StringComparison.Ordinal);
        line[5] = "train";
        Assert.Equal(1, await run.RunAsync(line));
        Assert.Contains("does not decode", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Domains_OfStates_HaveTheirBitsAByte()
    {
        using var run = new ToolRun();
        var files = new EvaluationFiles(run);
        run.Write("some.domains", "domain\tid\tcount\nnews\tdocuments\t2\nnews\t1000\t40\nnews\t900\t9\nother\tdocuments\t1\nother\t990\t7\n");
        string[] line = ["plan", run.Path("news.tokens"), "-H", "16", "--for", "greedy", "-k", "1", "--domains", run.Path("some.domains"), "--states", files.States1, "--weights", files.Weights, "--spec", files.Spec];
        Assert.Equal(0, await run.RunAsync([.. line, "--json"]));
        using var json = JsonDocument.Parse(run.Output);
        var quality = json.RootElement.GetProperty("domainQuality").EnumerateArray().ToArray();

        // Every fourth state is of the other domain; slots from 10 on have names of three bytes.
        double BitsOf(Func<int, bool> isOf)
        {
            int[] rows = [.. Enumerable.Range(0, EvaluationFiles.States).Where(isOf)];
            var loss = rows.Sum(row => -files.Layer.LogProb(files.HiddenOf(row))[files.Slots[row]]);
            return loss / Math.Log(2) / rows.Sum(row => files.Slots[row] < 10 ? 2 : 3);
        }

        double[] expected = [BitsOf(row => row % 4 != 0), BitsOf(row => row % 4 == 0)];
        Assert.Equal(["news", "<b>code</b>"], quality.Select(domain => domain.GetProperty("name").GetString()));
        Assert.Equal([225, 75], quality.Select(domain => domain.GetProperty("states").GetInt32()));
        for (var i = 0; i < 2; i++) Assert.Equal(expected[i], quality[i].GetProperty("bitsPerByte").GetDouble(), 1e-4);
        Assert.Equal(["news", "other"], json.RootElement.GetProperty("domains").EnumerateArray().Select(domain => domain.GetProperty("name").GetString()));

        Assert.Equal(0, await run.RunAsync(line));
        string[] rows = [.. run.Output.Split('\n').SkipWhile(row => !row.Contains("bits/byte", StringComparison.Ordinal))];
        Assert.Contains(rows, row => row.Contains("news", StringComparison.Ordinal) && row.Contains(expected[0].ToString("n3", CultureInfo.InvariantCulture), StringComparison.Ordinal));
        Assert.Contains(rows, row => row.Contains("<b>code</b>", StringComparison.Ordinal) && row.Contains(expected[1].ToString("n3", CultureInfo.InvariantCulture), StringComparison.Ordinal) && row.Contains("not counted", StringComparison.Ordinal));
        Assert.Contains(rows, row => row.Contains("other", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("--pin nothing", "\"nothing\" is not a token of the table")]
    [InlineData("--pin-all words", "--pin-all words is none of special, stop, punctuation")]
    [InlineData("--pin-all stop", "--pin-all stop pins nothing")]
    [InlineData("--drop rare", "there is --drop unseen")]
    [InlineData("--keep none.softmax.json", "none.softmax.json does not exist")]
    [InlineData("--keep none.softmax.json --balance", "which --balance cannot change")]
    [InlineData("--keep none.softmax.json -k 2", "which --clusters cannot change")]
    [InlineData("--keep none.softmax.json --memory 1", "which --memory cannot change")]
    [InlineData("--balance", "x.domains does not exist")]
    [InlineData("--drop unseen --table @x.tokens -o @y.softmax.json", "give --table another name")]
    public async Task AMistake_IsNamed(string line, string expected)
    {
        using var run = new ToolRun();
        WriteTable(run, "x.tokens", slot => 100 / (slot + 1), 20);

        Assert.Equal(1, await run.RunAsync([.. new[] { "plan", run.Path("x.tokens"), "-H", "16" }, .. line.Split(' ').Select(part => part.StartsWith('@') ? run.Path(part[1..]) : part)]));
        Assert.Contains(expected, run.Error, StringComparison.Ordinal);
        Assert.Equal(["x.tokens"], run.Files);
    }

    private static void WriteTable(ToolRun run, string name, Func<int, int> count, int size) =>
        run.Write(name, string.Concat(Enumerable.Range(0, size).OrderByDescending(count).ThenBy(id => id).Select(id => $"{id}\t{count(id)}\tt{id}\n")));
}
