using AdaptiveSoftmax.Tool.Terminal;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tool.Files;

/// <summary>Reads a spec with the token table that it names.</summary>
internal static class SpecFile
{
    /// <exception cref="ToolException">Either has a mistake; the message has its line.</exception>
    public static SoftmaxDefinition Read(string path)
    {
        var spec = SpecReader.Read(path, InputFile.ReadText(path, FileContentKind.Spec));
        TokenTableReadResult? table = null;
        if (spec.TableFile is { } name)
        {
            var tableFile = GetTablePath(path, name);
            if (File.Exists(tableFile)) table = TokenTableReader.Read(tableFile, File.ReadAllText(tableFile));
        }

        var result = SoftmaxDefinitionReader.Combine(spec, table);
        return result.Definition ?? throw ToolException.Of(result.Errors);
    }

    /// <summary>Where the table lies that a spec names.</summary>
    public static string GetTablePath(string spec, string table) => Path.Combine(Path.GetDirectoryName(spec) ?? "", table);

    /// <summary>What weights must agree on with the class that this spec becomes.</summary>
    public static SoftmaxIdentity Identify(SoftmaxDefinition definition) => new(definition.Layout, definition.Fingerprint, definition.VocabularyFingerprint);
}
