using System.IO.Enumeration;
using System.Xml;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Corpus;

/// <summary>Walks through the paths of a corpus, and takes each file once.</summary>
internal sealed class CorpusWalk
{
    private static readonly EnumerationOptions s_visible = new() { AttributesToSkip = FileAttributes.Hidden | FileAttributes.System, IgnoreInaccessible = false };

    // Data that reads as text, whatever it holds.
    private static readonly string[] s_dataSuffixes = [".json", ".jsonl", ".ndjson", ".tokens"];

    private readonly CorpusSearch _search;
    private readonly Dictionary<FileId, string> _seen = [];
    private readonly FileId? _output;

    public CorpusWalk(CorpusSearch search)
    {
        _search = search;
        _output = search.Output is null ? null : FileId.Find(search.Output);
        Pattern = search.Pattern ?? (search.Format == CorpusFormat.XmlDoc ? "*.xml" : "*");
    }

    public string Pattern { get; }

    public List<CorpusFile> Files { get; } = [];

    public List<LeftOutPath> LeftOut { get; } = [];

    /// <summary>Adds a file, or the files of a folder.</summary>
    /// <exception cref="CorpusException">There is no such path, or it cannot be read as the search asks for.</exception>
    public void Add(string path)
    {
        if (Directory.Exists(path))
        {
            AddFolder(path);
            return;
        }

        var kind = FindKind(path);
        if (kind == FileContentKind.Missing) throw new CorpusException($"{path} {DescribeMissing(path)}; give files or folders that do.");
        if (FileId.Find(path) is { } id && !_seen.TryAdd(id, path))
        {
            LeftOut.Add(new LeftOutPath(path, DescribeSame(path, _seen[id])));
            return;
        }

        if (kind == FileContentKind.DeviceOrPipe) throw new CorpusException($"{path} cannot be read: it is a pipe or a device. Write its text to a file and give that.");
        if (FindFault(path, kind) is { } fault && kind != FileContentKind.Empty) throw new CorpusException($"{path} {fault}");
        if (kind == FileContentKind.Empty) LeftOut.Add(new LeftOutPath(path, "is empty"));
        else Files.Add(CreateFile(path));
    }

    private void AddFolder(string folder)
    {
        var found = new List<string>();
        try
        {
            Walk(folder, found);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new CorpusException($"{folder} cannot be read: {exception.Message}", exception);
        }

        // Separators count as the lowest character, so the order is that of the paths' parts on every system.
        found.Sort((a, b) => string.CompareOrdinal(SortKey(folder, a), SortKey(folder, b)));
        Files.AddRange(found.Select(CreateFile));
    }

    private void Walk(string folder, List<string> found)
    {
        if (FileId.Find(folder) is { } id && !_seen.TryAdd(id, folder))
        {
            LeftOut.Add(new LeftOutPath(folder, DescribeSame(folder, _seen[id])));
            return;
        }

        // Links last, so that what stands in the folder itself has its own name.
        var entries = new DirectoryInfo(folder).EnumerateFileSystemInfos("*", s_visible)
            .Select(entry => (Path: Path.Combine(folder, entry.Name), IsLink: entry.LinkTarget is not null))
            .OrderBy(entry => entry.IsLink).ThenBy(entry => entry.Path, StringComparer.Ordinal);
        foreach (var (path, _) in entries)
        {
            if (Directory.Exists(path)) Walk(path, found);
            else if (FileSystemName.MatchesSimpleExpression(Pattern, Path.GetFileName(path))) AddFound(path, found);
        }
    }

    private void AddFound(string path, List<string> found)
    {
        if (FileId.Find(path) is not { } id)
        {
            LeftOut.Add(new LeftOutPath(path, DescribeMissing(path)));
            return;
        }

        if (id == _output)
        {
            LeftOut.Add(new LeftOutPath(path, "is what is to be written"));
            return;
        }

        if (!_seen.TryAdd(id, path))
        {
            LeftOut.Add(new LeftOutPath(path, DescribeSame(path, _seen[id])));
            return;
        }

        if (FindFault(path, FindKind(path)) is { } fault) LeftOut.Add(new LeftOutPath(path, fault));
        else if (_search.Format != CorpusFormat.XmlDoc || IsXmlDocumentation(CreateFile(path))) found.Add(path);
    }

    // Why a file is not read, or null.
    private string? FindFault(string path, FileContentKind kind) => kind switch
    {
        FileContentKind.DeviceOrPipe => "is a pipe, a socket or a device",
        FileContentKind.Empty => "is empty",
        FileContentKind.Json or FileContentKind.Spec or FileContentKind.ShardIndex or FileContentKind.TokenTable when IsData => $"is {FileContent.Describe(kind)}, whose braces, names and numbers would be counted as text; write its text to a plain file, or ask for it as it stands with --raw",
        _ when IsData && s_dataSuffixes.Contains(Path.GetExtension(path), StringComparer.OrdinalIgnoreCase) => $"is called {Path.GetExtension(path)}, and such data would be counted with all that is not text in it; write its text to a plain file, or ask for it as it stands with --raw",
        _ => null,
    };

    private bool IsData => !_search.IsRaw && _search.Format == CorpusFormat.Text;

    private CorpusFile CreateFile(string path) => new(path, _search.Format, new FileInfo(ResolveLink(path)).Length);

    private static string ResolveLink(string path) => File.ResolveLinkTarget(path, returnFinalTarget: true)?.FullName ?? path;

    private static FileContentKind FindKind(string path)
    {
        try
        {
            return FileContent.Find(path);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new CorpusException($"{path} cannot be read: {exception.Message}", exception);
        }
    }

    private static string DescribeMissing(string path) =>
        new FileInfo(path).LinkTarget is { } target ? $"is a link to {target}, where no file stands" : "does not exist";

    private static string DescribeSame(string path, string first) =>
        Path.GetFullPath(path) == Path.GetFullPath(first) ? "is given twice" : $"is the same as {first}";

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
