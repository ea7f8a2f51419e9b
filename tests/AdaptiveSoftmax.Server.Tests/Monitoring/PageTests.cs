using System.Globalization;
using System.Text.Json.Nodes;
using AdaptiveSoftmax.Tests;
using OpenQA.Selenium;
using OpenQA.Selenium.Chrome;
using ServerSample;

namespace AdaptiveSoftmax.Server.Tests;

/// <summary>The page as a browser shows it; eng/chromium.sh installs the browser.</summary>
public sealed class PageTests
{
    [Theory]
    [InlineData(1280)]
    [InlineData(390)]
    public async Task Page_ShowsLatencyTailsAndDrift_AndKeepsUp(int width)
    {
        Browser.Require();
        await using var server = await TestServer.StartAsync(new ServerOptions { Burst = BurstOptions.TryParse("budget:1", out _), Drift = new DriftOptions { MinimumTokens = 200, WindowTokens = 4000, EvaluateEvery = 100 } });
        await server.PostAsync(new JsonObject { ["prompt"] = "the", ["temperature"] = 0, ["max_tokens"] = 60 });
        await server.PostAsync(new JsonObject { ["prompt"] = new string('z', 300), ["max_tokens"] = 1, ["user"] = "<img src=x onerror=\"document.title='broken in'\">" });

        using var browser = new Browser(width);
        var page = browser.Page;
        await page.Navigate().GoToUrlAsync(server.Address);
        await Wait.UntilAsync(() => Updates(page) >= 1);

        Assert.Equal("tiny", Assert.Single(Texts(page, "#model")));
        Assert.StartsWith("up for", Assert.Single(Texts(page, "#state")), StringComparison.Ordinal);
        var clusters = Texts(page, "#clusters tr");
        Assert.Equal(["head", "tail0", "tail1"], clusters.Select(row => row.Split(' ')[0]));
        Assert.All(clusters, row => Assert.Contains(" ms", row, StringComparison.Ordinal));
        Assert.Equal(3, Texts(page, "#clusters .range").Length);
        Assert.Equal(3, Texts(page, "#tails .bar").Length);

        Assert.Equal("budget:1", Assert.Single(Texts(page, "#burstPolicy")));
        Assert.StartsWith("exact 0 0 (", Assert.Single(Texts(page, "#bursts tr")), StringComparison.Ordinal);

        // A user's name is text, whatever it holds.
        var drift = Texts(page, "#drift tr");
        Assert.Equal(2, drift.Length);
        Assert.Contains(drift, row => row.Contains("(none)", StringComparison.Ordinal) && row.Contains("collecting", StringComparison.Ordinal));
        Assert.Contains(drift, row => row.Contains("<img src=x", StringComparison.Ordinal) && row.Contains("drifted", StringComparison.Ordinal));
        Assert.Equal("Completions server", page.Title);

        // Only tables may be wider than the screen, and these scroll by themselves.
        Assert.True((bool)page.ExecuteScript("return document.documentElement.scrollWidth <= window.innerWidth")!);

        await server.PostAsync(new JsonObject { ["prompt"] = "the", ["temperature"] = 0, ["max_tokens"] = 60 });
        await Wait.UntilAsync(() => Texts(page, "#completed") is ["3"]);
        await server.StopAsync();
        await Wait.UntilAsync(() => Texts(page, "#state")[0].StartsWith("no answer from the server", StringComparison.Ordinal));

        // Nothing is asked of anybody else, and no script failed: the only complaint is about the server that is gone.
        Assert.All(page.Manage().Logs.GetLog(LogType.Browser), entry => Assert.Contains("/monitor", entry.Message, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Page_ShowsABurst_WhileItIsInForce_AndWhatItCostAfterwards()
    {
        Browser.Require();
        var gate = new StepGate();
        var burst = BurstOptions.TryParse("head-only", out _)! with { Queue = 2, Wait = TimeSpan.FromHours(1), Calm = TimeSpan.FromHours(1) };
        await using var server = await TestServer.StartAsync(new ServerOptions { MaxBatch = 1, Burst = burst }, gate);
        using var browser = new Browser(1280);
        var page = browser.Page;
        await page.Navigate().GoToUrlAsync(server.Address);
        await Wait.UntilAsync(() => Texts(page, "#bursts tr").SingleOrDefault() is { } row && row.StartsWith("exact 0 0", StringComparison.Ordinal));

        // One decodes, and two wait behind it: the step after the next begins in a burst, and stands there.
        gate.Close();
        Task<JsonNode>[] answers = [AskAsync()];
        await Wait.UntilAsync(() => gate.Steps == 1);
        answers = [.. answers, AskAsync(), AskAsync()];
        await Wait.UntilAsync(() => server.Engine.Waiting == 2);
        gate.Allow(1);
        await Wait.UntilAsync(() => Texts(page, "#bursts tr") is [var row] && row.StartsWith("in force 1 ", StringComparison.Ordinal));
        Assert.Equal("in force", Assert.Single(Texts(page, "#bursts .badge.bad")));

        gate.Allow();
        foreach (var answer in answers) await answer;
        await Wait.UntilAsync(() => Texts(page, "#bursts tr") is [var row] && row.StartsWith("exact 1 17 (94", StringComparison.Ordinal) && row.Contains(" 3 (100", StringComparison.Ordinal));

        Task<JsonNode> AskAsync() => server.PostAsync(new JsonObject { ["prompt"] = "the", ["temperature"] = 0, ["max_tokens"] = 6, ["logit_bias"] = new JsonObject { [$"{TinyModel.EndOfText}"] = -100 } });
    }

    // In one look: the page replaces its rows once a second, and an element of before is gone then.
    private static string[] Texts(ChromeDriver page, string selector) =>
        [.. ((IReadOnlyCollection<object>)page.ExecuteScript("return [...document.querySelectorAll(arguments[0])].map(one => (one.innerText ?? '').replace(/\\s+/g, ' ').trim())", selector)!).Cast<string>()];

    private static int Updates(ChromeDriver page) =>
        int.Parse((string?)page.ExecuteScript("return document.body.dataset.updates || '0'") ?? "0", CultureInfo.InvariantCulture);
}
