using System.Collections.Immutable;
using System.Text.RegularExpressions;
using Microsoft.CodeAnalysis;

namespace AdaptiveSoftmax.Generators.Tests;

/// <summary>The first programs on the packages' own pages compile against what the packages have.</summary>
public sealed partial class PackagePagesTests
{
    private static readonly ImmutableArray<MetadataReference> s_references =
    [
        .. GeneratorRun.GpuReferences,
        .. GeneratorRun.ChatReferences,
        .. new[] { typeof(Corpus.WordCounter), typeof(Distributed.DataParallel), typeof(Plots.ReportPlots), typeof(global::AdaptiveSoftmax.TorchSharp.AdaptiveLogSoftmaxWithLoss), typeof(global::TorchSharp.torch) }
            .Select(type => MetadataReference.CreateFromFile(type.Assembly.Location)),
    ];

    public static TheoryData<string> Packages { get; } = ["Vocabulary", "Corpus", "Gpu", "TorchSharp", "Distributed", "Plots", "Extensions.AI"];

    [Theory]
    [MemberData(nameof(Packages))]
    public void TheProgramOfThePage_Compiles(string package)
    {
        var program = new MarkdownPage($"src/AdaptiveSoftmax.{package}/README.md").Block("csharp");
        var usings = UsingLine.Matches(program).Select(match => match.Value).ToArray();
        var declaration = program.IndexOf("[AdaptiveSoftmax(", StringComparison.Ordinal);
        if (declaration < 0) declaration = program.Length;
        new GeneratorRun(
            $$"""
            #pragma warning disable CS1591
            using System;
            {{string.Join('\n', usings)}}

            public static class Program
            {
                public static {{(program.Contains("await ", StringComparison.Ordinal) ? "async System.Threading.Tasks.Task" : "void")}} Run()
                {
                    Console.Out.Flush(); // a page without output would not need the first using
                    {{UsingLine.Replace(program[..declaration], "")}}
                }
            }

            {{program[declaration..]}}
            """,
            new TestFile("/project/news.softmax.json", """{ "hiddenSize": 8, "vocabulary": ["a", "b", "c", "d", "e"], "cutoffs": [2], "divValue": 2 }""")).WithReferences(s_references).Emit();
    }

    [Fact]
    public void Page_NamesEveryCommandOfTheTool()
    {
        var page = new MarkdownPage("src/AdaptiveSoftmax.Tool/README.md").Text;
        var commands = Directory.GetFiles(Path.Combine(MarkdownPage.Root, "src/AdaptiveSoftmax.Tool/Commands"), "*Command.cs", SearchOption.AllDirectories)
            .Select(file => CommandName.Match(File.ReadAllText(file))).Where(match => match.Success).Select(match => match.Groups[1].Value).ToArray();
        Assert.True(commands.Length >= 11, string.Join(' ', commands));
        Assert.All(commands.Except(["merge", "import"]), command => Assert.Contains($"`{command}`", page, StringComparison.Ordinal));
    }

    [GeneratedRegex(@"^using (static )?[\w.]+;", RegexOptions.Multiline)]
    private static partial Regex UsingLine { get; }

    [GeneratedRegex("const string Name = \"([a-z]+)\"")]
    private static partial Regex CommandName { get; }
}
