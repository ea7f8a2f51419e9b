using System.Collections.Immutable;
using AdaptiveSoftmax.Generators.CodeFixes;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CodeActions;
using Microsoft.CodeAnalysis.CodeFixes;
using Microsoft.CodeAnalysis.Diagnostics;

namespace AdaptiveSoftmax.Generators.Tests;

/// <summary>What the quick actions make of a program, and that it then has no fault left.</summary>
public sealed class CodeFixTests
{
    private const string Spec = """{ "hiddenSize": 16, "vocabulary": ["a", "b"], "cutoffs": [1] }""";

    [Theory]
    [InlineData(
        "[AdaptiveSoftmax(\"x.softmax.json\")]\npublic sealed class X;",
        "[AdaptiveSoftmax(\"x.softmax.json\")]\npublic sealed partial class X;")]
    [InlineData(
        "[AdaptiveSoftmax(\"x.softmax.json\")]\n// A comment.\nclass X\n{\n}",
        "[AdaptiveSoftmax(\"x.softmax.json\")]\n// A comment.\npartial class X\n{\n}")]
    [InlineData(
        "/// <summary>Types.</summary>\nstruct Outer<T>\n{\n    [AdaptiveSoftmax(\"x.softmax.json\")]\n    private sealed partial class X;\n}",
        "/// <summary>Types.</summary>\npartial struct Outer<T>\n{\n    [AdaptiveSoftmax(\"x.softmax.json\")]\n    private sealed partial class X;\n}")]
    [InlineData(
        "public abstract record Outer\n{\n    [AdaptiveSoftmax(\"x.softmax.json\")]\n    internal partial class X;\n}",
        "public abstract partial record Outer\n{\n    [AdaptiveSoftmax(\"x.softmax.json\")]\n    internal partial class X;\n}")]
    public async Task MakePartial_AddsTheModifierAndNothingElse(string before, string after)
    {
        var document = Create("using AdaptiveSoftmax;\n\n" + before, new TestFile("/project/x.softmax.json", Spec));
        var (_, solution) = await ApplyAsync(document, new MakePartialCodeFix());
        var text = await solution.GetDocument(document.Id)!.GetTextAsync(TestContext.Current.CancellationToken);
        Assert.Equal("using AdaptiveSoftmax;\n\n" + after, text.ToString());
        Assert.Empty(await AnalyzeAsync(solution.GetDocument(document.Id)!));
    }

    [Fact]
    public async Task AddSpec_CreatesACompleteSpecWhereThereIsNoFile()
    {
        var document = Create("[AdaptiveSoftmax.AdaptiveSoftmax(\"news.softmax.json\")]\npublic sealed partial class X;");
        var (title, solution) = await ApplyAsync(document, new AddSpecCodeFix());
        Assert.Equal("Create 'news.softmax.json' among the AdditionalFiles", title);
        var added = Assert.Single(solution.GetProject(document.Project.Id)!.AdditionalDocuments);
        Assert.Equal("news.softmax.json", added.Name);
        var text = await added.GetTextAsync(TestContext.Current.CancellationToken);
        var run = new GeneratorRun("[AdaptiveSoftmax.AdaptiveSoftmax(\"news.softmax.json\")]\ninternal sealed partial class X;", new TestFile(added.FilePath!, text.ToString()));
        run.Emit();
    }

    [Fact]
    public async Task AddSpec_AddsTheFileBesideTheClass()
    {
        var folder = Directory.CreateTempSubdirectory("spec");
        try
        {
            var path = Path.Combine(folder.FullName, "news.softmax.json");
            await File.WriteAllTextAsync(path, Spec, TestContext.Current.CancellationToken);
            var document = Create("[AdaptiveSoftmax.AdaptiveSoftmax(\"news.softmax.json\")]\npublic sealed partial class X;", folder.FullName);
            var (title, solution) = await ApplyAsync(document, new AddSpecCodeFix());
            Assert.Equal("Add 'news.softmax.json' to the AdditionalFiles", title);
            var added = Assert.Single(solution.GetProject(document.Project.Id)!.AdditionalDocuments);
            Assert.Equal(path, added.FilePath);
            Assert.Equal(Spec, (await added.GetTextAsync(TestContext.Current.CancellationToken)).ToString());
            Assert.Empty(await AnalyzeAsync(solution.GetDocument(document.Id)!));
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [Fact]
    public async Task AddSpec_OffersNothingForANameThatNoSpecHas()
    {
        var document = Create("[AdaptiveSoftmax.AdaptiveSoftmax(\"news.json\")]\npublic sealed partial class X;");
        Assert.Empty(await OfferAsync(document, new AddSpecCodeFix()));
    }

    private static Document Create(string source, params TestFile[] files) => Create(source, "/project", files);

    private static Document Create(string source, string folder, params TestFile[] files)
    {
        var workspace = new AdhocWorkspace();
        var project = workspace.AddProject(ProjectInfo.Create(
            ProjectId.CreateNewId(), VersionStamp.Default, "Project", "Project", LanguageNames.CSharp,
            compilationOptions: GeneratorRun.Options, parseOptions: GeneratorRun.ParseOptions, metadataReferences: GeneratorRun.References));
        foreach (var file in files) project = project.AddAdditionalDocument(Path.GetFileName(file.Path), file.GetText(), filePath: file.Path).Project;
        return project.AddDocument("Program.cs", source, filePath: Path.Combine(folder, "Program.cs"));
    }

    private static async Task<ImmutableArray<Diagnostic>> AnalyzeAsync(Document document)
    {
        var compilation = await document.Project.GetCompilationAsync(TestContext.Current.CancellationToken);
        return await compilation!
            .WithAnalyzers([new AdaptiveSoftmaxAnalyzer()], document.Project.AnalyzerOptions)
            .GetAnalyzerDiagnosticsAsync(TestContext.Current.CancellationToken);
    }

    private static async Task<List<CodeAction>> OfferAsync(Document document, CodeFixProvider provider)
    {
        var actions = new List<CodeAction>();
        var diagnostic = Assert.Single(await AnalyzeAsync(document));
        // The error itself is the generator's; a double that is not hidden would be seen twice.
        Assert.Equal(DiagnosticSeverity.Hidden, diagnostic.Severity);
        if (provider.FixableDiagnosticIds.Contains(diagnostic.Id))
            await provider.RegisterCodeFixesAsync(new CodeFixContext(document, diagnostic, (action, _) => actions.Add(action), TestContext.Current.CancellationToken));
        return actions;
    }

    private static async Task<(string Title, Solution Solution)> ApplyAsync(Document document, CodeFixProvider provider)
    {
        var action = Assert.Single(await OfferAsync(document, provider));
        var operation = Assert.IsType<ApplyChangesOperation>(Assert.Single(await action.GetOperationsAsync(TestContext.Current.CancellationToken)));
        return (action.Title, operation.ChangedSolution);
    }
}
