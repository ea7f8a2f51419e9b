using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace AdaptiveSoftmax.Generators;

/// <summary>
/// What keeps an annotated class from being completed. The generator reports it and passes the class over; the analyzer
/// asks here as well, so that an editor can offer to mend it.
/// </summary>
internal static class ClassFaults
{
    /// <summary>The version of C# that generated code is written in.</summary>
    public const LanguageVersion Language = LanguageVersion.CSharp11;

    /// <summary>The type by which a program that references the GPU package is known.</summary>
    public const string GpuLayerName = "AdaptiveSoftmax.Gpu.GpuAdaptiveSoftmax";

    private const string BaseClass = "AdaptiveSoftmaxLayer";

    // Generated code names everything from the global namespace on, and would find a type of these names first.
    private static readonly string[] s_rootNamespaces = ["System", "AdaptiveSoftmax", "ILGPU"];

    /// <summary>The spec that the attribute names; null where it names none, which the compiler reports.</summary>
    public static string? SpecNameOf(AttributeData attribute) =>
        attribute.ConstructorArguments.FirstOrDefault() is { Kind: TypedConstantKind.Primitive } argument ? argument.Value as string ?? "" : null;

    /// <summary>Everything that is wrong with the class itself.</summary>
    public static IEnumerable<ClassFault> Find(INamedTypeSymbol type, Compilation compilation, LanguageVersion language, CancellationToken cancellation) =>
        FindInDeclaration(type, language, cancellation)
            .Concat(type.IsRecord ? [] : FindInMembers(type, compilation.GetTypeByMetadataName(GpuLayerName) is not null, cancellation))
            .Concat(FindAround(type, compilation, cancellation));

    private static IEnumerable<ClassFault> FindInDeclaration(INamedTypeSymbol type, LanguageVersion language, CancellationToken cancellation)
    {
        var place = PlaceOf(type);
        if (type.IsRecord) yield return new ClassFault(Descriptors.RecordClass, place, type.Name);
        if (type.IsStatic) yield return new ClassFault(Descriptors.StaticClass, place, type.Name);
        else if (type.IsAbstract) yield return new ClassFault(Descriptors.AbstractClass, place, type.Name);
        if (type.TypeParameters.Length > 0) yield return new ClassFault(Descriptors.GenericClass, place, type.Name);
        if (!IsPartial(type, cancellation)) yield return new ClassFault(Descriptors.ClassNotPartial, place, type.Name);
        if (type.BaseType is { SpecialType: not SpecialType.System_Object, TypeKind: not TypeKind.Error } other && !IsLayer(other) && !type.IsRecord)
            yield return new ClassFault(Descriptors.OtherBaseClass, place, type.Name, other.Name);
        if (IsFileLocal(type)) yield return new ClassFault(Descriptors.FileLocalClass, place, type.Name);
        if (language.MapSpecifiedToEffectiveVersion() < Language)
            yield return new ClassFault(Descriptors.LanguageTooOld, place, type.Name, Language.ToDisplayString(), language.ToDisplayString());
    }

    private static IEnumerable<ClassFault> FindInMembers(INamedTypeSymbol type, bool hasGpu, CancellationToken cancellation)
    {
        if (GeneratedMembers.HaveName(type.Name, hasGpu))
            yield return new ClassFault(Descriptors.ReservedName, PlaceOf(type), $"The class '{type.Name}' would contain a generated member of its own name");
        foreach (var member in type.GetMembers())
        {
            if (member.IsImplicitlyDeclared) continue;
            if (GeneratedMembers.Exclude(member, hasGpu))
                yield return new ClassFault(Descriptors.ReservedName, PlaceOf(member), $"The member '{type.Name}.{member.Name}' has the name of a generated member");
            else if (member is IFieldSymbol { IsRequired: true } or IPropertySymbol { IsRequired: true })
                yield return new ClassFault(Descriptors.RequiredMember, PlaceOf(member), type.Name, member.Name);
            else if (!type.IsStatic && member is IMethodSymbol { MethodKind: MethodKind.Constructor } constructor && !CallsAnother(constructor, cancellation))
                yield return new ClassFault(Descriptors.OwnConstructor, PlaceOf(constructor), type.Name);
        }
    }

    private static IEnumerable<ClassFault> FindAround(INamedTypeSymbol type, Compilation compilation, CancellationToken cancellation)
    {
        for (var outer = type.ContainingType; outer is not null; outer = outer.ContainingType)
        {
            if (!IsPartial(outer, cancellation)) yield return new ClassFault(Descriptors.EnclosingTypeNotPartial, PlaceOf(outer), type.Name, outer.Name);
        }

        foreach (var name in s_rootNamespaces)
        {
            if (compilation.GlobalNamespace.GetTypeMembers(name).FirstOrDefault(candidate => SymbolEqualityComparer.Default.Equals(candidate.ContainingAssembly, type.ContainingAssembly)) is { } hiding)
                yield return new ClassFault(Descriptors.ReservedName, PlaceOf(hiding), $"The type '{name}' hides the namespace '{name}' from generated code");
        }
    }

    private static Location PlaceOf(ISymbol symbol) => symbol.Locations.FirstOrDefault(location => location.IsInSource) ?? Location.None;

    // A primary constructor calls none, even where it stands beside others that call it.
    private static bool CallsAnother(IMethodSymbol constructor, CancellationToken cancellation) => constructor.DeclaringSyntaxReferences.Any(reference =>
        reference.GetSyntax(cancellation) is ConstructorDeclarationSyntax { Initializer.ThisOrBaseKeyword: var keyword } && keyword.IsKind(SyntaxKind.ThisKeyword));

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
