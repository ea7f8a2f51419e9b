using System.Text.RegularExpressions;
using AdaptiveSoftmax.Testing;

namespace AdaptiveSoftmax.Package.Tests;

/// <summary>
/// A table of consumers: projects as users have them, a row each, which know the packages alone and run what they built.
/// Those that fetch a runtime or a compiler, or take minutes, come at night.
/// </summary>
[MoreAtNight]
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

    private static readonly string[] s_usual = ["program of the README", "central package management", "library, and an app without the generator", "adaptive-softmax init"];

    private static readonly string[] s_atNight = ["file-based app", "single file", "self-contained single file", "trimmed", "NativeAOT", "file-based app, NativeAOT", "what docs/limits.md measures"];

    public static TheoryData<string> Rows { get; } = [.. s_usual, .. Nightly.IsOn ? s_atNight : []];

    [Theory]
    [MemberData(nameof(Rows))]
    public async Task Consumer_BuildsAndRuns(string row) => await (row switch
    {
        "program of the README" => ReadmeAsync(),
        "central package management" => CentralVersionsAsync(),
        "library, and an app without the generator" => LibraryAsync(),
        "adaptive-softmax init" => InitAsync(),
        "file-based app" => FileBasedAsync(),
        "single file" => PublishedAsync("SingleFile", "<PublishSingleFile>true</PublishSingleFile><SelfContained>false</SelfContained>"),
        "self-contained single file" => PublishedAsync("Contained", "<PublishSingleFile>true</PublishSingleFile><SelfContained>true</SelfContained>"),
        "trimmed" => PublishedAsync("Trimmed", "<PublishTrimmed>true</PublishTrimmed><PublishSingleFile>true</PublishSingleFile>"),
        "NativeAOT" => PublishedAsync("Native", "<PublishAot>true</PublishAot>"),
        "file-based app, NativeAOT" => PublishedFileAsync(),
        "what docs/limits.md measures" => LimitsAsync(),
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

    private static async Task LimitsAsync()
    {
        var (exitCode, text) = await DotNet.RunProgramAsync("bash", PackedFeed.Root, "eng/limits.sh", "3000", "16");
        Assert.True(exitCode == 0, text);
        var page = await File.ReadAllTextAsync(Path.Combine(PackedFeed.Root, "docs/limits.md"), TestContext.Current.CancellationToken);
        var steps = Steps(text);
        Assert.True(steps.Length > 10, text);
        Assert.Equal(Steps(page), steps);

        // Of the first table.
        static string[] Steps(string text) => [.. text[text.IndexOf("| step |", StringComparison.Ordinal)..].Split('\n').Skip(2).TakeWhile(line => line.StartsWith('|')).Select(line => line.Split('|')[1].Trim())];
    }

    private async Task FileBasedAsync()
    {
        var folder = feed.CreateFolder("FileBased", ("app.cs", FileBased("#:property PublishAot=false\n")), ("news.softmax.json", Spec));
        Assert.Equal(Expected, (await RunAsync(folder, "run", "app.cs")).Trim());
    }

    private async Task PublishedFileAsync()
    {
        var folder = feed.CreateFolder("FileBasedNative", (PackedFeed.ConfigurationFile, PackedFeed.ConfigurationWithOthers), ("app.cs", FileBased("")), ("news.softmax.json", Spec));
        await PublishAsync(folder, "app.cs");
        await RunPublishedAsync(folder, "app");
    }

    private string FileBased(string properties) => $"#:package AdaptiveSoftmax@{feed.Version}\n#:property RestorePackagesPath=../packages\n{properties}{Program}{Class}";

    // A trimmer or compiler that warns has seen something that would not work.
    private async Task PublishedAsync(string name, string properties)
    {
        var folder = feed.CreateFolder(
            name,
            (PackedFeed.ConfigurationFile, PackedFeed.ConfigurationWithOthers),
            ($"{name}.csproj", feed.Project("Microsoft.NET.Sdk", $"<UseCurrentRuntimeIdentifier>true</UseCurrentRuntimeIdentifier><TreatWarningsAsErrors>true</TreatWarningsAsErrors>{properties}")),
            ("Program.cs", Program + Class),
            ("news.softmax.json", Spec));
        await PublishAsync(folder, $"{name}.csproj");
        await RunPublishedAsync(folder, name);
    }

    private static async Task PublishAsync(string folder, string project)
    {
        var (exitCode, output) = await DotNet.RunAsync(folder, "publish", project, "--output", "out");
        // Runtimes and compilers are packages of their own, which a machine without a network does not have.
        var missing = output.Split('\n').FirstOrDefault(line => Regex.IsMatch(line, "error NU1(101|102|301)") && !line.Contains("AdaptiveSoftmax", StringComparison.Ordinal));
        Assert.SkipWhen(exitCode != 0 && missing is not null, $"A package of the SDK cannot be fetched: {missing}");
        Assert.True(exitCode == 0, output);
    }

    private static async Task RunPublishedAsync(string folder, string name)
    {
        var (exitCode, output) = await DotNet.RunProgramAsync(Path.Combine(folder, "out", OperatingSystem.IsWindows() ? name + ".exe" : name), folder);
        Assert.True(exitCode == 0, output);
        Assert.Equal(Expected, output.Trim());
    }

    private static async Task<string> RunAsync(string folder, params string[] arguments)
    {
        var (exitCode, output) = await DotNet.RunAsync(folder, arguments);
        Assert.True(exitCode == 0, output);
        return output;
    }
}
