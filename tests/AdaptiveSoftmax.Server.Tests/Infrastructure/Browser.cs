using System.Text.Json.Nodes;
using OpenQA.Selenium;
using OpenQA.Selenium.Chrome;

namespace AdaptiveSoftmax.Tests;

/// <summary>A headless browser with an empty profile; eng/chromium.sh installs it.</summary>
internal sealed class Browser : IDisposable
{
    private const string Network = "performance";

    private readonly string _profile = Directory.CreateTempSubdirectory("adaptive-softmax-page-").FullName;
    private readonly ChromeDriverService _service;

    /// <param name="width">The width of the window.</param>
    public Browser(int width)
    {
        var (browser, driver) = Require();
        // With the driver's path given, Selenium looks for nothing and downloads nothing.
        _service = ChromeDriverService.CreateDefaultService(Path.GetDirectoryName(driver), Path.GetFileName(driver));
        var options = new ChromeOptions { BinaryLocation = browser };
        options.AddArguments("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-dev-shm-usage", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions", $"--user-data-dir={_profile}", $"--window-size={width},1600");
        options.SetLoggingPreference(LogType.Browser, LogLevel.All);
        options.SetLoggingPreference(Network, LogLevel.All);
        Page = new ChromeDriver(_service, options, TimeSpan.FromMinutes(3));
    }

    public ChromeDriver Page { get; }

    /// <summary>The addresses that were asked for since the last call, but for data in the page and the browser's own pages.</summary>
    public IReadOnlyList<string> TakeRequests() =>
    [
        .. Page.Manage().Logs.GetLog(Network)
            .Select(entry => JsonNode.Parse(entry.Message)!["message"]!)
            .Where(message => (string?)message["method"] == "Network.requestWillBeSent")
            .Select(message => (string)message["params"]!["request"]!["url"]!)
            .Where(address => !address.StartsWith("data:", StringComparison.Ordinal) && !address.StartsWith("chrome:", StringComparison.Ordinal)),
    ];

    /// <summary>Shows pages as one who prefers light or dark colours sees them.</summary>
    public void PreferColours(string scheme) => Page.ExecuteCdpCommand(
        "Emulation.setEmulatedMedia",
        new Dictionary<string, object?> { ["features"] = new object[] { new Dictionary<string, object> { ["name"] = "prefers-color-scheme", ["value"] = scheme } } });

    /// <summary>Finds the browser and its driver, or skips the test, which CI does not allow.</summary>
    public static (string Browser, string Driver) Require()
    {
        var (browser, driver) = (Find("chromium") ?? Find("google-chrome"), Find("chromedriver"));
        if (browser is not null && driver is not null) return (browser, driver);
        Assert.SkipUnless(Environment.GetEnvironmentVariable("CI") == "true", "There is no Chromium with its driver; run eng/chromium.sh.");
        throw new FileNotFoundException("There is no Chromium with its driver, which CI must have; run eng/chromium.sh.");
    }

    public void Dispose()
    {
        Page.Dispose();
        _service.Dispose();
        Directory.Delete(_profile, recursive: true);
    }

    private static string? Find(string program) => (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator)
        .Select(folder => Path.Combine(folder, program)).FirstOrDefault(File.Exists);
}
