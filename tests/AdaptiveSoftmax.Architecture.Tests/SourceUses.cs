using Basic.Reference.Assemblies;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace AdaptiveSoftmax.Architecture.Tests;

/// <summary>One file that uses something another file of its project declares.</summary>
/// <param name="File">The using file, below the project.</param>
/// <param name="Line">The first line that does, from 1.</param>
/// <param name="Name">What it uses.</param>
/// <param name="Home">The file that declares it, below the project.</param>
internal sealed record SourceUse(string File, int Line, string Name, string Home);

/// <summary>Which file of a project uses which, by the compiler's symbols.</summary>
internal static class SourceUses
{
    // The usings that the SDK adds; without them names of the framework do not resolve, and overloads with them.
    private const string ImplicitUsings = """
        global using System; global using System.Collections.Generic; global using System.IO; global using System.Linq;
        global using System.Net.Http; global using System.Threading; global using System.Threading.Tasks;
        """;

    // Comments may name what lies above; they do not depend on it.
    private static readonly CSharpParseOptions s_options = CSharpParseOptions.Default
        .WithLanguageVersion(LanguageVersion.Preview)
        .WithDocumentationMode(DocumentationMode.None)
        .WithPreprocessorSymbols("NET", "NET10_0", "NET10_0_OR_GREATER", "NET8_0_OR_GREATER");

    /// <summary>Every use of one file by another, once for each pair and name.</summary>
    /// <param name="sources">The files of a project: path below the project, text.</param>
    public static IReadOnlyList<SourceUse> Find(IReadOnlyDictionary<string, string> sources)
    {
        var compilation = Compile(sources);
        var found = new Dictionary<(string File, string Name, string Home), int>();
        foreach (var tree in compilation.SyntaxTrees.Where(tree => tree.FilePath.Length > 0))
        {
            var model = compilation.GetSemanticModel(tree);
            foreach (var name in tree.GetRoot().DescendantNodes().OfType<SimpleNameSyntax>())
            {
                foreach (var home in HomesOf(model.GetSymbolInfo(name)).Where(home => home != tree.FilePath))
                    found.TryAdd((tree.FilePath, name.Identifier.ValueText, home), name.GetLocation().GetLineSpan().StartLinePosition.Line + 1);
            }
        }

        return [.. found.Select(use => new SourceUse(use.Key.File, use.Value, use.Key.Name, use.Key.Home))];
    }

    /// <summary>The compilation of some files. What other projects and packages declare stays unresolved, which hides no symbol of these.</summary>
    /// <param name="sources">The files: path, text.</param>
    public static CSharpCompilation Compile(IReadOnlyDictionary<string, string> sources) => CSharpCompilation.Create(
        "Sources",
        [.. sources.Select(source => CSharpSyntaxTree.ParseText(source.Value, s_options, source.Key)), CSharpSyntaxTree.ParseText(ImplicitUsings, s_options, "")],
        Net100.References.All,
        new CSharpCompilationOptions(OutputKind.DynamicallyLinkedLibrary, allowUnsafe: true));

    // A member counts where it is declared itself, since a partial class may stand in several files.
    private static IEnumerable<string> HomesOf(SymbolInfo info)
    {
        var symbol = info.Symbol ?? info.CandidateSymbols.FirstOrDefault();
        if (symbol is null or INamespaceSymbol) return [];
        if (symbol is IMethodSymbol { ReducedFrom: { } extension }) symbol = extension;
        return symbol.OriginalDefinition.DeclaringSyntaxReferences.Select(reference => reference.SyntaxTree.FilePath).Where(path => path.Length > 0);
    }
}
