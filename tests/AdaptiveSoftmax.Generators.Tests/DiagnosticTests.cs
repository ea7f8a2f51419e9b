using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;
using AdaptiveSoftmax.Vocabulary;
using Microsoft.CodeAnalysis;

namespace AdaptiveSoftmax.Generators.Tests;

/// <summary>Each diagnostic has a page, a row among the releases, and a program that it is reported for.</summary>
public sealed partial class DiagnosticTests
{
    private static readonly string s_root = Path.GetFullPath("../..", Path.GetDirectoryName(ThisFile())!);

    public static TheoryData<string> Ids => [.. Descriptors.All.Select(descriptor => descriptor.Id).Union(DiagnosticCases.All.Keys)];

    [Theory]
    [MemberData(nameof(Ids))]
    public void Diagnostic_HasDescriptorPageReleaseRowAndCase(string id)
    {
        var descriptor = Assert.Single(Descriptors.All, candidate => candidate.Id == id);
        var page = File.ReadAllText(Path.Combine(s_root, $"docs/diagnostics/{id}.md"));
        Assert.StartsWith($"# {id}: {descriptor.Title}\n", page, StringComparison.Ordinal);
        var releases = string.Concat(Directory.GetFiles(Path.Combine(s_root, "generators/AdaptiveSoftmax.Generators"), "AnalyzerReleases.*.md").Select(File.ReadAllText));
        Assert.Contains($"\n{id} | {descriptor.Category} | {descriptor.DefaultSeverity} | {descriptor.Title}\n", releases, StringComparison.Ordinal);

        var (source, spec, table, message) = DiagnosticCases.All[id];
        var (markedSource, markedSpec, markedTable) = (Marked.Parse("using AdaptiveSoftmax;\n" + source), Marked.Parse(spec), table is null ? null : Marked.Parse(table));
        var folder = id == Descriptors.SpecAmbiguous.Id ? "/project/specs" : "/project";
        List<AdditionalText> files = [new TestFile($"{folder}/x.softmax.json", markedSpec.Text)];
        if (markedTable is not null) files.Add(new TestFile("/project/x.tokens", markedTable.Text));
        if (id == Descriptors.SpecAmbiguous.Id) files.Add(new TestFile("/project/other/x.softmax.json", markedSpec.Text));

        var share = id == Descriptors.StringHeapFull.Id ? 16 : TableForms.StringHeapShare;
        var run = id == Descriptors.LanguageTooOld.Id
            ? new GeneratorRun(markedSource.Text, "/project/Program.cs", Microsoft.CodeAnalysis.CSharp.LanguageVersion.CSharp7_3, [.. files])
            : new GeneratorRun(markedSource.Text, share, [.. files]);
        var reported = Assert.Single(run.Reported);
        Assert.Equal(id, reported.Id);
        Assert.Equal(descriptor.DefaultSeverity, reported.DefaultSeverity);
        // What leaves a class incomplete cannot be switched off.
        Assert.Equal(descriptor.DefaultSeverity == DiagnosticSeverity.Error, descriptor.CustomTags.Contains(WellKnownDiagnosticTags.NotConfigurable));
        Assert.Contains(message, reported.GetMessage(System.Globalization.CultureInfo.InvariantCulture), StringComparison.Ordinal);
        var (path, expected) =
            markedSource.Span is { } inSource ? ("/project/Program.cs", (markedSource, inSource)) :
            markedSpec.Span is { } inSpec ? ("/project/x.softmax.json", (markedSpec, inSpec)) :
            ("/project/x.tokens", (markedTable!, markedTable!.Span!.Value));
        var place = reported.Location.GetLineSpan();
        Assert.Equal(path, place.Path);
        Assert.Equal(expected.Item2, reported.Location.SourceSpan);
        Assert.Equal(Microsoft.CodeAnalysis.Text.SourceText.From(expected.Item1.Text).Lines.GetLinePositionSpan(expected.Item2), place.Span);
    }

    [Fact]
    public void EveryKindOfError_HasItsOwnDiagnostic()
    {
        var ids = Enum.GetValues<SpecErrorKind>().Select(kind => Descriptors.Of(kind).Id).ToArray();
        Assert.Equal(ids.Length, ids.Distinct().Count());
    }

    // Those of the build are said by the targets, which need no compiler.
    [Fact]
    public void Pages_AreOfDiagnosticsThatExist() => Assert.Equal(
        Descriptors.All.Select(descriptor => descriptor.Id)
            .Concat(CodeOfTargets.Matches(File.ReadAllText(Path.Combine(s_root, "src/AdaptiveSoftmax/build/AdaptiveSoftmax.targets"))).Select(match => match.Groups[1].Value))
            .Order(StringComparer.Ordinal),
        Directory.GetFiles(Path.Combine(s_root, "docs/diagnostics"), "ASMX*.md").Select(path => Path.GetFileNameWithoutExtension(path)).Order(StringComparer.Ordinal));

    [Theory]
    [InlineData("x.json", "ends in '.softmax.json'")]
    [InlineData("", "ends in '.softmax.json'")]
    [InlineData("words.softmax.json", "there are 'news.softmax.json'")]
    [InlineData("New.softmax.json", "did you mean 'news.softmax.json'?")]
    public void SpecNotFound_SaysWhatToDo(string name, string advice)
    {
        var run = new GeneratorRun(
            $"[AdaptiveSoftmax.AdaptiveSoftmax(\"{name}\")] public sealed partial class X;",
            new TestFile("/project/news.softmax.json", """{ "hiddenSize": 16, "vocabulary": ["a", "b"], "cutoffs": [1] }"""));
        var reported = Assert.Single(run.Reported);
        Assert.Equal("ASMX1010", reported.Id);
        Assert.Contains(advice, reported.GetMessage(System.Globalization.CultureInfo.InvariantCulture), StringComparison.Ordinal);
    }

    [Fact]
    public void SeveralFaults_AreAllReported()
    {
        var run = new GeneratorRun(
            "[AdaptiveSoftmax.AdaptiveSoftmax(\"x.softmax.json\")] public static class X<T>;",
            new TestFile("/project/x.softmax.json", """{ "hiddenSize": 0, "vocabulary": "x.tokens", "cutoffs": [9] }"""),
            new TestFile("/project/x.tokens", "0\t1\ta\n0\t1\tb\n"));
        Assert.Equal(["ASMX1001", "ASMX1004", "ASMX1007", "ASMX2007", "ASMX3004"], run.Reported.Select(diagnostic => diagnostic.Id).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void TableOfTwoSpecs_IsReportedOnce()
    {
        var run = new GeneratorRun(
            """
            [AdaptiveSoftmax.AdaptiveSoftmax("x.softmax.json")] public sealed partial class X;
            [AdaptiveSoftmax.AdaptiveSoftmax("y.softmax.json")] public sealed partial class Y;
            """,
            new TestFile("/project/x.softmax.json", """{ "hiddenSize": 16, "vocabulary": "t.tokens", "cutoffs": [1] }"""),
            new TestFile("/project/y.softmax.json", """{ "hiddenSize": 16, "vocabulary": "t.tokens", "cutoffs": [1] }"""),
            new TestFile("/project/t.tokens", "0\t1\ta\n0\t1\tb\n"));
        Assert.Equal("ASMX3004", Assert.Single(run.Reported).Id);
    }

    [Fact]
    public void FileThatNoClassNames_IsAWarningForEachFile()
    {
        var run = new GeneratorRun(
            """[AdaptiveSoftmax.AdaptiveSoftmax("good.softmax.json")] internal sealed partial class X;""",
            new TestFile("/project/good.softmax.json", """{ "hiddenSize": 16, "vocabulary": ["a", "b"], "cutoffs": [1] }"""),
            new TestFile("/project/y.softmax.json", """{ "hiddenSize": 0, "cutoffs": [] }"""),
            new TestFile("/project/z.softmax.json", """{ "hiddenSize": 16, "vocabulary": "t.tokens", "cutoffs": [1] }"""),
            new TestFile("/project/t.tokens", "0\t1\ta\n0\t1\tb\n"));
        Assert.All(run.Reported, diagnostic => Assert.Equal(("ASMX2018", DiagnosticSeverity.Warning), (diagnostic.Id, diagnostic.DefaultSeverity)));
        Assert.Equal(
            ["t.tokens", "y.softmax.json"],
            run.Reported.Select(diagnostic => Path.GetFileName(diagnostic.Location.GetLineSpan().Path)).Order(StringComparer.Ordinal));
        run.Emit("ASMX2018");
    }

    [Fact]
    public void FilesListedTwice_AreOneFile()
    {
        var spec = """{ "hiddenSize": 16, "vocabulary": "t.tokens", "cutoffs": [1] }""";
        var run = new GeneratorRun(
            "[AdaptiveSoftmax.AdaptiveSoftmax(\"x.softmax.json\")] internal sealed partial class X;",
            new TestFile("/project/x.softmax.json", spec),
            new TestFile("/project/folder/../x.softmax.json", spec),
            new TestFile("/project/t.tokens", "0\t1\ta\n1\t1\tb\n"),
            new TestFile("/project/t.tokens", "0\t1\ta\n1\t1\tb\n"));
        run.Emit();
        Assert.Equal(2, run.Sources.Count);
    }

    [Fact]
    public void TokensFileOfAnotherTool_IsNotRead()
    {
        var run = new GeneratorRun("", new TestFile("/project/Grammar.tokens", "T__0=1\nID=2\n"));
        Assert.Empty(run.Reported);
        Assert.Empty(run.ReasonsOf(TrackingNames.TableTexts));
    }

    [GeneratedRegex("Code=\"(ASMX[0-9]+)\"")]
    private static partial Regex CodeOfTargets { get; }

    private static string ThisFile([CallerFilePath] string file = "") => file;
}
