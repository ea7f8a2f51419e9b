using System.Text.RegularExpressions;

namespace AdaptiveSoftmax.Package.Tests;

/// <summary>
/// A table of consumers: projects as users have them, a row each, which know the packages alone and run what they built.
/// </summary>
public sealed class ConsumerTests(PackedFeed feed)
{
    private const string Spec = """{ "hiddenSize": 16, "vocabulary": ["a", "b", "c", "d"], "cutoffs": [1, 2], "projections": [4, 4] }""";

    private const string Program = """
        using AdaptiveSoftmax;

        using var softmax = News.Create(seed: 7);
        using var optimizer = new Sgd(learningRate: 1);
        var hidden = new float[2 * News.HiddenSize];
        for (var i = 0; i < hidden.Length; i++) hidden[i] = MathF.Sin(i);
        var gradient = new float[hidden.Length];
        for (var i = 0; i < 100; i++)
        {
            softmax.Backward(hidden, [3, 1], gradient);
            optimizer.Step(softmax);
        }

        softmax.Save("news.safetensors");
        using var loaded = News.Load("news.safetensors");
        Console.WriteLine($"{News.Vocabulary.TryGetSlot("c", out var slot)} {slot.Slot} {loaded.Predict(hidden.AsSpan(0, News.HiddenSize))} {loaded.Predict(hidden.AsSpan(News.HiddenSize))}");

        """;

    private const string Class = "[AdaptiveSoftmax(\"news.softmax.json\")]\npublic sealed partial class News;\n";

    private const string Expected = "True 2 3 1";

    public static TheoryData<string> Rows { get; } = ["program of the README", "central package management", "library, and an app without the generator", "adaptive-softmax init"];

    [Theory]
    [MemberData(nameof(Rows))]
    public async Task Consumer_BuildsAndRuns(string row) => await (row switch
    {
        "program of the README" => ReadmeAsync(),
        "central package management" => CentralVersionsAsync(),
        "library, and an app without the generator" => LibraryAsync(),
        "adaptive-softmax init" => InitAsync(),
        _ => throw new ArgumentException($"There is no row '{row}'.", nameof(row)),
    });

    private async Task ReadmeAsync()
    {
        var page = await File.ReadAllTextAsync(Path.Combine(PackedFeed.Root, "README.md"), TestContext.Current.CancellationToken);
        var folder = feed.CreateFolder("Readme", ("Readme.csproj", feed.Project("Microsoft.NET.Sdk")), ("Program.cs", Block("csharp")), ("news.softmax.json", Block("json")));
        var lines = (await RunAsync(folder, "run")).Trim().Split('\n');
        Assert.Equal(6, lines.Length);
        Assert.All(lines[..5], line => Assert.Matches(@"^step \d+: loss \d", line));
        Assert.Equal("river", lines[5].Trim());

        string Block(string language) => Regex.Match(page, $"^```{language}\n(.*?)```", RegexOptions.Singleline | RegexOptions.Multiline).Groups[1].Value;
    }

    private async Task CentralVersionsAsync()
    {
        var project = feed.Project("Microsoft.NET.Sdk").Replace($" Version=\"{feed.Version}\"", "", StringComparison.Ordinal);
        Assert.DoesNotContain(feed.Version, project, StringComparison.Ordinal);
        var folder = feed.CreateFolder(
            "Central",
            ("Central.csproj", project),
            ("Directory.Packages.props", $"""
                <Project>
                  <PropertyGroup><ManagePackageVersionsCentrally>true</ManagePackageVersionsCentrally><CentralPackageTransitivePinningEnabled>true</CentralPackageTransitivePinningEnabled></PropertyGroup>
                  <ItemGroup><PackageVersion Include="AdaptiveSoftmax" Version="{feed.Version}" /></ItemGroup>
                </Project>
                """),
            ("Program.cs", Program + Class),
            ("news.softmax.json", Spec));
        Assert.Equal(Expected, (await RunAsync(folder, "run")).Trim());
    }

    // Tables and class are the library's; the app has neither specs nor the generator's work.
    private async Task LibraryAsync()
    {
        var library = feed.Project("Microsoft.NET.Sdk").Replace("<OutputType>Exe</OutputType>", "", StringComparison.Ordinal).Replace("../packages", "../../packages", StringComparison.Ordinal);
        var folder = feed.CreateFolder(
            "Layers",
            ("Lib/Lib.csproj", library),
            ("Lib/News.cs", "using AdaptiveSoftmax;\n\n" + Class),
            ("Lib/news.softmax.json", Spec),
            ("App/App.csproj", $"""
                <Project Sdk="Microsoft.NET.Sdk">
                  <PropertyGroup>
                    <TargetFramework>net10.0</TargetFramework>
                    <OutputType>Exe</OutputType>
                    <ImplicitUsings>enable</ImplicitUsings>
                    <RestorePackagesPath>../../packages</RestorePackagesPath>
                    <EmitCompilerGeneratedFiles>true</EmitCompilerGeneratedFiles>
                  </PropertyGroup>
                  <ItemGroup><ProjectReference Include="../Lib/Lib.csproj" /></ItemGroup>
                </Project>
                """),
            ("App/Program.cs", Program));
        Assert.Equal(Expected, (await RunAsync(folder, "run", "--project", "App")).Trim());
        Assert.Empty(Directory.GetFiles(Path.Combine(folder, "App/obj"), "News*.cs", SearchOption.AllDirectories));
    }

    private async Task InitAsync()
    {
        var folder = feed.CreateFolder(
            "Started",
            ("MyApp.csproj", feed.Project("Microsoft.NET.Sdk", "<TreatWarningsAsErrors>true</TreatWarningsAsErrors><AnalysisLevel>latest-recommended</AnalysisLevel>")),
            ("Program.cs", "Console.WriteLine($\"{MyApp.NewsWords.HiddenSize} {MyApp.NewsWords.Vocabulary.TryGetSlot(\"otter\", out var slot)} {slot.Cluster}\");\n"));
        var tool = Path.Combine(PackedFeed.Root, $"src/AdaptiveSoftmax.Tool/bin/{(PackedFeed.IsRelease ? "Release" : "Debug")}/net10.0/AdaptiveSoftmax.Tool.dll");
        var told = await RunAsync(folder, tool, "init", "NewsWords", "--hidden-size", "32");
        Assert.DoesNotContain("dotnet add", told, StringComparison.Ordinal);
        Assert.Equal("32 True 2", (await RunAsync(folder, "run")).Trim());
    }

    private static async Task<string> RunAsync(string folder, params string[] arguments)
    {
        var (exitCode, output) = await DotNet.RunAsync(folder, arguments);
        Assert.True(exitCode == 0, output);
        return output;
    }
}
