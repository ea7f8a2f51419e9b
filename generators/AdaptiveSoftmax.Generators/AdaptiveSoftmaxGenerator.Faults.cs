using AdaptiveSoftmax.Vocabulary;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.Text;

namespace AdaptiveSoftmax.Generators;

// Reporting. An analyzer would be the usual place for faults of a class, but builds may run without analyzers.
public sealed partial class AdaptiveSoftmaxGenerator
{
    private static void ReportFaults(
        IncrementalGeneratorInitializationContext context, IncrementalValuesProvider<ClassReading> readings, IncrementalValuesProvider<DefinitionModel> definitions, IncrementalValueProvider<BuildSettings> settings)
    {
        Report(context, settings, readings.Together().SelectMany((all, _) => all.Items.SelectMany(reading => reading.Faults).Distinct()));

        var specPaths = context.AdditionalTextsProvider.Where(file => FileNames.IsSpec(file.Path)).Select((file, _) => file.Path).Together();
        var searches = readings
            .Combine(specPaths.Combine(settings).Select((pair, _) => new KnownSpecs(pair.Left.Items, pair.Right)))
            .Select((pair, _) => FindSpec(pair.Left, pair.Right.Paths, pair.Right.Settings));
        Report(context, settings, searches.Where(search => search.Fault is not null).Select((search, _) => search.Fault!));

        var named = searches.Where(search => search.Path is not null).Select((search, _) => search.Path!).Together();
        Report(context, settings, definitions.Together().Combine(named).SelectMany((pair, _) => FaultsOfFiles(pair.Left.Items, pair.Right.Items)));
    }

    private static void Report(IncrementalGeneratorInitializationContext context, IncrementalValueProvider<BuildSettings> settings, IncrementalValuesProvider<Fault> faults) =>
        context.RegisterSourceOutput(
            faults.WithTrackingName(TrackingNames.Errors).Combine(settings),
            (output, pair) => output.ReportDiagnostic(pair.Left.ToDiagnostic(pair.Right.Pages)));

    private static (string? Path, Fault? Fault) FindSpec(ClassReading reading, EquatableArray<string> paths, BuildSettings settings)
    {
        var name = reading.Class.SpecName;
        var found = FileSearch.Find(paths, name, settings.ProjectFolder, reading.Class.SourceFolder);
        return found.Count switch
        {
            0 => (null, new Fault(Descriptors.SpecNotFound, reading.AttributePlace, name, SpecAdvice.Of(name, paths))),
            1 => (found[0], null),
            _ => (null, new Fault(Descriptors.SpecAmbiguous, reading.AttributePlace, name, found[0], found[1], SpecAdvice.WhereSeveral)),
        };
    }

    // The errors of a table that several specs name are reported once, and those of files that no class names break no build.
    private static IEnumerable<Fault> FaultsOfFiles(EquatableArray<DefinitionModel> definitions, EquatableArray<string> named)
    {
        var used = definitions.Where(definition => named.Contains(FileNames.Normalize(definition.SpecPath))).SelectMany(definition => definition.Faults).Distinct().ToArray();
        var unused = definitions.SelectMany(definition => definition.Faults).Except(used).GroupBy(fault => fault.Place.Path).Select(faults => faults.First().AsUnused());
        return used.Concat(unused);
    }

    private static Fault StringHeapFull(ClassLookup lookup) => new(
        Descriptors.StringHeapFull,
        new Place(lookup.SpecPath, default(TextSpan), default(LinePositionSpan)),
        lookup.Class.Name.TrimStart('@'),
        lookup.Lookup.Size.ToString(System.Globalization.CultureInfo.InvariantCulture));

    private sealed record KnownSpecs(EquatableArray<string> Paths, BuildSettings Settings);
}
