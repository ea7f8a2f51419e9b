using AdaptiveSoftmax.Vocabulary;
using Microsoft.CodeAnalysis;

namespace AdaptiveSoftmax.Generators;

// Reading specs and token tables: each once for its content.
public sealed partial class AdaptiveSoftmaxGenerator
{
    private static IncrementalValuesProvider<DefinitionModel> ReadDefinitions(IncrementalGeneratorInitializationContext context)
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
            .Select((path, _) => path!)
            .Together();
        var tables = context.AdditionalTextsProvider
            .Combine(tablePaths)
            .Where(pair => pair.Right.Items.Any(path => FileNames.AreEqual(path, pair.Left.Path)))
            .Select((pair, cancellation) => TextFile.Read(pair.Left, cancellation))
            .Where(file => file is not null)
            .WithTrackingName(TrackingNames.TableTexts)
            .Select((file, _) => TokenTableReader.Read(file!.Path, file.Text.ToString()))
            .WithTrackingName(TrackingNames.Tables);

        return specs
            .Combine(tables.Together())
            .Select((pair, _) => Combine(pair.Left, pair.Right.Items))
            .WithTrackingName(TrackingNames.Definitions);
    }

    private static DefinitionModel Combine(SpecReadResult spec, IReadOnlyList<TokenTableReadResult> tables)
    {
        TokenTableReadResult? table = null;
        if (spec.TableFile is { } name)
        {
            var paths = FileSearch.At(tables.Select(candidate => candidate.File), FileNames.TableOf(spec.File, name));
            if (paths.Count > 1)
            {
                var place = Fault.PlaceOf(spec.File, spec.Positions.Vocabulary);
                Fault several = new(Descriptors.SpecAmbiguous, place, name, paths[0], paths[1], "write it in the same case as the file's name");
                return new DefinitionModel(spec.File, spec, null, new EquatableArray<Fault>([.. spec.Errors.Select(Fault.Of), several]));
            }

            table = paths.Count == 0 ? null : tables.First(candidate => FileNames.Normalize(candidate.File) == paths[0]);
        }

        var result = SoftmaxDefinitionReader.Combine(spec, table);
        return result.Definition is { } definition
            ? new DefinitionModel(spec.File, null, definition, default)
            : new DefinitionModel(spec.File, spec, null, new EquatableArray<Fault>(result.Errors.Select(Fault.Of)));
    }

    /// <summary>What a spec and its token table came to.</summary>
    /// <param name="SpecPath">The path of the spec.</param>
    /// <param name="Spec">The spec, where there is no definition.</param>
    /// <param name="Definition">The definition, or null where there are faults.</param>
    /// <param name="Faults">The faults of both files.</param>
    private sealed record DefinitionModel(string SpecPath, SpecReadResult? Spec, SoftmaxDefinition? Definition, EquatableArray<Fault> Faults);
}
