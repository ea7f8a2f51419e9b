using System.Collections.Immutable;
using Microsoft.CodeAnalysis;

namespace AdaptiveSoftmax.Generators;

/// <summary>
/// Completes each class that has <c>[AdaptiveSoftmax("name.softmax.json")]</c> into an adaptive softmax over the
/// vocabulary of its spec.
/// </summary>
[Generator(LanguageNames.CSharp)]
public sealed partial class AdaptiveSoftmaxGenerator : IIncrementalGenerator
{
    /// <summary>The attribute's metadata name.</summary>
    internal const string AttributeName = "AdaptiveSoftmax.AdaptiveSoftmaxAttribute";

    /// <summary>The type by which a program that references the GPU package is known.</summary>
    internal const string GpuLayerName = "AdaptiveSoftmax.Gpu.GpuAdaptiveSoftmax";

    /// <summary>The bytes of tables that may become string literals; tests lower it.</summary>
    internal long StringHeapShare { get; init; } = TableForms.StringHeapShare;

    /// <inheritdoc/>
    public void Initialize(IncrementalGeneratorInitializationContext context)
    {
        var classes = context.SyntaxProvider
            .ForAttributeWithMetadataName(AttributeName, IsTypeDeclaration, ReadClass)
            .Where(model => model is not null)
            .Collect()
            .SelectMany((models, _) => NameFiles(models!))
            .WithTrackingName(TrackingNames.Classes);

        var definitions = ReadDefinitions(context);
        var models = classes
            .Combine(definitions.Collect())
            .Select((pair, _) => FindDefinition(pair.Left, pair.Right))
            .Where(model => model is not null)
            .Select((model, _) => model!)
            .WithTrackingName(TrackingNames.Models);

        // The sizes and the tables are written from what each needs and no more: a new cutoff leaves the tables alone.
        var classSources = models
            .Select((model, _) => new ClassSource(model.Class, model.SpecPath, model.Definition.Layout, model.Definition.Spec.Seed, model.Definition.Fingerprint, model.Definition.VocabularyFingerprint, model.Definition.Spec.HeadPrecision, model.Definition.Spec.TailPrecisions))
            .WithTrackingName(TrackingNames.ClassSources);
        var lookups = models
            .Select((model, _) => new ClassVocabulary(model.Class, model.SpecPath, model.Definition.Table))
            .WithTrackingName(TrackingNames.Vocabularies)
            .Select((model, cancellation) => new ClassLookup(model.Class, model.SpecPath, LookupModel.Build(model.Table, cancellation)))
            .WithTrackingName(TrackingNames.Lookups);
        var tooLarge = lookups
            .Collect()
            .Select((all, _) => TableForms.FindTooLarge(all, StringHeapShare))
            .WithTrackingName(TrackingNames.TableForms);
        var tableSources = lookups
            .Combine(tooLarge)
            .Select((pair, _) => new TableSource(pair.Left, pair.Right.Contains(pair.Left.Lookup.Fingerprint) ? TableForm.ConstantData : TableForm.StringLiteral))
            .WithTrackingName(TrackingNames.TableSources);

        var hasGpu = context.CompilationProvider
            .Select((compilation, _) => compilation.GetTypeByMetadataName(GpuLayerName) is not null)
            .WithTrackingName(TrackingNames.GpuReference);
        var gpuSources = classSources
            .Combine(hasGpu)
            .Where(pair => pair.Right)
            .Select((pair, _) => pair.Left)
            .WithTrackingName(TrackingNames.GpuSources);

        var needsFriend = context.SyntaxProvider
            .ForAttributeWithMetadataName(AttributeName, IsTypeDeclaration, NeedsFriend)
            .Collect()
            .Combine(hasGpu)
            .Select((pair, _) => pair.Right && pair.Left.Contains(true))
            .WithTrackingName(TrackingNames.Friend);

        context.RegisterSourceOutput(needsFriend, (output, isNeeded) =>
        {
            if (isNeeded) output.AddSource(FriendFile, WriteFriend());
        });
        context.RegisterSourceOutput(gpuSources, (output, source) =>
        {
            output.AddSource($"{source.Class.FileName}.Gpu.g.cs", WriteGpu(source));
            output.AddSource($"{source.Class.FileName}.TensorCores.g.cs", WriteTensorCores(source));
        });
        context.RegisterSourceOutput(classSources, (output, source) => output.AddSource($"{source.Class.FileName}.g.cs", WriteClass(source)));
        context.RegisterSourceOutput(tableSources, (output, source) =>
        {
            if (source.Form == TableForm.ConstantData) output.ReportDiagnostic(SpecDiagnostics.CreateStringHeapFull(source.Lookup));
            output.AddSource($"{source.Lookup.Class.FileName}.Tables.g.cs", WriteTables(source));
        });
    }

    private static SoftmaxModel? FindDefinition(ClassModel model, ImmutableArray<SoftmaxDefinitionModel> definitions)
    {
        SoftmaxDefinitionModel? found = null;
        foreach (var candidate in definitions)
        {
            if (!FileNames.Matches(candidate.SpecPath, model.SpecName)) continue;
            // Which of two files is meant must not be guessed; the analyzer asks for more of the path.
            if (found is not null && !FileNames.AreEqual(found.SpecPath, candidate.SpecPath)) return null;
            found = candidate;
        }

        return found?.Definition is { } definition ? new SoftmaxModel(model, found.SpecPath, definition) : null;
    }

    private static IEnumerable<ClassModel> NameFiles(ImmutableArray<ClassModel> models)
    {
        // File names are compared without regard to case, and a class whose attribute stands on two of its parts comes twice.
        var names = new HashSet<string>(StringComparer.OrdinalIgnoreCase);
        foreach (var model in models.Distinct().OrderBy(model => model.FileName, StringComparer.Ordinal))
        {
            var name = model.FileName;
            for (var number = 2; !names.Add(name); number++) name = FormattableString.Invariant($"{model.FileName}-{number}");
            yield return model with { FileName = name };
        }
    }
}
