using AdaptiveSoftmax.Plots;
using SkiaSharp;

namespace AdaptiveSoftmax.Tool.Tests;

/// <summary>The charts of a report as PNG, told by their pixels.</summary>
public sealed class PlotTests
{
    private static readonly SKColor s_first = SKColor.Parse("#2563eb"), s_second = SKColor.Parse("#c2570c");

    [Fact]
    public async Task ChartsOfAMigration_AreDrawnAsThePageHasThem()
    {
        using var run = new ToolRun();
        var files = new EvaluationFiles(run);
        files.WriteSpec("other", [30]);
        Assert.Equal(0, await run.RunAsync("migrate", files.Weights, "--from", files.Spec, "--to", run.Path("other.softmax.json"), "--states", files.States1, "--output", run.Path("other.safetensors"), "--report", run.Path("migration.json")));
        Assert.Empty(run.Error);
        var written = ReportPlots.Write(run.Path("migration.json"), run.Path("charts"), cancellationToken: TestContext.Current.CancellationToken);
        Assert.Equal(["perplexity-by-frequency.png", "perplexity-by-cluster.png", "what-moved.png", "what-widths-do-not-hold.png", "residuals.png"], written.Select(Path.GetFileName));
        Assert.Equal(5, Directory.GetFiles(run.Path("charts")).Length);

        // Of the head 20 tokens are kept and 10 moved, of the tail 60 moved: the bars' heights in pixels, column by column.
        using var moved = SKBitmap.Decode(run.Path("charts/what-moved.png"));
        Assert.Equal((1520, 720), (moved.Width, moved.Height));
        Assert.Equal(SKColors.White, moved.GetPixel(0, 0));
        var (kept, changed) = (Bars(moved, s_first), Bars(moved, s_second));
        var head = Assert.Single(kept);
        Assert.Equal(2, changed.Count);
        Assert.Equal(0.5, changed[0] / (double)head, 0.02);
        Assert.Equal(6, changed[1] / (double)changed[0], 0.2);

        // The same file gives the same pictures, and takes their place.
        var first = await File.ReadAllBytesAsync(written[2], TestContext.Current.CancellationToken);
        ReportPlots.Write(run.Path("migration.json"), run.Path("charts"), cancellationToken: TestContext.Current.CancellationToken);
        Assert.Equal(first, await File.ReadAllBytesAsync(written[2], TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task ChartsOfAPlan_HaveCurvesMarksAndLogarithms()
    {
        using var run = new ToolRun();
        run.Write("x.tokens", string.Concat(Enumerable.Range(0, 1000).Select(slot => $"{slot}\t{1_000_000 / (slot + 1)}\tt{slot}\n")));
        Assert.Equal(0, await run.RunAsync("plan", run.Path("x.tokens"), "--hidden-size", "16", "--report", run.Path("plan.json")));
        // Its own kind is written over.
        Assert.Equal(0, await run.RunAsync("plan", run.Path("x.tokens"), "--hidden-size", "16", "--report", run.Path("plan.json")));
        var written = ReportPlots.Write(run.Path("plan.json"), run.Path("."), new PlotOptions { Width = 600, Height = 300, Scale = 1 }, TestContext.Current.CancellationToken);
        Assert.Equal(["rank-and-frequency.png", "cost-against-shortlist-size.png", "predicted-time.png", "time-against-width.png"], written.Select(Path.GetFileName));
        using var ranks = SKBitmap.Decode(written[0]);
        Assert.Equal((600, 300), (ranks.Width, ranks.Height));

        // Zipf's law is a straight line where both axes are logarithmic: the curve's height in each column.
        var line = Enumerable.Range(0, ranks.Width).Select(x => (X: x, Ys: Enumerable.Range(0, ranks.Height).Where(y => IsNear(ranks.GetPixel(x, y), s_first)).ToArray())).Where(column => column.Ys.Length is > 0 and < 12).Select(column => (X: (double)column.X, Y: column.Ys.Average())).ToArray();
        Assert.True(line.Length > 200, $"The curve is {line.Length} pixels wide.");
        var slope = (line[^1].Y - line[0].Y) / (line[^1].X - line[0].X);
        Assert.True(slope > 0);
        Assert.All(line, point => Assert.Equal(line[0].Y + (slope * (point.X - line[0].X)), point.Y, 3.0));
    }

    [Fact]
    public void BarsOfLogarithms_StandOnTheAxis_AndChartsOfOneTitleAreNumbered()
    {
        using var run = new ToolRun();
        const string Chart = """{ "kind": "bars", "title": "Perplexity", "note": "", "unit": "", "categories": ["a", "b", "c"], "series": [{ "name": "x", "values": [0.02, 0.2, 2] }], "isLog": true }""";
        run.Write("report.json", $$"""{ "generator": "adaptive-softmax", "title": "", "lead": "", "sections": [{{Chart}}, {{Chart}}] }""");
        var written = ReportPlots.Write(run.Path("report.json"), run.Path("charts"), cancellationToken: TestContext.Current.CancellationToken);
        Assert.Equal(["perplexity.png", "perplexity-2.png"], written.Select(Path.GetFileName));
        using var picture = SKBitmap.Decode(written[1]);
        // From 0.01 on: 0.3, 1.3 and 2.3 powers of ten high.
        var bars = Bars(picture, s_first);
        Assert.Equal(3, bars.Count);
        Assert.Equal(1.301 / 2.301, bars[1] / (double)bars[2], 0.02);
        Assert.Equal(0.301 / 2.301, bars[0] / (double)bars[2], 0.02);
    }

    [Fact]
    public async Task ChartsAsData_HaveAllThatThePageDraws()
    {
        using var run = new ToolRun();
        var files = new EvaluationFiles(run);
        Assert.Equal(0, await run.RunAsync("evaluate", files.States1, "--weights", files.Weights, "--spec", files.Spec, "--timed", "0", "--report", run.Path("evaluation.json")));
        using var json = System.Text.Json.JsonDocument.Parse(await File.ReadAllTextAsync(run.Path("evaluation.json"), TestContext.Current.CancellationToken));
        var calibration = json.RootElement.GetProperty("sections").EnumerateArray().Single(section => section.GetProperty("title").GetString() == "Calibration");
        Assert.True(calibration.GetProperty("hasDiagonal").GetBoolean());
        Assert.True(calibration.GetProperty("series")[0].GetProperty("hasDots").GetBoolean());
        Assert.Contains("calibration.png", ReportPlots.Write(run.Path("evaluation.json"), run.Path("charts"), cancellationToken: TestContext.Current.CancellationToken).Select(Path.GetFileName));
    }

    [Theory]
    [InlineData("plain text", "plain.json: ")]
    [InlineData("{ \"name\": \"package\" }", "no report")]
    [InlineData("[]", "no report")]
    [InlineData("{ \"generator\": \"adaptive-softmax\", \"sections\": [{ \"kind\": \"pie\" }] }", "\"pie\"")]
    [InlineData("{ \"generator\": \"adaptive-softmax\", \"sections\": 3 }", "plain.json: ")]
    public void WhatIsNoReport_IsSaidWithItsRemedy(string text, string expected)
    {
        using var run = new ToolRun();
        run.Write("plain.json", text);
        var fault = Assert.Throws<FormatException>(() => ReportPlots.Write(run.Path("plain.json"), run.Path("charts"), cancellationToken: TestContext.Current.CancellationToken));
        Assert.Contains(expected, fault.Message, StringComparison.Ordinal);
        Assert.Contains("--report FILE.json", fault.Message, StringComparison.Ordinal);
        Assert.False(Directory.Exists(run.Path("charts")));
        Assert.Throws<ArgumentException>(() => ReportPlots.Write(run.Path("plain.json"), run.Path("charts"), new PlotOptions { Width = 0 }, TestContext.Current.CancellationToken));
    }

    // The heights of the bars of a colour from left to right; the legend's key is too small to be one.
    private static List<int> Bars(SKBitmap picture, SKColor colour)
    {
        var bars = new List<int>();
        var before = 0;
        for (var x = 0; x < picture.Width; x++)
        {
            var height = Longest(picture, x, colour);
            if (height > 40 && before <= 40) bars.Add(height);
            before = height;
        }

        return bars;
    }

    private static int Longest(SKBitmap picture, int x, SKColor colour)
    {
        var (longest, run) = (0, 0);
        for (var y = 0; y < picture.Height; y++)
        {
            run = picture.GetPixel(x, y) == colour ? run + 1 : 0;
            longest = Math.Max(longest, run);
        }

        return longest;
    }

    private static bool IsNear(SKColor one, SKColor other) => Math.Abs(one.Red - other.Red) + Math.Abs(one.Green - other.Green) + Math.Abs(one.Blue - other.Blue) < 90;
}
