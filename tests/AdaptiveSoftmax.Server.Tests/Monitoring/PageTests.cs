using System.Globalization;
using System.Text.Json.Nodes;
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
        var (browser, driver) = FindBrowser();
        await using var server = await TestServer.StartAsync(new ServerOptions { Drift = new DriftOptions { MinimumTokens = 200, WindowTokens = 4000, EvaluateEvery = 100 } });
        await server.PostAsync(new JsonObject { ["prompt"] = "the", ["temperature"] = 0, ["max_tokens"] = 60 });
        await server.PostAsync(new JsonObject { ["prompt"] = new string('z', 300), ["max_tokens"] = 1, ["user"] = "<img src=x onerror=\"document.title='broken in'\">" });

        var profile = Directory.CreateTempSubdirectory("adaptive-softmax-page-").FullName;
        try
        {
            // With the driver's path given, Selenium looks for nothing and downloads nothing.
            using var service = ChromeDriverService.CreateDefaultService(Path.GetDirectoryName(driver), Path.GetFileName(driver));
            var options = new ChromeOptions { BinaryLocation = browser };
            options.AddArguments("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-dev-shm-usage", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions", $"--user-data-dir={profile}", $"--window-size={width},1600");
            options.SetLoggingPreference(LogType.Browser, LogLevel.All);
            using var page = new ChromeDriver(service, options, TimeSpan.FromMinutes(3));
            await page.Navigate().GoToUrlAsync(server.Address);
            await Wait.UntilAsync(() => Updates(page) >= 1);

            Assert.Equal("tiny", page.FindElement(By.Id("model")).Text);
            Assert.StartsWith("up for", page.FindElement(By.Id("state")).Text, StringComparison.Ordinal);
            var clusters = page.FindElements(By.CssSelector("#clusters tr")).Select(row => row.Text).ToArray();
            Assert.Equal(["head", "tail0", "tail1"], clusters.Select(row => row.Split(' ')[0]));
            Assert.All(clusters, row => Assert.Contains(" ms", row, StringComparison.Ordinal));
            Assert.Equal(3, page.FindElements(By.CssSelector("#clusters .range")).Count);
            Assert.Equal(3, page.FindElements(By.CssSelector("#tails .bar")).Count);

            // A user's name is text, whatever it holds.
            var drift = page.FindElements(By.CssSelector("#drift tr")).Select(row => row.Text).ToArray();
            Assert.Equal(2, drift.Length);
            Assert.Contains(drift, row => row.Contains("(none)", StringComparison.Ordinal) && row.Contains("collecting", StringComparison.Ordinal));
            Assert.Contains(drift, row => row.Contains("<img src=x", StringComparison.Ordinal) && row.Contains("drifted", StringComparison.Ordinal));
            Assert.Equal("Completions server", page.Title);

            // Only tables may be wider than the screen, and these scroll by themselves.
            Assert.True((bool)page.ExecuteScript("return document.documentElement.scrollWidth <= window.innerWidth")!);

            await server.PostAsync(new JsonObject { ["prompt"] = "the", ["temperature"] = 0, ["max_tokens"] = 60 });
            await Wait.UntilAsync(() => page.FindElement(By.Id("completed")).Text == "3");
            await server.StopAsync();
            await Wait.UntilAsync(() => page.FindElement(By.Id("state")).Text.StartsWith("no answer from the server", StringComparison.Ordinal));

            // Nothing is asked of anybody else, and no script failed: the only complaint is about the server that is gone.
            Assert.All(page.Manage().Logs.GetLog(LogType.Browser), entry => Assert.Contains("/monitor", entry.Message, StringComparison.Ordinal));
        }
        finally
        {
            Directory.Delete(profile, recursive: true);
        }
    }

    private static int Updates(ChromeDriver page) =>
        int.Parse((string?)page.ExecuteScript("return document.body.dataset.updates || '0'") ?? "0", CultureInfo.InvariantCulture);

    private static (string Browser, string Driver) FindBrowser()
    {
        var (browser, driver) = (Find("chromium") ?? Find("google-chrome"), Find("chromedriver"));
        if (browser is not null && driver is not null) return (browser, driver);
        Assert.SkipUnless(Environment.GetEnvironmentVariable("CI") == "true", "There is no Chromium with its driver; run eng/chromium.sh.");
        throw new FileNotFoundException("There is no Chromium with its driver, which CI must have; run eng/chromium.sh.");
    }

    private static string? Find(string program) => (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator)
        .Select(folder => Path.Combine(folder, program)).FirstOrDefault(File.Exists);
}
