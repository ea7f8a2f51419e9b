using AdaptiveSoftmax.Vocabulary;
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

    /// <summary>The bytes of tables that may become string literals; tests lower it.</summary>
    internal long StringHeapShare { get; init; } = TableForms.StringHeapShare;

    /// <inheritdoc/>
    public void Initialize(IncrementalGeneratorInitializationContext context)
    {
        var settings = context.AnalyzerConfigOptionsProvider.Select((options, _) => BuildSettings.Read(options.GlobalOptions));
        var readings = context.SyntaxProvider
            .ForAttributeWithMetadataName(AttributeName, ClassReader.IsClassDeclaration, ClassReader.Read)
            .Where(reading => reading is not null)
            .Select((reading, _) => reading!);
        var classes = readings
            .Where(reading => reading.Faults.Count == 0 || reading.Class.CannotBeMade)
            .Select((reading, _) => reading.Class)
            .Together()
            .SelectMany((models, _) => NameFiles(models.Items))
            .WithTrackingName(TrackingNames.Classes);

        var definitions = ReadDefinitions(context);
        var models = classes
            .Combine(definitions.Together().Combine(settings).Select((pair, _) => new KnownDefinitions(pair.Left.Items, pair.Right)))
            .Select((pair, _) => FindDefinition(pair.Left, pair.Right.Definitions, pair.Right.Settings))
            .WithTrackingName(TrackingNames.Models);
        ReportFaults(context, readings, definitions, settings);

        // The sizes and the tables are written from what each needs and no more: a new cutoff leaves the tables alone.
        var classSources = models
            .Select((model, _) => new ClassSource(model.Class, model.SpecPath, model.Definition.Layout, model.Definition.Spec.Seed, model.Definition.Fingerprint, model.Definition.VocabularyFingerprint, model.Definition.Spec.HeadPrecision, model.Definition.Spec.TailPrecisions, model.IsStandIn))
            .WithTrackingName(TrackingNames.ClassSources);
        var lookups = models
            .Select((model, _) => new ClassVocabulary(model.Class, model.SpecPath, model.Definition.Table))
            .WithTrackingName(TrackingNames.Vocabularies)
            .Select((model, cancellation) => new ClassLookup(model.Class, model.SpecPath, LookupModel.Build(model.Table, cancellation)))
            .WithTrackingName(TrackingNames.Lookups);
        var tooLarge = lookups
            .Together()
            .Select((all, _) => new Batch<string>(TableForms.FindTooLarge(all.Items, StringHeapShare)))
            .WithTrackingName(TrackingNames.TableForms);
        var tableSources = lookups
            .Combine(tooLarge)
            .Select((pair, _) => new TableSource(pair.Left, pair.Right.Items.Contains(pair.Left.Lookup.Fingerprint) ? TableForm.ConstantData : TableForm.StringLiteral))
            .WithTrackingName(TrackingNames.TableSources);
        Report(context, settings, tableSources.Where(source => source.Form == TableForm.ConstantData).Select((source, _) => StringHeapFull(source.Lookup)));

        var hasGpu = context.CompilationProvider
            .Select((compilation, _) => new Flag(compilation.GetTypeByMetadataName(ClassFaults.GpuLayerName) is not null))
            .WithTrackingName(TrackingNames.GpuReference);
        var gpuSources = classSources
            .Combine(hasGpu)
            .Where(pair => pair.Right.IsSet)
            .Select((pair, _) => pair.Left)
            .WithTrackingName(TrackingNames.GpuSources);
        var needsFriend = readings
            .Select((reading, _) => new Flag(reading.NeedsFriend))
            .Together()
            .Combine(hasGpu)
            .Select((pair, _) => new Flag(pair.Right.IsSet && pair.Left.Items.Any(need => need.IsSet)))
            .WithTrackingName(TrackingNames.Friend);

        context.RegisterSourceOutput(needsFriend, (output, isNeeded) =>
        {
            if (isNeeded.IsSet) output.AddSource(GeneratedFiles.Friend, ClassWriter.WriteFriend());
        });
        context.RegisterSourceOutput(classes.Together().Select((all, _) => new Flag(all.Items.Any(model => model.CannotBeMade))), (output, isNeeded) =>
        {
            if (isNeeded.IsSet) output.AddSource(GeneratedFiles.StandIn, ClassWriter.WriteStandInLayer());
        });
        context.RegisterSourceOutput(gpuSources, (output, source) =>
        {
            output.AddSource(source.Class.FileName + GeneratedFiles.Gpu, ClassWriter.WriteGpu(source));
            output.AddSource(source.Class.FileName + GeneratedFiles.TensorCores, ClassWriter.WriteTensorCores(source));
        });
        context.RegisterSourceOutput(classSources, (output, source) => output.AddSource(source.Class.FileName + GeneratedFiles.Class, ClassWriter.WriteClass(source)));
        context.RegisterSourceOutput(tableSources, (output, source) => output.AddSource(source.Lookup.Class.FileName + GeneratedFiles.Tables, ClassWriter.WriteTables(source)));
    }

    private static SoftmaxModel FindDefinition(ClassModel model, EquatableArray<DefinitionModel> definitions, BuildSettings settings)
    {
        // Which of two files is meant must not be guessed: that is reported, as is a file that is missing or wrong.
        var paths = FileSearch.Find(definitions.Select(definition => definition.SpecPath), model.SpecName, settings.ProjectFolder, model.SourceFolder);
        var found = paths.Count == 1 ? definitions.First(definition => FileNames.Normalize(definition.SpecPath) == paths[0]) : null;
        return found?.Definition is { } definition
            ? new SoftmaxModel(model, found.SpecPath, definition, IsStandIn: false)
            : new SoftmaxModel(model, found?.SpecPath ?? model.SpecName, StandIn.Create(found?.Spec), IsStandIn: true);
    }

    private static IEnumerable<ClassModel> NameFiles(EquatableArray<ClassModel> models)
    {
        // File names are compared without regard to case, and a class whose attribute stands on two of its parts comes twice.
        var names = new HashSet<string>([GeneratedFiles.Friend, GeneratedFiles.StandIn], StringComparer.OrdinalIgnoreCase);
        var seen = new HashSet<(string, EquatableArray<string>, string)>();
        foreach (var model in models.OrderBy(model => model.FileName, StringComparer.Ordinal))
        {
            if (!seen.Add((model.Namespace, model.EnclosingTypes, model.Name))) continue;
            var name = model.FileName;
            for (var number = 2; GeneratedFiles.OfClass.Any(ending => names.Contains(name + ending)); number++)
                name = FormattableString.Invariant($"{model.FileName}-{number}");
            names.UnionWith(GeneratedFiles.OfClass.Select(ending => name + ending));
            yield return model with { FileName = name };
        }
    }

    private sealed record KnownDefinitions(EquatableArray<DefinitionModel> Definitions, BuildSettings Settings);
}
