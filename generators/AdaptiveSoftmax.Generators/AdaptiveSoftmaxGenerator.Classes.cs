using System.Text;
using AdaptiveSoftmax.Vocabulary;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace AdaptiveSoftmax.Generators;

// Reading symbols.
public sealed partial class AdaptiveSoftmaxGenerator
{
    private static bool IsTypeDeclaration(SyntaxNode node, CancellationToken cancellation) => node is TypeDeclarationSyntax;

    /// <summary>Reads an annotated class; null where it cannot be completed, which the analyzer reports.</summary>
    private static ClassModel? ReadClass(GeneratorAttributeSyntaxContext context, CancellationToken cancellation)
    {
        var type = (INamedTypeSymbol)context.TargetSymbol;
        if (ClassFaults.SpecNameOf(context.Attributes[0]) is not { } specName) return null;
        if (ClassFaults.Find(type, cancellation).Any()) return null;

        var enclosing = new List<string>();
        var fileName = new StringBuilder(type.MetadataName);
        for (var outer = type.ContainingType; outer is not null; outer = outer.ContainingType)
        {
            enclosing.Insert(0, HeaderOf(outer));
            fileName.Insert(0, '.').Insert(0, outer.MetadataName.Replace('`', '-'));
        }

        var space = type.ContainingNamespace.IsGlobalNamespace ? "" : type.ContainingNamespace.ToDisplayString(NamespaceFormat);
        if (space.Length > 0) fileName.Insert(0, '.').Insert(0, space.Replace("@", ""));
        return new ClassModel(space, new EquatableArray<string>(enclosing.ToArray()), Escape(type.Name), fileName.ToString(), specName);
    }

    private static readonly SymbolDisplayFormat NamespaceFormat = new(
        globalNamespaceStyle: SymbolDisplayGlobalNamespaceStyle.Omitted,
        typeQualificationStyle: SymbolDisplayTypeQualificationStyle.NameAndContainingTypesAndNamespaces,
        miscellaneousOptions: SymbolDisplayMiscellaneousOptions.EscapeKeywordIdentifiers);

    private static string HeaderOf(INamedTypeSymbol type)
    {
        var kind = (type.TypeKind, type.IsRecord) switch
        {
            (TypeKind.Struct, true) => "record struct",
            (TypeKind.Struct, false) => "struct",
            (TypeKind.Interface, _) => "interface",
            (_, true) => "record",
            _ => "class",
        };
        var parameters = type.TypeParameters.Length == 0 ? "" : $"<{string.Join(", ", type.TypeParameters.Select(parameter => Escape(parameter.Name)))}>";
        return $"partial {kind} {Escape(type.Name)}{parameters}";
    }

    private static string Escape(string name) => SyntaxFacts.GetKeywordKind(name) == SyntaxKind.None ? name : "@" + name;
}
