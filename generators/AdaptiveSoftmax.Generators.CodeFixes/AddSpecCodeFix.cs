using System.Collections.Immutable;
using System.Composition;
using System.Text;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CodeActions;
using Microsoft.CodeAnalysis.CodeFixes;
using Microsoft.CodeAnalysis.Text;

// A code fix runs in an editor when its user asks for it, not in a build.
#pragma warning disable RS1035

namespace AdaptiveSoftmax.Generators.CodeFixes;

/// <summary>
/// Adds a spec to the project's AdditionalFiles: the file that lies beside the class or the project, or a new one to
/// fill in where there is none.
/// </summary>
[ExportCodeFixProvider(LanguageNames.CSharp, Name = nameof(AddSpecCodeFix))]
[Shared]
public sealed class AddSpecCodeFix : CodeFixProvider
{
    /// <summary>A spec that is complete, small and easily changed.</summary>
    private const string NewSpec = """
        {
          "hiddenSize": 64,
          "vocabulary": ["a", "b", "c"],
          "cutoffs": [1]
        }

        """;

    /// <inheritdoc/>
    public override ImmutableArray<string> FixableDiagnosticIds { get; } = [Descriptors.SpecNotFound.Id];

    /// <summary>None: files are added one by one.</summary>
    public override FixAllProvider? GetFixAllProvider() => null;

    /// <inheritdoc/>
    public override Task RegisterCodeFixesAsync(CodeFixContext context)
    {
        foreach (var diagnostic in context.Diagnostics)
        {
            if (!diagnostic.Properties.TryGetValue(AdaptiveSoftmaxAnalyzer.SpecNameProperty, out var name) || name is null || !FileNames.IsSpec(name)) continue;
            var existing = FoldersOf(context.Document).Select(folder => Path.Combine(folder, name)).FirstOrDefault(File.Exists);
            var title = existing is null ? $"Create '{name}' among the AdditionalFiles" : $"Add '{name}' to the AdditionalFiles";
            context.RegisterCodeFix(CodeAction.Create(title, _ => Task.FromResult(Add(context.Document, name, existing)), nameof(AddSpecCodeFix)), diagnostic);
        }

        return Task.CompletedTask;
    }

    private static Solution Add(Document document, string name, string? existing)
    {
        var path = existing ?? Path.Combine(FoldersOf(document).FirstOrDefault() ?? "", name);
        var text = SourceText.From(existing is null ? NewSpec.Replace("\r\n", "\n") : File.ReadAllText(existing), new UTF8Encoding(false));
        return document.Project.AddAdditionalDocument(FileNames.NameOf(name), text, filePath: path).Project.Solution;
    }

    private static IEnumerable<string> FoldersOf(Document document)
    {
        foreach (var path in new[] { document.FilePath, document.Project.FilePath })
        {
            if (Path.GetDirectoryName(path) is { Length: > 0 } folder) yield return folder;
        }
    }
}
