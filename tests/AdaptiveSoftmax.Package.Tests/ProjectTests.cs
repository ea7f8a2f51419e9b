namespace AdaptiveSoftmax.Package.Tests;

/// <summary>Projects of other kinds than a plain program in C#, and what lies in their folders.</summary>
public sealed class ProjectTests(PackedFeed feed)
{
    private const string Spec = """{ "hiddenSize": 16, "vocabulary": ["a", "b", "c", "d"], "cutoffs": [1, 2], "projections": [4, 4] }""";

    private const string Program = """
        using AdaptiveSoftmax;

        System.Console.WriteLine(News.VocabularySize);

        [AdaptiveSoftmax("news.softmax.json")]
        internal sealed partial class News;
        """;

    [Fact]
    public async Task CopiesOfASpec_InOutputsHiddenAndNestedProjects_AreNotLookedInto()
    {
        var copy = Spec.Replace(", \"d\"", "", StringComparison.Ordinal);
        var folder = feed.CreateFolder(
            "Web",
            ("Web.csproj", feed.Project("Microsoft.NET.Sdk.Web", items: """<Compile Remove="Nested/**;.hidden/**" />""")),
            ("Program.cs", Program),
            ("Specs/news.softmax.json", Spec),
            (".hidden/Specs/news.softmax.json", copy),
            ("Nested/Nested.csproj", "<Project Sdk=\"Microsoft.NET.Sdk\" />"),
            ("Nested/Specs/news.softmax.json", copy));
        var (exitCode, output) = await DotNet.RunAsync(folder, "publish", "Web.csproj", "--output", "out");
        Assert.True(exitCode == 0, output);
        Assert.True(File.Exists(Path.Combine(folder, "out/Specs/news.softmax.json")), output);

        // An edit makes the published copy another spec.
        await File.WriteAllTextAsync(Path.Combine(folder, "Specs/news.softmax.json"), Spec.Replace("\"d\"", "\"d\", \"e\"", StringComparison.Ordinal), TestContext.Current.CancellationToken);
        (exitCode, output) = await DotNet.RunAsync(folder, "run", "--project", "Web.csproj");
        Assert.True(exitCode == 0, output);
        Assert.Equal("5", output.Trim());
    }

    [Fact]
    public async Task BrokenSpecThatNoClassNames_IsAWarning_AndBuildsWithoutAnalyzersReportFaults()
    {
        var folder = feed.CreateFolder(
            "Spare",
            ("Spare.csproj", feed.Project("Microsoft.NET.Sdk", "<RunAnalyzersDuringBuild>false</RunAnalyzersDuringBuild>")),
            ("Program.cs", Program),
            ("news.softmax.json", Spec),
            ("spare.softmax.json", """{ "hiddenSize": 0 }"""));
        var (exitCode, output) = await DotNet.RunAsync(folder, "build");
        Assert.True(exitCode == 0, output);
        Assert.Contains("spare.softmax.json(1,1): warning ASMX2018: ", output, StringComparison.Ordinal);

        await File.WriteAllTextAsync(Path.Combine(folder, "news.softmax.json"), Spec.Replace("[1, 2]", "[1, 4]", StringComparison.Ordinal), TestContext.Current.CancellationToken);
        (exitCode, output) = await DotNet.RunAsync(folder, "build", "--no-restore", "-consoleLoggerParameters:NoSummary;ErrorsOnly");
        Assert.Equal(1, exitCode);
        var error = Assert.Single(output.Split('\n'), line => line.Contains("error", StringComparison.Ordinal));
        Assert.Contains("news.softmax.json(1,72): error ASMX2012: ", error, StringComparison.Ordinal);

        // The link leads to a page that came with the package.
        var start = error.IndexOf("(file://", StringComparison.Ordinal) + 1;
        Assert.True(File.Exists(new Uri(error[start..error.IndexOf(')', start)]).LocalPath), error);
    }

    [Fact]
    public async Task ProgramOfOneFile_HasWhatLiesBesideIt()
    {
        var folder = feed.CreateFolder(
            "Scripts",
            ("app.cs", $"#:package AdaptiveSoftmax@{feed.Version}\n#:property RestorePackagesPath=../packages\n#:property PublishAot=false\n{Program}"),
            ("news.softmax.json", Spec),
            ("other/news.softmax.json", "{"),
            ("other/deep/broken.softmax.json", "{"));
        var (exitCode, output) = await DotNet.RunAsync(folder, "run", "app.cs");
        Assert.True(exitCode == 0, output);
        Assert.Equal("4", output.Trim());
    }

    [Theory]
    [InlineData("fsproj", "Program.fs", "[<AdaptiveSoftmax.AdaptiveSoftmax(\"news.softmax.json\")>]\ntype News() = class end\nmodule Program =\n    [<EntryPoint>]\n    let main _ = 0\n", "F#")]
    [InlineData("vbproj", "Program.vb", "<AdaptiveSoftmax.AdaptiveSoftmax(\"news.softmax.json\")>\nPartial Class News\nEnd Class\nModule Program\n    Sub Main()\n    End Sub\nEnd Module\n", "VB")]
    public async Task OtherLanguage_IsToldThatNothingIsGenerated(string kind, string file, string text, string language)
    {
        var folder = feed.CreateFolder(
            kind,
            ($"Words.{kind}", feed.Project("Microsoft.NET.Sdk", items: kind == "fsproj" ? $"<Compile Include=\"{file}\" />" : "")),
            (file, text),
            ("news.softmax.json", Spec));
        var (exitCode, output) = await DotNet.RunAsync(folder, "build");
        Assert.True(exitCode == 0, output);
        Assert.Contains($"warning ASMX4001: Nothing is generated from news.softmax.json in a project of {language}.", output, StringComparison.Ordinal);

        File.Delete(Path.Combine(folder, "news.softmax.json"));
        (exitCode, output) = await DotNet.RunAsync(folder, "build", "--no-restore");
        Assert.True(exitCode == 0, output);
        Assert.DoesNotContain("ASMX4001", output, StringComparison.Ordinal);
        Assert.Contains("Words: AdaptiveSoftmax generates C# only", output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("net8.0")]
    [InlineData("net9.0")]
    public async Task OlderFramework_IsRefusedWhileRestoring(string framework)
    {
        var folder = feed.CreateFolder(
            framework,
            ("Old.csproj", feed.Project("Microsoft.NET.Sdk", $"<TargetFramework>{framework}</TargetFramework><DisableImplicitFrameworkReferences>true</DisableImplicitFrameworkReferences><UseAppHost>false</UseAppHost>")));
        var (exitCode, output) = await DotNet.RunAsync(folder, "restore");
        Assert.Equal(1, exitCode);
        Assert.Contains("NU1202: Package AdaptiveSoftmax ", output, StringComparison.Ordinal);
    }
}
