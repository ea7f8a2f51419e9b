using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tool.Tests.Commands;

/// <summary>A spec and a class in a project that is there. That they build, a test of the packages shows.</summary>
public sealed class InitCommandTests
{
    private const string Project = "<Project Sdk=\"Microsoft.NET.Sdk\"><PropertyGroup><TargetFramework>net10.0</TargetFramework></PropertyGroup></Project>";

    [Fact]
    public async Task SpecAndClass_StandInTheProject_AndNothingIsWrittenOver()
    {
        using var run = new ToolRun();
        run.Write("src/My.News-App.csproj", Project);
        Assert.Equal(0, await run.RunAsync("init", "NewsWords", "--project", run.Path("src"), "--hidden-size", "32"));
        Assert.Equal(["src/My.News-App.csproj", "src/NewsWords.cs", "src/newsWords.softmax.json"], run.Files.Select(file => file.Replace('\\', '/')));
        var source = File.ReadAllText(run.Path("src/NewsWords.cs"));
        Assert.Contains("namespace My.News_App;", source, StringComparison.Ordinal);
        Assert.Contains("[AdaptiveSoftmax(\"newsWords.softmax.json\")]\npublic sealed partial class NewsWords;", source, StringComparison.Ordinal);
        var spec = File.ReadAllText(run.Path("src/newsWords.softmax.json"));
        Assert.Equal(32, SoftmaxDefinitionReader.Read("newsWords.softmax.json", spec).Definition!.Layout.HiddenSize);
        Assert.Contains("dotnet add", run.Output, StringComparison.Ordinal);
        Assert.Matches(@"package AdaptiveSoftmax --version \d+\.\d+\.\d+\s", run.Output);

        File.Delete(run.Path("src/newsWords.softmax.json"));
        Assert.Equal(1, await run.RunAsync("init", "NewsWords", "--project", run.Path("src/My.News-App.csproj")));
        Assert.Contains("NewsWords.cs is there already, and nothing was written", run.Error, StringComparison.Ordinal);
        Assert.Equal(source, File.ReadAllText(run.Path("src/NewsWords.cs")));
        Assert.Equal(2, run.Files.Count());
    }

    [Theory]
    [InlineData("<RootNamespace>Other.Space</RootNamespace>", "Other.Space")]
    [InlineData("<RootNamespace>$(MSBuildProjectName).Web</RootNamespace>", "_1st")]
    [InlineData("", "_1st")]
    public async Task Namespace_IsTheProjects(string property, string expected)
    {
        using var run = new ToolRun();
        run.Write("1st.csproj", Project.Replace("<PropertyGroup>", "<PropertyGroup>" + property, StringComparison.Ordinal).Replace("</Project>", "<ItemGroup><PackageReference Include=\"AdaptiveSoftmax\" /></ItemGroup></Project>", StringComparison.Ordinal));
        Assert.Equal(0, await run.RunAsync("init", "Words", "--project", run.Folder));
        Assert.Contains($"namespace {expected};", File.ReadAllText(run.Path("Words.cs")), StringComparison.Ordinal);
        Assert.DoesNotContain("dotnet add", run.Output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("namespace.event.csproj", "", "@namespace.@event")]
    [InlineData("App.csproj", "<RootNamespace>Foo.class.2x</RootNamespace>", "Foo.@class._2x")]
    [InlineData("App.csproj", "<RootNamespace>Foo.record.classes</RootNamespace>", "Foo.record.classes")]
    [InlineData(".csproj", "<RootNamespace>News</RootNamespace>", "News")]
    public async Task Keywords_InANamespace_AreNames(string file, string property, string expected)
    {
        using var run = new ToolRun();
        run.Write(file, Project.Replace("<PropertyGroup>", "<PropertyGroup>" + property, StringComparison.Ordinal));
        Assert.Equal(0, await run.RunAsync("init", "Words", "--project", run.Path(file)));
        Assert.Contains($"namespace {expected};", File.ReadAllText(run.Path("Words.cs")), StringComparison.Ordinal);
    }

    [Fact]
    public async Task APathWithSpaces_IsOneArgumentOfTheCommandsToRun()
    {
        using var run = new ToolRun();
        var project = run.Write("My App 2.csproj", Project);
        run.Write("b c/x.csproj", Project);
        Assert.Equal(0, await run.RunAsync("init", "Words", "--project", run.Folder));
        Assert.Contains($"  dotnet add \"{project}\" package AdaptiveSoftmax --version ", run.Output, StringComparison.Ordinal);
        Assert.Contains($" --output {run.Path("words.softmax.json")}", run.Output, StringComparison.Ordinal);
        Assert.Equal(0, await run.RunAsync("init", "Words", "--project", run.Path("b c")));
        Assert.Contains($" --output \"{run.Path("b c")}{Path.DirectorySeparatorChar}words.softmax.json\"", run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task WhatIsNoProject_IsSaid()
    {
        using var run = new ToolRun();
        await Refused("has no *.csproj", "init", "Words", "--project", run.Folder);
        await Refused("it must be 4 or more", "init", "Words", "--hidden-size", "3");
        await Refused("'2nd' is no name of a class", "init", "2nd");
        await Refused("'a/b' is no name of a class", "init", "a/b");
        foreach (var keyword in new[] { "class", "string", "record", "file", "__arglist" }) await Refused($"'{keyword}' is a keyword of C#", "init", keyword);
        await Refused("'words' has small letters alone, as C# keeps them for keywords: the compiler warns of such a class (CS8981); give Words.", "init", "words");
        await Refused("--hidden-size is 2000000; it must be 1048576 or less.", "init", "Words", "--hidden-size", "2000000");
        await Refused("missing.csproj", "init", "Words", "--project", run.Path("missing.csproj"));
        run.Write("a.fsproj", Project);
        await Refused("is no project in C#", "init", "Words", "--project", run.Path("a.fsproj"));
        run.Write("a.csproj", "<Project");
        await Refused("is no project: ", "init", "Words", "--project", run.Folder);
        run.Write("b.csproj", Project);
        await Refused("has 2 projects (a.csproj, b.csproj)", "init", "Words", "--project", run.Folder);
        Assert.Equal(["a.csproj", "a.fsproj", "b.csproj"], run.Files);
        run.Write("none/.csproj", Project);
        await Refused("Put a <RootNamespace> into it", "init", "Words", "--project", run.Path("none"));
        run.Write("dots/a.csproj", Project.Replace("<PropertyGroup>", "<PropertyGroup><RootNamespace>..</RootNamespace>", StringComparison.Ordinal));
        await Refused("\"..\" is left for one. Put a <RootNamespace> into it", "init", "Words", "--project", run.Path("dots"));

        async Task Refused(string message, params string[] arguments)
        {
            Assert.Equal(1, await run.RunAsync(arguments));
            Assert.Contains(message, run.Error, StringComparison.Ordinal);
        }
    }
}
