using System.Diagnostics;
using System.Globalization;
using System.Net.Http.Json;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace AdaptiveSoftmax.Package.Tests;

/// <summary>What <c>dotnet new</c> makes of the templates builds without a warning and does what it says.</summary>
public sealed partial class TemplateTests(PackedFeed feed)
{
    [Fact]
    public async Task Projects_BuildAndRun()
    {
        var folder = feed.CreateFolder("Templates", ("Directory.Build.props", """
            <Project>
              <PropertyGroup>
                <RestorePackagesPath>$(MSBuildThisFileDirectory)../packages</RestorePackagesPath>
                <TreatWarningsAsErrors>true</TreatWarningsAsErrors>
                <AnalysisLevel>latest-recommended</AnalysisLevel>
              </PropertyGroup>
            </Project>
            """));
        var hive = Path.Combine(folder, "hive");
        await Run(folder, "new", "install", feed.Packages["AdaptiveSoftmax.Templates"], "--debug:custom-hive", hive);
        foreach (var kind in new[] { "console", "classlib", "server" })
        {
            var created = await Run(folder, "new", $"adaptive-softmax-{kind}", "--output", $"My.{kind}", "--debug:custom-hive", hive);
            Assert.True(File.Exists(Path.Combine(folder, $"My.{kind}/My.{kind}.csproj")), created);
            await Run(folder, "build", $"My.{kind}");
        }

        var lines = (await Run(folder, "run", "--no-build", "--project", "My.console")).Trim().Split('\n');
        var losses = lines.Where(line => line.StartsWith("step ", StringComparison.Ordinal)).Select(line => double.Parse(line[(line.LastIndexOf(' ') + 1)..], CultureInfo.CurrentCulture)).ToArray();
        Assert.Equal(6, losses.Length);
        // 19 equally likely words cost ln 19 = 2.94; some words of the text are followed by several.
        Assert.InRange(losses[0], 2.5, 3.5);
        Assert.InRange(losses[^1], 0, 0.8);
        Assert.Contains(lines, line => line.StartsWith("boat sails", StringComparison.Ordinal));

        await Asks(Path.Combine(folder, "My.server/bin/Debug/net10.0/My.server.dll"), folder);
    }

    // The version that templates ask for is the one that they are packed with.
    [Fact]
    public void VersionOfThePackage_IsTheTemplatesDefault()
    {
        foreach (var file in Directory.GetFiles(Path.Combine(PackedFeed.Root, "src/AdaptiveSoftmax.Templates/content"), "template.json", SearchOption.AllDirectories))
        {
            using var template = JsonDocument.Parse(File.ReadAllText(file));
            Assert.Equal(feed.Version, template.RootElement.GetProperty("symbols").GetProperty("package-version").GetProperty("defaultValue").GetString());
        }
    }

    private static async Task Asks(string program, string folder)
    {
        var cancellation = TestContext.Current.CancellationToken;
        using var server = Process.Start(new ProcessStartInfo(Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") ?? "dotnet", [program, "--urls", "http://127.0.0.1:0"]) { RedirectStandardOutput = true, WorkingDirectory = folder })!;
        try
        {
            var log = "";
            while (!Address.IsMatch(log)) log += await server.StandardOutput.ReadLineAsync(cancellation) + "\n";
            using var client = new HttpClient { BaseAddress = new Uri(Address.Match(log).Value) };
            var next = await client.GetFromJsonAsync<JsonElement>(new Uri("next/boat?count=2", UriKind.Relative), cancellation);
            Assert.Equal(2, next.GetArrayLength());
            Assert.Equal("sails", next[0].GetProperty("word").GetString());
            var unknown = await client.GetAsync(new Uri("next/whale", UriKind.Relative), cancellation);
            Assert.Equal(System.Net.HttpStatusCode.NotFound, unknown.StatusCode);
            Assert.Contains("'whale' is not in the vocabulary of 19 words", await unknown.Content.ReadAsStringAsync(cancellation), StringComparison.Ordinal);
        }
        finally
        {
            server.Kill();
        }
    }

    private static async Task<string> Run(string folder, params string[] arguments)
    {
        var (exitCode, output) = await DotNet.RunAsync(folder, arguments);
        Assert.True(exitCode == 0, output);
        return output;
    }

    [GeneratedRegex(@"http://127\.0\.0\.1:\d+")]
    private static partial Regex Address { get; }
}
