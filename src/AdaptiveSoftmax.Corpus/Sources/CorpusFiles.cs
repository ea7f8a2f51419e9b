using System.IO.Enumeration;
using System.Xml;

namespace AdaptiveSoftmax.Corpus;

/// <summary>Finds the files of a corpus.</summary>
public static class CorpusFiles
{
    /// <summary>
    /// The files that paths name, in the order of the paths; the files of a folder and of those below it in ordinal
    /// order of their relative paths. Hidden files are left out of folders. A folder of
    /// <see cref="CorpusFormat.XmlDoc"/> gives only its XML documentation, whatever other XML stands there.
    /// </summary>
    /// <param name="paths">Files and folders.</param>
    /// <param name="format">How their text is written.</param>
    /// <param name="pattern">Which names a folder gives, with * and ?; all for plain text and *.xml for XML documentation if omitted.</param>
    /// <exception cref="CorpusException">A path does not exist or cannot be read, or there is no file.</exception>
    public static IReadOnlyList<CorpusFile> Find(IEnumerable<string> paths, CorpusFormat format, string? pattern = null)
    {
        ArgumentNullException.ThrowIfNull(paths);
        pattern ??= format == CorpusFormat.XmlDoc ? "*.xml" : "*";
        var files = new List<CorpusFile>();
        foreach (var path in paths)
        {
            if (Directory.Exists(path)) AddFolder(files, path, format, pattern);
            else if (File.Exists(path)) files.Add(new CorpusFile(path, format, new FileInfo(path).Length));
            else throw new CorpusException($"{path} does not exist; give files or folders that do.");
        }

        if (files.Count == 0)
            throw new CorpusException($"There is no file to read: the paths hold none named {pattern}{(format == CorpusFormat.XmlDoc ? " that is XML documentation" : "")}. Give other paths or another pattern.");
        return files;
    }

    private static void AddFolder(List<CorpusFile> files, string folder, CorpusFormat format, string pattern)
    {
        var options = new EnumerationOptions { RecurseSubdirectories = true, AttributesToSkip = FileAttributes.Hidden | FileAttributes.System, IgnoreInaccessible = false };
        var found = new List<string>();
        try
        {
            foreach (var file in Directory.EnumerateFiles(folder, "*", options))
            {
                if (FileSystemName.MatchesSimpleExpression(pattern, Path.GetFileName(file))) found.Add(file);
            }
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new CorpusException($"{folder} cannot be read: {exception.Message}", exception);
        }

        // Separators count as the lowest character, so the order is that of the paths' parts on every system.
        found.Sort((a, b) => string.CompareOrdinal(SortKey(folder, a), SortKey(folder, b)));
        foreach (var path in found)
        {
            var file = new CorpusFile(path, format, new FileInfo(path).Length);
            if (format != CorpusFormat.XmlDoc || IsXmlDocumentation(file)) files.Add(file);
        }
    }

    private static string SortKey(string folder, string file) =>
        Path.GetRelativePath(folder, file).Replace(Path.DirectorySeparatorChar, '\u0001');

    private static bool IsXmlDocumentation(CorpusFile file)
    {
        using var stream = file.Open();
        try
        {
            using var reader = XmlReader.Create(stream, XmlDocReader.Settings);
            return reader.MoveToContent() == XmlNodeType.Element && reader.LocalName == XmlDocReader.RootName;
        }
        catch (XmlException)
        {
            // Broken XML is reported where it is read, with its line; here only other kinds of XML are told apart.
            return true;
        }
    }
}
