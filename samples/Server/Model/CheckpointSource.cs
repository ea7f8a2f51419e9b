using AdaptiveSoftmax.Vocabulary;

namespace ServerSample;

/// <summary>A checkpoint, and the spec of its softmax where that is not the one this program was built with.</summary>
/// <param name="loader">Loads it.</param>
/// <param name="checkpoint">The weights of body and softmax.</param>
/// <param name="spec">The spec, whose token table lies where it says; null for the spec of the generated class.</param>
internal sealed class CheckpointSource(ModelLoader loader, string checkpoint, string? spec) : IModelSource
{
    public IReadOnlyList<string> Files => spec is null ? [checkpoint] : TableOf(spec) is { } table ? [checkpoint, spec, table] : [checkpoint, spec];

    public ServedModel Load() => loader.Load(checkpoint, spec is null ? null : ReadSpec(spec));

    private static SoftmaxDefinition ReadSpec(string path)
    {
        var spec = SpecReader.Read(path, File.ReadAllText(path));
        var table = spec.TableFile is { } name ? Path.Combine(Path.GetDirectoryName(path) ?? "", name) : null;
        var read = SoftmaxDefinitionReader.Combine(spec, table is null ? null : TokenTableReader.Read(table, File.ReadAllText(table)));
        return read.Definition ?? throw new InvalidDataException(read.Errors[0].ToString());
    }

    // The spec may be missing or half written where the files are only looked at.
    private static string? TableOf(string path)
    {
        try
        {
            return SpecReader.Read(path, File.ReadAllText(path)).TableFile is { } name ? Path.Combine(Path.GetDirectoryName(path) ?? "", name) : null;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
