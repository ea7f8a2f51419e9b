using System.Globalization;
using System.Text;
using System.Text.Json;
using AdaptiveSoftmax.Tests;

namespace AdaptiveSoftmax.Tool.Tests;

/// <summary>What the page of a draft looks like in a browser.</summary>
public sealed class DraftPageTests
{
    private const int Tokens = 5000, Size = 600;

    [Theory]
    [InlineData("light", 1280)]
    [InlineData("dark", 390)]
    public async Task PageOfADraft_ShowsCoverageAndTokensBySize(string colours, int width)
    {
        Browser.Require();
        using var run = new ToolRun();
        var (table, domains) = (new StringBuilder(), new StringBuilder("domain\tid\tcount\nen <b>\tdocuments\t1\n"));
        for (var id = 0; id < Tokens; id++)
        {
            table.Append(CultureInfo.InvariantCulture, $"{id}\t{CountOf(id)}\tw{id}\n");
            if (id % 3 != 0) domains.Append(CultureInfo.InvariantCulture, $"en <b>\t{id}\t{CountOf(id)}\n");
        }

        domains.Append("fr\tdocuments\t1\n");
        for (var id = 0; id < Tokens; id += 3) domains.Append(CultureInfo.InvariantCulture, $"fr\t{id}\t{CountOf(id)}\n");
        run.Write("x.tokens", table.ToString());
        run.Write("x.domains", domains.ToString());
        Assert.Equal(0, await run.RunAsync("draft", run.Path("x.tokens"), "--size", $"{Size}", "--acceptance", "0.8", "--report", run.Path("draft.html"), "--json"));
        Assert.Empty(run.Error);
        using var json = JsonDocument.Parse(run.Output);
        var sizes = json.RootElement.GetProperty("sizes").EnumerateArray().ToArray();

        using var shown = new ShownPage(run.Path("draft.html"), colours, width);
        Assert.Equal("Draft vocabulary", shown.Browser.Page.Title);
        Assert.Equal(["Coverage by size", "Tokens a verification, by size", "Sizes"], shown.Titles);
        Assert.Empty(shown.Browser.Page.FindElements(OpenQA.Selenium.By.TagName("b")));

        // The broken line stands where the draft's own point is.
        var at = sizes.TakeWhile(size => size.GetProperty("tokens").GetInt32() < Size).Count();
        foreach (var section in shown.Titles[..2])
        {
            var (mark, dots) = (Assert.Single(shown.Find(section, "line", "mark")), shown.Find(section, "circle", "dot"));
            Assert.Equal(sizes.Length, dots.Count);
            Assert.Equal(dots[at].Left + (dots[at].Width / 2), mark.Left + (mark.Width / 2), 0.6);
        }

        // A curve for the whole text and for each domain, as high at each size as the coverage is.
        var curves = shown.Find("Coverage by size", "polyline", "line");
        Assert.Equal(3, curves.Count);
        Assert.Equal(3, curves.Select(curve => curve.Stroke).Distinct().Count());
        double[] coverage = [.. sizes.Select(size => size.GetProperty("coverage").GetDouble())], heights = [.. Ys(curves[0])];
        Assert.Equal(coverage.Length, heights.Length);
        for (var i = 0; i < coverage.Length; i++) Assert.Equal((coverage[i] - coverage[0]) / (coverage[^1] - coverage[0]), (heights[i] - heights[0]) / (heights[^1] - heights[0]), 0.01);
        double[] expected = [.. sizes.Select(size => size.GetProperty("tokensPerVerification").GetDouble())], drawn = [.. Ys(Assert.Single(shown.Find("Tokens a verification, by size", "polyline", "line")))];
        for (var i = 0; i < expected.Length; i++) Assert.Equal((expected[i] - expected[0]) / (expected[^1] - expected[0]), (drawn[i] - drawn[0]) / (drawn[^1] - drawn[0]), 0.01);
        shown.CheckAll();
    }

    private static IEnumerable<double> Ys(Drawn line) => line.Points.Split(' ').Select(point => double.Parse(point.Split(',')[1], CultureInfo.InvariantCulture));

    private static long CountOf(int id) => 1 + (1_000_000 / (id + 1));
}
