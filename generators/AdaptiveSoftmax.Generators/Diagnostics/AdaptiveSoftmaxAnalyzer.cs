using System.Collections.Immutable;
using AdaptiveSoftmax.Vocabulary;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.Diagnostics;

namespace AdaptiveSoftmax.Generators;

/// <summary>Reports annotated classes that cannot be completed, and specs that are not found.</summary>
[DiagnosticAnalyzer(LanguageNames.CSharp)]
public sealed class AdaptiveSoftmaxAnalyzer : DiagnosticAnalyzer
{
    /// <inheritdoc/>
    public override ImmutableArray<DiagnosticDescriptor> SupportedDiagnostics { get; } =
    [
        Descriptors.ClassNotPartial, Descriptors.EnclosingTypeNotPartial, Descriptors.OtherBaseClass, Descriptors.StaticClass,
        Descriptors.AbstractClass, Descriptors.RecordClass, Descriptors.GenericClass, Descriptors.FileLocalClass,
        Descriptors.ReservedName, Descriptors.SpecNotFound, Descriptors.SpecAmbiguous,
    ];

    /// <inheritdoc/>
    public override void Initialize(AnalysisContext context)
    {
        context.EnableConcurrentExecution();
        context.ConfigureGeneratedCodeAnalysis(GeneratedCodeAnalysisFlags.None);
        context.RegisterCompilationStartAction(start =>
        {
            if (start.Compilation.GetTypeByMetadataName(AdaptiveSoftmaxGenerator.AttributeName) is not { } attribute) return;
            var specs = start.Options.AdditionalFiles.Select(file => file.Path).Where(FileNames.IsSpec).ToArray();
            start.RegisterSymbolAction(symbol => Analyze(symbol, attribute, specs), SymbolKind.NamedType);
        });
    }

    private static void Analyze(SymbolAnalysisContext context, INamedTypeSymbol attribute, string[] specs)
    {
        var type = (INamedTypeSymbol)context.Symbol;
        var data = type.GetAttributes().FirstOrDefault(candidate => SymbolEqualityComparer.Default.Equals(candidate.AttributeClass, attribute));
        if (data is null) return;
        foreach (var fault in ClassFaults.Find(type, context.CancellationToken)) context.ReportDiagnostic(fault);

        // An argument that is missing or no string is the compiler's to report.
        if (data.ConstructorArguments.FirstOrDefault() is not { Kind: TypedConstantKind.Primitive } argument) return;
        var name = argument.Value as string ?? "";
        var place = data.ApplicationSyntaxReference?.GetSyntax(context.CancellationToken).GetLocation() ?? type.Locations[0];
        var found = specs.Where(path => FileNames.Matches(path, name)).ToArray();
        if (found.Length == 0)
            context.ReportDiagnostic(Diagnostic.Create(Descriptors.SpecNotFound, place, ImmutableDictionary<string, string?>.Empty.Add(ClassFaults.SpecNameProperty, name), name, Advice(name, specs)));
        else if (found.FirstOrDefault(path => !FileNames.AreEqual(path, found[0])) is { } other)
            context.ReportDiagnostic(Diagnostic.Create(Descriptors.SpecAmbiguous, place, name, found[0], other));
    }

    private static string Advice(string name, string[] specs)
    {
        if (!FileNames.IsSpec(name)) return "the name of a spec ends in '.softmax.json'";
        // The ending that all have in common would make any two names near.
        if (NearestName.Find(FileNames.StemOf(name), [.. specs.Select(FileNames.StemOf)]) is { } nearest)
            return $"did you mean '{FileNames.NameOf(specs.First(path => FileNames.StemOf(path) == nearest))}'?";
        return specs.Length == 0
            ? "there are none at all, so add the file to the project or list it as <AdditionalFiles Include=\"...\" />"
            : $"there are {string.Join(", ", specs.Select(path => $"'{FileNames.NameOf(path)}'").OrderBy(text => text, StringComparer.Ordinal).Take(5))}";
    }
}
