using System.Text;
using AdaptiveSoftmax.Vocabulary;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace AdaptiveSoftmax.Generators;

/// <summary>An annotated class with all that the generator says of it.</summary>
/// <param name="Class">The class; to be completed if it has no faults, or only such that its members can stand in.</param>
/// <param name="Faults">What keeps it from being completed.</param>
/// <param name="AttributePlace">Where the attribute stands.</param>
/// <param name="NeedsFriend">Whether ILGPU, on CUDA, sees it as a friend of the assembly only.</param>
internal sealed record ClassReading(ClassModel Class, EquatableArray<Fault> Faults, Place AttributePlace, bool NeedsFriend);

/// <summary>Reads the symbols of annotated classes.</summary>
internal static class ClassReader
{
    private const string CompliantAttribute = "CLSCompliantAttribute";

    public static bool IsClassDeclaration(SyntaxNode node, CancellationToken cancellation) => node is ClassDeclarationSyntax or RecordDeclarationSyntax;

    /// <summary>Reads an annotated class; null where the compiler reports that the attribute is wrong.</summary>
    public static ClassReading? Read(GeneratorAttributeSyntaxContext context, CancellationToken cancellation)
    {
        var type = (INamedTypeSymbol)context.TargetSymbol;
        var attribute = context.Attributes[0];
        if (type.TypeKind != TypeKind.Class || ClassFaults.SpecNameOf(attribute) is not { } specName) return null;

        var language = ((CSharpParseOptions)context.TargetNode.SyntaxTree.Options).LanguageVersion;
        var faults = ClassFaults.Find(type, context.SemanticModel.Compilation, language, cancellation)
            .Select(fault => new Fault(fault.Descriptor, Place.Of(fault.Location), fault.Arguments))
            .ToArray();
        var place = attribute.ApplicationSyntaxReference?.GetSyntax(cancellation).GetLocation() ?? context.TargetNode.GetLocation();
        var cannotBeMade = faults.Length > 0 && type.BaseType?.SpecialType == SpecialType.System_Object && faults.All(fault => fault.Id == Descriptors.OwnConstructor.Id || fault.Id == Descriptors.RequiredMember.Id);
        return new ClassReading(ReadModel(type, specName, context.TargetNode.SyntaxTree.FilePath, cannotBeMade), new EquatableArray<Fault>(faults), Place.Of(place), NeedsFriend(type));
    }

    private static ClassModel ReadModel(INamedTypeSymbol type, string specName, string path, bool cannotBeMade)
    {
        var enclosing = new List<string>();
        var fileName = new StringBuilder(type.MetadataName);
        for (var outer = type.ContainingType; outer is not null; outer = outer.ContainingType)
        {
            enclosing.Insert(0, HeaderOf(outer));
            fileName.Insert(0, '.').Insert(0, outer.MetadataName.Replace('`', '-'));
        }

        var spaces = NamespacesOf(type);
        foreach (var space in Enumerable.Reverse(spaces)) fileName.Insert(0, '.').Insert(0, space);
        return new ClassModel(
            string.Join(".", spaces.Select(Escape)),
            new EquatableArray<string>(enclosing.ToArray()),
            Escape(type.Name),
            FileNames.ToHint(fileName.ToString()),
            specName,
            FileNames.FolderOf(path),
            IsMeasuredByCls(type),
            cannotBeMade);
    }

    private static List<string> NamespacesOf(INamedTypeSymbol type)
    {
        var names = new List<string>();
        for (var space = type.ContainingNamespace; !space.IsGlobalNamespace; space = space.ContainingNamespace) names.Insert(0, space.Name);
        return names;
    }

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

    // Always: which words are reserved depends on the place and on the version of the language.
    private static string Escape(string name) => "@" + name;

    // A signed assembly has no unsigned friends; there a layer on a device says that the class must be public.
    private static bool NeedsFriend(INamedTypeSymbol type)
    {
        if (type.ContainingAssembly.Identity.HasPublicKey) return false;
        for (var outer = type; outer is not null; outer = outer.ContainingType)
        {
            if (outer.DeclaredAccessibility != Accessibility.Public) return true;
        }

        return false;
    }

    // A class that others see in an assembly marked compliant, which neither it nor a type around it says itself.
    private static bool IsMeasuredByCls(INamedTypeSymbol type)
    {
        for (var outer = type; outer is not null; outer = outer.ContainingType)
        {
            if (outer.DeclaredAccessibility is not (Accessibility.Public or Accessibility.Protected or Accessibility.ProtectedOrInternal)) return false;
            if (IsCompliant(outer) is { } says && (!says || ReferenceEquals(outer, type))) return false;
        }

        return IsCompliant(type.ContainingAssembly) == true;
    }

    private static bool? IsCompliant(ISymbol symbol) => symbol.GetAttributes()
        .FirstOrDefault(attribute => attribute.AttributeClass is { Name: CompliantAttribute, ContainingNamespace: { Name: "System", ContainingNamespace.IsGlobalNamespace: true } })
        ?.ConstructorArguments.FirstOrDefault().Value as bool?;
}
