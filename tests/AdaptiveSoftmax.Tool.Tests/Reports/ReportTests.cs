using AdaptiveSoftmax.Tests;
using AdaptiveSoftmax.Tool.Reports;
using OpenQA.Selenium;

namespace AdaptiveSoftmax.Tool.Tests;

public sealed class ReportTests
{
    [Theory]
    [InlineData("light", 1280)]
    [InlineData("dark", 390)]
    public async Task PageOfAnEvaluation_ShowsWhatWasFound_InTheReadersColours(string colours, int width)
    {
        Browser.Require();
        using var run = new ToolRun();
        var files = new EvaluationFiles(run);
        var page = run.Path("evaluation.html");
        Assert.Equal(0, await run.RunAsync("evaluate", files.States1, "--weights", files.Weights, "--spec", files.Spec, "--quantize", "int8", "--report", page));
        Assert.Empty(run.Error);

        using var shown = new ShownPage(page, colours, width);
        var browser = shown.Browser;
        Assert.Equal("Evaluation", browser.Page.Title);
        string[] titles = [.. browser.Page.FindElements(By.TagName("h2")).Select(title => title.Text)];
        Assert.Equal(["Summary", "Perplexity by frequency", "Perplexity by cluster", "Perplexity by domain", "Calibration"], titles[..5]);

        // A bar for each softmax and cluster, as high as its perplexity's logarithm.
        var bars = browser.Page.FindElements(By.XPath("//section[h2='Perplexity by cluster']//*[name()='rect']"));
        Assert.Equal(6, bars.Count);
        Assert.All(bars, bar => Assert.True(bar.Size is { Width: > 0, Height: > 0 }));
        Assert.Equal("head", browser.Page.FindElement(By.XPath("(//section[h2='Perplexity by cluster']//*[name()='text' and @text-anchor='middle' and @class='tick'])[1]")).Text);
        var curves = browser.Page.FindElements(By.XPath("//section[h2='Calibration']//*[name()='polyline']"));
        Assert.Equal(2, curves.Count);
        Assert.NotEmpty(browser.Page.FindElements(By.XPath("//section[h2='Calibration']//*[name()='circle']")));
        Assert.Single(shown.Find("Calibration", "line", "reference"));
        // Names of domains are text, whatever they hold.
        Assert.Empty(browser.Page.FindElements(By.TagName("b")));
        Assert.Contains("<b>code</b>", browser.Page.PageSource.Replace("&lt;", "<", StringComparison.Ordinal).Replace("&gt;", ">", StringComparison.Ordinal), StringComparison.Ordinal);

        Assert.NotEqual("rgb(0, 0, 0)", (string)browser.Page.ExecuteScript("return getComputedStyle(document.querySelector('.bar.s0')).fill")!);
        Assert.NotEqual((string)browser.Page.ExecuteScript("return getComputedStyle(document.querySelector('.bar.s0')).fill")!, (string)browser.Page.ExecuteScript("return getComputedStyle(document.querySelector('.bar.s1')).fill")!);
        shown.CheckAll();
    }

    [Fact]
    public async Task PageOfDrift_ShowsSharesExpectedAndSeen()
    {
        using var run = new ToolRun();
        var files = new EvaluationFiles(run);
        // Twice as many of the tokens in slots 50 and up as the table has, and 1,000 that it does not know.
        var table = files.Definition.Table;
        var rows = Enumerable.Range(0, 80).Select(slot => (Id: table.GetId(slot), Count: Seen(table.GetCount(slot), slot), Token: $"w{slot}")).Append((Id: 5, Count: 1000, Token: "new"));
        run.Write("seen.tokens", string.Concat(rows.OrderByDescending(row => row.Count).ThenBy(row => row.Id).Select(row => $"{row.Id}\t{row.Count}\t{row.Token}\n")));
        await run.RunAsync("drift", run.Path("news.tokens"), "--observed", run.Path("seen.tokens"), "--spec", files.Spec, "--report", run.Path("drift.html"));
        Assert.Empty(run.Error);
        var page = await File.ReadAllTextAsync(run.Path("drift.html"), TestContext.Current.CancellationToken);
        foreach (var title in new[] { "Measures", "Shares by cluster", "Shares by frequency", "Risen most" }) Assert.Contains($"<h2>{title}</h2>", page, StringComparison.Ordinal);

        double[] expected = [.. table.Counts.ToArray().Select(count => (double)count)], seen = [.. expected.Select((count, slot) => (double)Seen((long)count, slot))];
        var (before, now) = (expected[50..].Sum() / expected.Sum() * 100, seen[50..].Sum() / (seen.Sum() + 1000) * 100);
        Assert.Contains($"<title>tail1, expected: {ChartScale.Name(before)}</title>", page, StringComparison.Ordinal);
        Assert.Contains($"<title>tail1, seen: {ChartScale.Name(now)}</title>", page, StringComparison.Ordinal);
        Assert.Contains($"<title>unknown, seen: {ChartScale.Name(1000 / (seen.Sum() + 1000) * 100)}</title>", page, StringComparison.Ordinal);

        static long Seen(long count, int slot) => slot >= 50 ? 2 * count : count;
    }

    [Fact]
    public async Task Page_IsTheSameEachTime_AndTakesThePlaceOfItsOwnKindAlone()
    {
        using var run = new ToolRun();
        var files = new EvaluationFiles(run);
        var page = run.Path("evaluation.html");
        string[] arguments = ["evaluate", files.States1, "--weights", files.Weights, "--spec", files.Spec, "--timed", "0", "--report", page];
        Assert.Equal(0, await run.RunAsync([.. arguments, "--threads", "1"]));
        var first = await File.ReadAllTextAsync(page, TestContext.Current.CancellationToken);
        Assert.Equal(0, await run.RunAsync([.. arguments, "--threads", "3"]));
        Assert.Equal(first, await File.ReadAllTextAsync(page, TestContext.Current.CancellationToken));
        Assert.DoesNotContain("<script", first, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain("http://", first, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain("https://", first, StringComparison.OrdinalIgnoreCase);

        run.Write("evaluation.html", "<!doctype html><html><title>mine</title>");
        Assert.Equal(1, await run.RunAsync(arguments));
        Assert.Contains("a web page, not a report", run.Error, StringComparison.Ordinal);
        Assert.Equal(0, await run.RunAsync([.. arguments, "--force"]));
    }

    [Theory]
    [InlineData(new[] { 3.0, 47 }, false, new[] { 0.0, 10, 20, 30, 40, 50 })]
    [InlineData(new[] { 0.0021, 0.0099 }, false, new[] { 0, 0.002, 0.004, 0.006, 0.008, 0.01 })]
    [InlineData(new[] { 14.0, 230_000 }, true, new[] { 10.0, 100, 1000, 10_000, 100_000, 1_000_000 })]
    [InlineData(new[] { 5.0 }, true, new[] { 1.0, 10 })]
    [InlineData(new double[0], false, new[] { 0, 0.2, 0.4, 0.6, 0.8, 1 })]
    public void Axis_NamesRoundValues_AndHoldsAll(double[] values, bool isLog, double[] ticks)
    {
        var scale = new ChartScale([.. values, double.NaN, double.PositiveInfinity], isLog, fromZero: true, 200, 100);
        Assert.Equal(ticks, scale.Ticks.Select(tick => Math.Round(tick, 9)));
        Assert.Equal((200, 100), (Math.Round(scale.At(ticks[0]), 9), Math.Round(scale.At(ticks[^1]), 9)));
        Assert.All(values, value => Assert.InRange(scale.At(value), 100, 200));
        if (values.Length == 2) Assert.True(scale.At(values[0]) > scale.At(values[1]));
    }
}
