using AdaptiveSoftmax.Vocabulary;
using Microsoft.CodeAnalysis;

namespace AdaptiveSoftmax.Generators;

// Reading specs and token tables: each once for its content.
public sealed partial class AdaptiveSoftmaxGenerator
{
    private static IncrementalValuesProvider<SoftmaxDefinitionModel> ReadDefinitions(IncrementalGeneratorInitializationContext context)
    {
        var specs = context.AdditionalTextsProvider
            .Where(file => FileNames.IsSpec(file.Path))
            .Select(TextFile.Read)
            .Where(file => file is not null)
            .WithTrackingName(TrackingNames.SpecTexts)
            .Select((file, _) => SpecReader.Read(file!.Path, file.Text.ToString()))
            .WithTrackingName(TrackingNames.Specs);

        // Other tools write *.tokens too, so only those that a spec names are read.
        var tablePaths = specs
            .Select((spec, _) => spec.TableFile is { } table ? FileNames.TableOf(spec.File, table) : null)
            .Where(path => path is not null)
            .Collect()
            .Select((paths, _) => new EquatableArray<string>(paths!));
        var tables = context.AdditionalTextsProvider
            .Combine(tablePaths)
            .Where(pair => pair.Right.Any(path => FileNames.AreEqual(path, pair.Left.Path)))
            .Select((pair, cancellation) => TextFile.Read(pair.Left, cancellation))
            .Where(file => file is not null)
            .WithTrackingName(TrackingNames.TableTexts)
            .Select((file, _) => TokenTableReader.Read(file!.Path, file.Text.ToString()))
            .WithTrackingName(TrackingNames.Tables);

        var definitions = specs
            .Combine(tables.Collect())
            .Select((pair, _) =>
            {
                var table = pair.Left.TableFile is { } name
                    ? pair.Right.FirstOrDefault(candidate => FileNames.AreEqual(candidate.File, FileNames.TableOf(pair.Left.File, name)))
                    : null;
                var result = SoftmaxDefinitionReader.Combine(pair.Left, table);
                return new SoftmaxDefinitionModel(pair.Left.File, result.Definition, result.Errors);
            })
            .WithTrackingName(TrackingNames.Definitions);

        // The errors of a table that several specs name are reported once.
        var specErrors = definitions.SelectMany((model, _) => model.Errors.Where(error => error.File == model.SpecPath));
        var tableErrors = tables.SelectMany((table, _) => table.Errors);
        context.RegisterSourceOutput(specErrors.WithTrackingName(TrackingNames.Errors), (output, error) => output.ReportDiagnostic(SpecDiagnostics.Create(error)));
        context.RegisterSourceOutput(tableErrors.WithTrackingName(TrackingNames.Errors), (output, error) => output.ReportDiagnostic(SpecDiagnostics.Create(error)));
        return definitions;
    }

    /// <summary>What a spec and its token table came to.</summary>
    /// <param name="SpecPath">The path of the spec.</param>
    /// <param name="Definition">The definition, or null where there are errors.</param>
    /// <param name="Errors">The errors in both.</param>
    private sealed record SoftmaxDefinitionModel(string SpecPath, SoftmaxDefinition? Definition, EquatableArray<SpecError> Errors);
}
