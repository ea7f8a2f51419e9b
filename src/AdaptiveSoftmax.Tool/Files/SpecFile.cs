using AdaptiveSoftmax.Tool.Terminal;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tool.Files;

/// <summary>Reads a spec with the token table that it names.</summary>
internal static class SpecFile
{
    /// <exception cref="ToolException">Either has a mistake; the message has its line.</exception>
    public static SoftmaxDefinition Read(string path, CancellationToken cancellationToken)
    {
        var spec = SpecReader.Read(path, InputFile.ReadText(path, FileContentKind.Spec, cancellationToken));
        TokenTableReadResult? table = null;
        if (spec.TableFile is { } name)
        {
            var tableFile = GetTablePath(path, name);
            if (File.Exists(tableFile)) table = TokenTableReader.Read(tableFile, RegularFile.ReadText(tableFile, cancellationToken));
        }

        var result = SoftmaxDefinitionReader.Combine(spec, table);
        return result.Definition ?? throw ToolException.Of(result.Errors);
    }

    /// <summary>Where the table lies that a spec names: seen from the folder that the spec really stands in.</summary>
    public static string GetTablePath(string spec, string table)
    {
        var folder = Path.GetDirectoryName(spec) ?? "";
        // Without a step upwards it makes no difference, and messages have the name as the user writes it.
        return Path.Combine(table.Contains("..", StringComparison.Ordinal) ? FindRealFolder(folder) : folder, table);
    }

    /// <summary>The table that a spec names, which goes on naming it; null where it holds its vocabulary itself.</summary>
    public static string? TableOf(string path, SoftmaxDefinition definition) => definition.Spec.TableFile is { } table ? GetTablePath(path, table) : null;

    /// <summary>A spec, and the table that it names where it names one: what is read with it, and must stay.</summary>
    /// <exception cref="ToolException">There is no such spec.</exception>
    public static IEnumerable<string> FilesOf(string path, CancellationToken cancellationToken)
    {
        var spec = SpecReader.Read(path, InputFile.ReadText(path, FileContentKind.Spec, cancellationToken));
        return spec.TableFile is { } table ? [path, GetTablePath(path, table)] : [path];
    }

    /// <summary>A table's name as a spec has it that stands in the same folder or in another.</summary>
    public static string NameTable(string spec, string table)
    {
        var from = FindRealFolder(Path.GetDirectoryName(Path.GetFullPath(spec))!);
        var full = Path.GetFullPath(table);
        var to = Path.Combine(FindRealFolder(Path.GetDirectoryName(full)!), Path.GetFileName(full));
        return Path.GetRelativePath(from, to).Replace('\\', '/');
    }

    // A step upwards from a link leads to one place with the link's name, and to another with the folder's own.
    private static string FindRealFolder(string folder)
    {
        var full = Path.GetFullPath(folder.Length == 0 ? "." : folder);
        if (UnixFiles.IsSupported) return UnixFiles.FindRealPath(full) ?? full;
        return new DirectoryInfo(full).ResolveLinkTarget(returnFinalTarget: true)?.FullName ?? full;
    }

    /// <summary>What weights must agree on with the class that this spec becomes.</summary>
    public static SoftmaxIdentity Identify(SoftmaxDefinition definition) => new(definition.Layout, definition.Fingerprint, definition.VocabularyFingerprint);
}
