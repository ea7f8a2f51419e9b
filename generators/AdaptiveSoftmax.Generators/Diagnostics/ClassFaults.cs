using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace AdaptiveSoftmax.Generators;

/// <summary>
/// What keeps an annotated class from being completed. The generator passes such a class over, the analyzer reports it:
/// both ask here, so that no class is passed over in silence.
/// </summary>
internal static class ClassFaults
{
    /// <summary>The property of a diagnostic that holds the name of a spec.</summary>
    public const string SpecNameProperty = "SpecName";

    private const string BaseClass = "AdaptiveSoftmaxLayer";

    private static readonly HashSet<string> s_reserved = new(StringComparer.Ordinal)
    {
        "VocabularySize", "HiddenSize", "ShortlistSize", "ClusterCount", "Fingerprint", "Cutoffs", "Create", "CreateZeros",
        "Load", "Vocabulary", "Tables", "Head", "HeadLayer", "HeadShape", "FindSlot", "GetTokenId", "s_identity",
    };

    /// <summary>The spec that the attribute names; null where it names none.</summary>
    public static string? SpecNameOf(AttributeData attribute) =>
        attribute.ConstructorArguments.FirstOrDefault().Value is string { Length: > 0 } name ? name : null;

    /// <summary>Everything that is wrong with the class itself.</summary>
    public static IEnumerable<Diagnostic> Find(INamedTypeSymbol type, CancellationToken cancellation)
    {
        var place = type.Locations.FirstOrDefault(location => location.IsInSource) ?? Location.None;
        if (type.IsRecord) yield return Diagnostic.Create(Descriptors.RecordClass, place, type.Name);
        if (type.IsStatic) yield return Diagnostic.Create(Descriptors.StaticClass, place, type.Name);
        else if (type.IsAbstract) yield return Diagnostic.Create(Descriptors.AbstractClass, place, type.Name);
        if (type.TypeParameters.Length > 0) yield return Diagnostic.Create(Descriptors.GenericClass, place, type.Name);
        if (IsReserved(type.Name)) yield return Diagnostic.Create(Descriptors.ReservedName, place, type.Name);
        if (!IsPartial(type, cancellation)) yield return Diagnostic.Create(Descriptors.ClassNotPartial, place, type.Name);
        if (type.BaseType is { SpecialType: not SpecialType.System_Object, TypeKind: not TypeKind.Error } other && !IsLayer(other) && !type.IsRecord)
            yield return Diagnostic.Create(Descriptors.OtherBaseClass, place, type.Name, other.Name);
        if (IsFileLocal(type)) yield return Diagnostic.Create(Descriptors.FileLocalClass, place, type.Name);
        for (var outer = type.ContainingType; outer is not null; outer = outer.ContainingType)
        {
            if (!IsPartial(outer, cancellation))
                yield return Diagnostic.Create(Descriptors.EnclosingTypeNotPartial, outer.Locations.FirstOrDefault() ?? place, type.Name, outer.Name);
        }
    }

    private static bool IsReserved(string name) => s_reserved.Contains(name)
        || (name.StartsWith("Tail", StringComparison.Ordinal) && name.Length > 4 && name[4] is >= '0' and <= '9');

    private static bool IsLayer(INamedTypeSymbol type) =>
        type is { Name: BaseClass, ContainingNamespace: { Name: "AdaptiveSoftmax", ContainingNamespace.IsGlobalNamespace: true } };

    private static bool IsFileLocal(INamedTypeSymbol type)
    {
        for (var outer = type; outer is not null; outer = outer.ContainingType)
        {
            if (outer.IsFileLocal) return true;
        }

        return false;
    }

    // A type of which one part is not partial is the compiler's to report.
    private static bool IsPartial(INamedTypeSymbol type, CancellationToken cancellation) => type.DeclaringSyntaxReferences.Any(reference =>
        reference.GetSyntax(cancellation) is TypeDeclarationSyntax syntax && syntax.Modifiers.Any(SyntaxKind.PartialKeyword));
}
