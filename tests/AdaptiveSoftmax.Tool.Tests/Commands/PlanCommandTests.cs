using System.Globalization;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tool.Tests.Commands;

public sealed class PlanCommandTests
{
    [Fact]
    public async Task Spec_IsReadWithItsTable()
    {
        using var run = new ToolRun();
        WriteTable(run, 5000);

        Assert.Equal(0, await run.RunAsync("plan", run.Path("x.tokens"), "--hidden-size", "64", "--head-bias", "-o", run.Path("x.softmax.json")));

        var text = File.ReadAllText(run.Path("x.softmax.json"));
        var read = SoftmaxDefinitionReader.Read("x.softmax.json", text, "x.tokens", File.ReadAllText(run.Path("x.tokens")));
        Assert.Empty(read.Errors);
        var definition = read.Definition!;
        Assert.Equal((64, 5000, true), (definition.Layout.HiddenSize, definition.Layout.VocabularySize, definition.Layout.HasHeadBias));
        Assert.Equal("x.tokens", definition.Spec.TableFile);
        Assert.Contains(definition.Fingerprint, run.Output, StringComparison.Ordinal);
        Assert.Contains($"Cutoffs: {string.Join(", ", definition.Spec.Cutoffs)}", run.Output, StringComparison.Ordinal);

        var expected = ClusterPlanner.Plan(definition.Table.Counts, 64, new ClusterPlanOptions { HasHeadBias = true }, TestContext.Current.CancellationToken);
        Assert.Equal(expected.Cutoffs, definition.Spec.Cutoffs);
        Assert.Contains(string.Create(CultureInfo.InvariantCulture, $"{expected.SpeedUp:n1} times faster"), run.Output, StringComparison.Ordinal);
        Assert.Contains(string.Create(CultureInfo.InvariantCulture, $"{expected.Coverage[0] * 100:n2} %"), run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Wishes_AreKept()
    {
        using var run = new ToolRun();
        WriteTable(run, 5000);

        Assert.Equal(0, await run.RunAsync("plan", run.Path("x.tokens"), "--hidden-size", "64", "--clusters", "3", "--div-value", "2.5", "--head-coverage", "0.5", "--batch-size", "8", "-o", run.Path("x.softmax.json")));

        var spec = SpecReader.Read("x", File.ReadAllText(run.Path("x.softmax.json"))).Spec!;
        Assert.Equal((3, 2.5), (spec.Cutoffs.Count, spec.DivValue));
    }

    [Fact]
    public async Task WithoutOutput_NothingIsWritten()
    {
        using var run = new ToolRun();
        WriteTable(run, 100);

        Assert.Equal(0, await run.RunAsync("plan", run.Path("x.tokens"), "--hidden-size", "64"));
        Assert.Contains("tail 0", run.Output, StringComparison.Ordinal);
        Assert.Equal(["x.tokens"], run.Files);
    }

    [Fact]
    public async Task SpecInAnotherFolder_NamesTheTableFromThere()
    {
        using var run = new ToolRun();
        WriteTable(run, 100);
        Directory.CreateDirectory(run.Path("specs"));

        Assert.Equal(0, await run.RunAsync("plan", run.Path("x.tokens"), "--hidden-size", "64", "-o", run.Path("specs/x.softmax.json")));
        Assert.Equal("../x.tokens", SpecReader.Read("x", File.ReadAllText(run.Path("specs/x.softmax.json"))).Spec!.TableFile);
    }

    [Fact]
    public async Task BrokenTable_IsReportedWithItsLine()
    {
        using var run = new ToolRun();
        run.Write("x.tokens", "0\t5\ta\n1\t9\tb\n");

        Assert.Equal(1, await run.RunAsync("plan", run.Path("x.tokens"), "--hidden-size", "64", "-o", run.Path("x.softmax.json")));
        Assert.Contains($"error: {run.Path("x.tokens")}(2,", run.Error, StringComparison.Ordinal);
        Assert.Equal(["x.tokens"], run.Files);
    }

    [Theory]
    [InlineData("--hidden-size 0", "--hidden-size is 0; give a whole number from 1 to 1048576.")]
    [InlineData("-H -1", "--hidden-size is -1;")]
    [InlineData("-H 1048577", "--hidden-size is 1048577;")]
    [InlineData("-H 2147483647", "--hidden-size is 2147483647;")]
    [InlineData("-H 1048576 --div-value 0.5", "wider than 1048576")]
    [InlineData("--hidden-size 64 --clusters 9", "9 clusters")]
    [InlineData("--hidden-size 64 --clusters 6", "leaves no width for cluster 3")]
    [InlineData("--hidden-size 64 --div-value 0", "The div value is 0")]
    [InlineData("--hidden-size 64 --head-coverage 80", "must be from 0 to 1")]
    [InlineData("--hidden-size 64 --batch-size 0", "--batch-size is 0")]
    public async Task ImpossibleWish_SaysWhy(string wish, string expected)
    {
        using var run = new ToolRun();
        WriteTable(run, 9);

        Assert.Equal(1, await run.RunAsync([.. new[] { "plan", run.Path("x.tokens"), "-o", run.Path("x.softmax.json") }, .. wish.Split(' ')]));
        Assert.Contains(expected, run.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("Parameter", run.Error, StringComparison.Ordinal);
        Assert.Equal(["x.tokens"], run.Files);
    }

    [Fact]
    public async Task TheGreatestHiddenSize_HasSizesThatAreRight()
    {
        using var run = new ToolRun();
        run.Write("x.tokens", string.Concat(Enumerable.Range(0, 3000).Select(slot => $"{slot}\t{1_000_000 / (slot + 1)}\tt{slot}\n")));
        Assert.Equal(0, await run.RunAsync("plan", run.Path("x.tokens"), "-H", "1048576", "-k", "1", "--head-coverage", "0"));
        var cutoff = long.Parse(run.Output.Split("Cutoffs: ")[1].Split('\n')[0], CultureInfo.InvariantCulture);
        var tail = 262144L * (1048576 + 3000 - cutoff);
        Assert.Contains(string.Create(CultureInfo.InvariantCulture, $" {tail:n0} |"), run.Output, StringComparison.Ordinal);
        Assert.Contains(string.Create(CultureInfo.InvariantCulture, $"Parameters: {tail + ((cutoff + 1) * 1048576):n0},"), run.Output, StringComparison.Ordinal);
        Assert.DoesNotMatch(@"-\d", run.Output);
    }

    [Fact]
    public async Task ATable_IsListedOnANarrowTerminal()
    {
        using var run = new ToolRun();
        WriteTable(run, 3000);
        Assert.Equal(0, await run.RunOnTerminalAsync(30, "plan", run.Path("x.tokens"), "-H", "512", "-o", run.Path("x.softmax.json")));
        Assert.Contains("cluster head\n  slots: 0..", run.Output, StringComparison.Ordinal);
        Assert.Contains("cluster tail 0\n  slots: ", run.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("…", run.Output, StringComparison.Ordinal);
        Assert.Contains($"Wrote {run.Path("x.softmax.json")} with fingerprint", run.Output, StringComparison.Ordinal);

        Assert.Equal(0, await run.RunOnTerminalAsync(80, "plan", run.Path("x.tokens"), "-H", "512"));
        Assert.Contains("parameters", run.Output.Split('\n')[1], StringComparison.Ordinal);
    }

    [Fact]
    public async Task OutputThatIsNoTerminal_IsNotWrapped()
    {
        using var run = new ToolRun();
        WriteTable(run, 3000);
        var folder = string.Join('/', Enumerable.Repeat(new string('f', 60), 6)) + "/";
        run.Write(folder + "a.txt", "some text");
        Assert.Equal(0, await run.RunAsync("plan", run.Path("x.tokens"), "-H", "512", "-o", run.Path(folder + "x.softmax.json")));
        Assert.Contains($"Wrote {run.Path(folder + "x.softmax.json")} with fingerprint", run.Output, StringComparison.Ordinal);
        Assert.Equal(0, await run.RunAsync("count", run.Path(folder + "a.txt"), "-o", run.Path(folder + "y.tokens")));
        Assert.Contains($"Wrote {run.Path(folder + "y.tokens")}\n", run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task ATableOfZeros_IsNoneToPlanFrom()
    {
        using var run = new ToolRun();
        run.Write("x.tokens", "0\t0\ta\n1\t0\tb\n2\t0\tc\n");
        Assert.Equal(1, await run.RunAsync("plan", run.Path("x.tokens"), "--hidden-size", "64", "-o", run.Path("x.softmax.json")));
        Assert.Contains("All counts are 0", run.Error, StringComparison.Ordinal);
        Assert.Equal("", run.Output);
        Assert.Equal(["x.tokens"], run.Files);
    }

    [Fact]
    public async Task MoreEntriesThanTokens_IsSaid()
    {
        using var run = new ToolRun();
        run.Write("x.tokens", string.Concat(Enumerable.Range(0, 100).Select(slot => $"{slot}\t{(slot == 0 ? 5 : 0)}\tt{slot}\n")));
        Assert.Equal(0, await run.RunAsync("plan", run.Path("x.tokens"), "--hidden-size", "64"));
        Assert.Contains("note: The table counts only 5 tokens for its 100 entries", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task MissingTable_IsAnErrorThatNamesIt()
    {
        using var run = new ToolRun();

        Assert.Equal(1, await run.RunAsync("plan", run.Path("none.tokens"), "--hidden-size", "64"));
        Assert.Contains("none.tokens", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Cancellation_LeavesNoFile()
    {
        using var run = new ToolRun();
        WriteTable(run, 100);

        Assert.Equal(130, await run.RunAsync(new CancellationToken(canceled: true), "plan", run.Path("x.tokens"), "--hidden-size", "64", "-o", run.Path("x.softmax.json")));
        Assert.Equal(["x.tokens"], run.Files);
    }

    private static void WriteTable(ToolRun run, int size) =>
        run.Write("x.tokens", string.Concat(Enumerable.Range(0, size).Select(slot => $"{slot}\t{1_000_000 / (slot + 1)}\tt{slot}\n")));
}
