using System.Collections.Immutable;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.Diagnostics;

namespace AdaptiveSoftmax.Generators;

/// <summary>
/// Gives editors a place to offer code fixes at, which they do for analyzers only: hidden doubles of those errors of the
/// generator that have a fix.
/// </summary>
[DiagnosticAnalyzer(LanguageNames.CSharp)]
public sealed class AdaptiveSoftmaxAnalyzer : DiagnosticAnalyzer
{
    /// <summary>The property of a diagnostic that holds the name of a spec.</summary>
    internal const string SpecNameProperty = "SpecName";

    /// <inheritdoc/>
    public override ImmutableArray<DiagnosticDescriptor> SupportedDiagnostics { get; } =
        [Descriptors.ClassNotPartial, Descriptors.EnclosingTypeNotPartial, Descriptors.SpecNotFound];

    /// <inheritdoc/>
    public override void Initialize(AnalysisContext context)
    {
        context.EnableConcurrentExecution();
        context.ConfigureGeneratedCodeAnalysis(GeneratedCodeAnalysisFlags.None);
        context.RegisterCompilationStartAction(start =>
        {
            if (start.Compilation.GetTypeByMetadataName(AdaptiveSoftmaxGenerator.AttributeName) is not { } attribute) return;
            var specs = start.Options.AdditionalFiles.Select(file => file.Path).Where(FileNames.IsSpec).ToArray();
            var settings = BuildSettings.Read(start.Options.AnalyzerConfigOptionsProvider.GlobalOptions);
            start.RegisterSymbolAction(symbol => Analyze(symbol, attribute, specs, settings), SymbolKind.NamedType);
        });
    }

    private void Analyze(SymbolAnalysisContext context, INamedTypeSymbol attribute, string[] specs, BuildSettings settings)
    {
        var type = (INamedTypeSymbol)context.Symbol;
        var data = type.GetAttributes().FirstOrDefault(candidate => SymbolEqualityComparer.Default.Equals(candidate.AttributeClass, attribute));
        if (data?.ApplicationSyntaxReference is not { } reference || ClassFaults.SpecNameOf(data) is not { } name) return;
        var language = ((CSharpParseOptions)reference.SyntaxTree.Options).LanguageVersion;
        foreach (var fault in ClassFaults.Find(type, context.Compilation, language, context.CancellationToken))
        {
            if (SupportedDiagnostics.Contains(fault.Descriptor)) Offer(fault.Descriptor, fault.Location, properties: null, fault.Arguments);
        }

        if (FileSearch.Find(specs, name, settings.ProjectFolder, FileNames.FolderOf(reference.SyntaxTree.FilePath)).Count == 0)
        {
            var properties = ImmutableDictionary<string, string?>.Empty.Add(SpecNameProperty, name);
            Offer(Descriptors.SpecNotFound, reference.GetSyntax(context.CancellationToken).GetLocation(), properties, name, SpecAdvice.Of(name, specs));
        }

        void Offer(DiagnosticDescriptor descriptor, Location location, ImmutableDictionary<string, string?>? properties, params string[] arguments) =>
            context.ReportDiagnostic(Diagnostic.Create(descriptor, location, DiagnosticSeverity.Hidden, additionalLocations: null, properties, [.. arguments]));
    }
}
