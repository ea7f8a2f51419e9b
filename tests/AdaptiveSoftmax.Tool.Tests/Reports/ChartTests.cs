using System.Text;
using System.Text.Json;
using AdaptiveSoftmax.Tests;
using AdaptiveSoftmax.Tool.Reports;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tool.Tests;

/// <summary>What the charts of a plan, of drift and of a migration look like in a browser.</summary>
public sealed class ChartTests
{
    private const int Tokens = 2000;

    private static readonly string[] s_domains = ["en", "fr"];

    [Theory]
    [InlineData("light", 1280)]
    [InlineData("dark", 390)]
    public async Task PageOfAPlan_ShowsCutoffsCostsDomainsAndTimes(string colours, int width)
    {
        Browser.Require();
        using var run = new ToolRun();
        WriteDomains(run);
        string[] arguments = ["plan", run.Path("x.tokens"), "--hidden-size", "16", "--for", "greedy", "--report", run.Path("plan.html"), "--json"];
        Assert.Equal(0, await run.RunAsync(colours == "light" ? [.. arguments, "--measure"] : arguments));
        using var json = JsonDocument.Parse(run.Output);
        var plan = json.RootElement.GetProperty("plan");
        int[] cutoffs = [.. plan.GetProperty("cutoffs").EnumerateArray().Select(cutoff => cutoff.GetInt32())];

        using var shown = new ShownPage(run.Path("plan.html"), colours, width);
        Assert.Equal("Plan", shown.Browser.Page.Title);
        Assert.Equal(["Clusters", "Rank and frequency", "Cost against shortlist size", colours == "light" ? "Predicted and measured time" : "Predicted time", "Shares by domain", "Cost by domain", "Time against width"], shown.Titles);

        // The cutoffs stand where the logarithmic axis has them, told from its first two names.
        var marks = shown.Find("Rank and frequency", "line", "mark");
        var grid = shown.Find("Rank and frequency", "line", "grid").Where(line => line.Height > line.Width).ToArray();
        Assert.Equal(cutoffs.Length, marks.Count);
        for (var i = 0; i < cutoffs.Length; i++) Assert.Equal(grid[0].Left + ((grid[1].Left - grid[0].Left) * Math.Log10(cutoffs[i])), marks[i].Left, 0.6);
        Assert.NotEqual("none", Assert.Single(shown.Find("Rank and frequency", "polyline", "line")).Stroke);

        // Counts fall, and so does the curve; the plan's point lies on the curve of costs.
        double[] ranks = [.. Ys(shown.Find("Rank and frequency", "polyline", "line")[0])];
        Assert.True(ranks.Length > 100);
        Assert.Equal(ranks.Order(), ranks);
        var curves = shown.Find("Cost against shortlist size", "polyline", "line");
        Assert.Equal(3, curves.Count);
        Assert.Equal(2, Ys(curves[1]).Count());
        Assert.Single(Ys(curves[1]).Distinct());
        Assert.Contains(curves[0].Points.Split(' '), point => point == curves[2].Points);

        var times = shown.Find(colours == "light" ? "Predicted and measured time" : "Predicted time", "rect", "bar");
        Assert.Equal(colours == "light" ? 2 * json.RootElement.GetProperty("measured").GetArrayLength() : 2, times.Count);
        Assert.All(times, bar => Assert.True(bar is { Width: > 0, Height: > 0 }));
        Assert.Contains($"plan, predicted: {ChartScale.Name(plan.GetProperty("nanoseconds").GetDouble() / 1e3)}", times.Select(bar => bar.Text));

        // Bars as high as the shares, computed from the counts once more.
        var shares = shown.Find("Shares by domain", "rect", "bar");
        Assert.Equal(2 * (cutoffs.Length + 1), shares.Count);
        var heads = shares.Where(bar => bar.Text.Contains("head", StringComparison.Ordinal)).ToArray();
        double[] expected = [.. s_domains.Select(domain => Enumerable.Range(0, cutoffs[0]).Sum(slot => (double)CountOf(slot, domain)) / Enumerable.Range(0, Tokens).Sum(slot => (double)CountOf(slot, domain)))];
        Assert.Equal(expected[1] / expected[0], heads[1].Height / heads[0].Height, 0.02);
        Assert.Equal(cutoffs.Length + 1, shares.Select(bar => bar.Fill).Distinct().Count());
        shown.CheckAll();
    }

    [Theory]
    [InlineData("light", 1280)]
    [InlineData("dark", 390)]
    public async Task PageOfDrift_IsDrawn(string colours, int width)
    {
        Browser.Require();
        using var run = new ToolRun();
        var files = new EvaluationFiles(run);
        var table = files.Definition.Table;
        run.Write("seen.tokens", string.Concat(Enumerable.Range(0, 80).Select(slot => (Id: table.GetId(slot), Count: slot < 20 ? 3 * table.GetCount(slot) : table.GetCount(slot))).OrderByDescending(row => row.Count).ThenBy(row => row.Id).Select(row => $"{row.Id}\t{row.Count}\tw{(1000 - row.Id) / 2}\n")));
        Assert.InRange(await run.RunAsync("drift", run.Path("news.tokens"), "--observed", run.Path("seen.tokens"), "--spec", files.Spec, "--report", run.Path("drift.html")), 0, 2);
        Assert.Empty(run.Error);

        using var shown = new ShownPage(run.Path("drift.html"), colours, width);
        Assert.Equal("Drift", shown.Browser.Page.Title);
        var bars = shown.Find("Shares by cluster", "rect", "bar");
        Assert.Equal(6, bars.Count);
        double[] counts = [.. table.Counts.ToArray().Select(count => (double)count)], seen = [.. counts.Select((count, slot) => slot < 20 ? 3 * count : count)];
        var ratio = (seen[..20].Sum() / seen.Sum()) / (counts[..20].Sum() / counts.Sum());
        Assert.Equal(ratio, bars[1].Height / bars[0].Height, 0.02);
        Assert.NotEqual(bars[0].Fill, bars[1].Fill);
        Assert.Equal(2 * Enumerable.Count(shown.Find("Shares by frequency", "text", "tick"), text => text.Text.StartsWith("tenth", StringComparison.Ordinal) || text.Text == "unseen"), shown.Find("Shares by frequency", "rect", "bar").Count);
        shown.CheckAll();
    }

    [Theory]
    [InlineData("light", 1280)]
    [InlineData("dark", 390)]
    public async Task PageOfAMigration_ShowsWhatMovedAndPerplexities(string colours, int width)
    {
        Browser.Require();
        using var run = new ToolRun();
        var files = new EvaluationFiles(run);
        files.WriteSpec("other", [30]);
        Assert.Equal(0, await run.RunAsync("migrate", files.Weights, "--from", files.Spec, "--to", run.Path("other.softmax.json"), "--states", files.States1, "--polish", "5", "--output", run.Path("other.safetensors"), "--report", run.Path("migration.html"), "--json"));
        using var json = JsonDocument.Parse(run.Output);
        var (before, after) = (json.RootElement.GetProperty("before"), json.RootElement.GetProperty("after"));

        using var shown = new ShownPage(run.Path("migration.html"), colours, width);
        Assert.Equal("Migration", shown.Browser.Page.Title);
        Assert.Equal(["Summary", "Perplexity by frequency", "Perplexity by cluster", "What moved", "What widths do not hold", "Residuals", "Clusters"], shown.Titles);

        // Twenty rows of the head are the old ones, ten came from the first tail, and the new tail is of two.
        var moved = shown.Find("What moved", "rect", "bar");
        Assert.Equal(["head, kept: 20", "head, moved: 10", "head, new: 0", "tail0, kept: 0", "tail0, moved: 60", "tail0, new: 0"], moved.Select(bar => bar.Text));
        Assert.Equal(6.0, moved[4].Height / moved[1].Height, 0.05);
        var tenths = before.GetProperty("byTenth").EnumerateArray().Select(tenth => tenth.GetProperty("name").GetString()!).ToArray();
        Assert.Equal("unseen", tenths[^1]);
        Assert.Equal(3 * tenths.Length, shown.Find("Perplexity by frequency", "rect", "bar").Count);
        var clusters = shown.Find("Perplexity by cluster", "rect", "bar");
        Assert.Contains($"tail0, before: {ChartScale.Name(before.GetProperty("byCluster")[1].GetDouble())}", clusters.Select(bar => bar.Text));
        Assert.Contains($"tail0, after: {ChartScale.Name(after.GetProperty("byCluster")[1].GetDouble())}", clusters.Select(bar => bar.Text));
        Assert.Equal(3, clusters.Select(bar => bar.Fill).Distinct().Count());
        var factored = json.RootElement.GetProperty("clusters")[1];
        var residuals = shown.Find("Residuals", "rect", "bar").Select(bar => bar.Text).ToArray();
        Assert.Contains($"tail0, logit: {ChartScale.Name(factored.GetProperty("logitError").GetDouble())}", residuals);
        Assert.Contains($"tail0, gate: {ChartScale.Name(factored.GetProperty("gateError").GetDouble())}", residuals);
        shown.CheckAll();
    }

    [Fact]
    public async Task APage_IsWrittenOverNoInput()
    {
        using var run = new ToolRun();
        WriteDomains(run);
        Assert.Equal(1, await run.RunAsync("plan", run.Path("x.tokens"), "--hidden-size", "16", "--force", "--report", run.Path("x.tokens")));
        Assert.Contains("give --report another name", run.Error, StringComparison.Ordinal);
        var files = new EvaluationFiles(run);
        Assert.Equal(1, await run.RunAsync("migrate", files.Weights, "--from", files.Spec, "--to", files.Spec, "--states", files.States1, "--output", run.Path("new.safetensors"), "--force", "--report", files.States1));
        Assert.Contains("give --report another name", run.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("new.safetensors", run.Files);
    }

    private static IEnumerable<double> Ys(Drawn curve) => curve.Points.Split(' ').Select(point => double.Parse(point.Split(',')[1], System.Globalization.CultureInfo.InvariantCulture));

    // The second domain likes rare tokens.
    private static long CountOf(int slot, string domain) => domain == "en" ? 1_000_000 / (slot + 1) : 200 + (100_000 / (slot + 1));

    private static void WriteDomains(ToolRun run)
    {
        int[] ids = [.. Enumerable.Range(0, Tokens)];
        using (var table = new StreamWriter(run.Path("x.tokens")))
            TokenTableWriter.Write(table, TokenTable.Create(ids, [.. ids.Select(slot => CountOf(slot, "en") + CountOf(slot, "fr"))], [.. ids.Select(slot => Encoding.ASCII.GetBytes($"t{slot}"))]), TestContext.Current.CancellationToken);
        using var domains = new StreamWriter(run.Path("x.domains"));
        DomainTable.Write(domains, [.. s_domains.Select(domain => DomainCounts.Create(domain, 1, ids.Select(slot => KeyValuePair.Create(slot, CountOf(slot, domain)))))]);
    }
}
