using System.IO.Enumeration;
using System.Xml;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Corpus;

/// <summary>Walks through the paths of a corpus, and takes each file once.</summary>
internal sealed class CorpusWalk
{
    private static readonly EnumerationOptions s_visible = new() { AttributesToSkip = FileAttributes.Hidden | FileAttributes.System, IgnoreInaccessible = false };

    // Data that reads as text, whatever it holds.
    private static readonly string[] s_dataSuffixes = [".json", ".jsonl", ".ndjson", ".tokens", ".domains"];
    private static readonly string[] s_jsonSuffixes = [".json", ".jsonl", ".ndjson"];
    private static readonly string[] s_compressedSuffixes = [".gz", ".zst", ".zstd"];

    private const int PeekLength = 1 << 16;

    private readonly CorpusSearch _search;
    private readonly Dictionary<FileId, string> _seen = [];
    private readonly FileId? _output;
    private bool _hasStandardInput;

    public CorpusWalk(CorpusSearch search)
    {
        _search = search;
        _output = search.Output is null ? null : FileId.Find(search.Output);
        Pattern = search.Pattern ?? (search.Format == CorpusFormat.XmlDoc ? "*.xml" : "*");
    }

    public string Pattern { get; }

    public List<CorpusFile> Files { get; } = [];

    /// <summary>What files are called within the folder that gave them, by their paths.</summary>
    public Dictionary<string, string> Names { get; } = new(StringComparer.Ordinal);

    public List<LeftOutPath> LeftOut { get; } = [];

    /// <summary>Adds a file, or the files of a folder.</summary>
    /// <exception cref="CorpusException">There is no such path, or it cannot be read as the search asks for.</exception>
    public void Add(CorpusPath path)
    {
        try
        {
            if (path.Path == CorpusFile.StandardInput) AddStandardInput(path.Domain);
            else if (Directory.Exists(path.Path)) AddFolder(path.Path, path.Domain);
            else AddFile(path.Path, path.Domain);
        }
        catch (CorpusException exception) when (_search.KeepGoing)
        {
            LeftOut.Add(LeftOutPath.FromFault(path.Path, exception));
        }
    }

    private void AddStandardInput(string? domain)
    {
        if (_hasStandardInput)
        {
            LeftOut.Add(new LeftOutPath(CorpusFile.StandardInput, "is given twice"));
            return;
        }

        _hasStandardInput = true;
        var file = new CorpusFile(CorpusFile.StandardInput, CorpusFormat.Text, 0);
        var opened = file.Open();
        var start = opened.Peek(PeekLength);
        var format = FindFormat(file.Path, FileContent.Find(start, start.Length < PeekLength ? start.Length : long.MaxValue));
        if (format == CorpusFormat.Parquet) throw new CorpusException("- is a table in Parquet, which cannot be read from its start to its end; write it to a file and give that.");
        Files.Add(file with { Opened = opened, Format = format, Fields = _search.Fields, Domain = domain });
    }

    private void AddFile(string path, string? domain)
    {
        var kind = FindKind(path);
        if (kind == FileContentKind.Missing) throw new CorpusException($"{Excerpt.Line(path)} {DescribeMissing(path)}; give files or folders that do.");
        if (FileId.Find(path) is { } id && !_seen.TryAdd(id, path))
        {
            LeftOut.Add(new LeftOutPath(path, DescribeSame(path, _seen[id])));
            return;
        }

        if (kind == FileContentKind.DeviceOrPipe) throw new CorpusException($"{Excerpt.Line(path)} cannot be read: it is a pipe or a device. Write its text to a file and give that, or pipe it into the program and give {CorpusFile.StandardInput}.");
        if (kind == FileContentKind.Empty) LeftOut.Add(new LeftOutPath(path, "is empty"));
        else if (FindBroken(kind) is { } broken) throw new CorpusException($"{Excerpt.Line(path)} {broken}.");
        else if (FindFault(path, kind) is { } fault) throw new CorpusException($"{Excerpt.Line(path)} {fault}");
        else Files.Add(CreateFile(path, kind, domain));
    }

    private void AddFolder(string folder, string? domain)
    {
        var found = new List<CorpusFile>();
        try
        {
            Walk(folder, domain, found);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new CorpusException($"{Excerpt.Line(folder)} cannot be read: {exception.Message}", exception);
        }

        // Separators count as the lowest character, so the order is that of the paths' parts on every system.
        found.Sort((a, b) => string.CompareOrdinal(SortKey(folder, a.Path), SortKey(folder, b.Path)));
        Files.AddRange(found);
        foreach (var file in found) Names[file.Path] = Path.GetRelativePath(folder, file.Path).Replace(Path.DirectorySeparatorChar, '/');
    }

    private void Walk(string folder, string? domain, List<CorpusFile> found)
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
            try
            {
                if (Directory.Exists(path)) Walk(path, domain, found);
                else if (FileSystemName.MatchesSimpleExpression(Pattern, Path.GetFileName(path))) AddFound(path, domain, found);
            }
            catch (Exception exception) when (_search.KeepGoing && exception is CorpusException or IOException or UnauthorizedAccessException)
            {
                LeftOut.Add(LeftOutPath.FromFault(path, exception as CorpusException ?? new CorpusException($"{Excerpt.Line(path)} cannot be read: {exception.Message}", exception)));
            }
        }
    }

    private void AddFound(string path, string? domain, List<CorpusFile> found)
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

        var kind = FindKind(path);
        if (FindBroken(kind) is { } broken) throw new CorpusException($"{Excerpt.Line(path)} {broken}.");
        if (FindFault(path, kind) is { } fault) LeftOut.Add(new LeftOutPath(path, fault));
        else if (CreateFile(path, kind, domain) is var file && (file.Format != CorpusFormat.XmlDoc || IsXmlDocumentation(file))) found.Add(file);
    }

    // What is wrong with a file that stands for text and holds none, or null.
    private static string? FindBroken(FileContentKind kind) => kind switch
    {
        FileContentKind.LfsPointer => $"is {FileContent.Describe(kind)}",
        FileContentKind.Safetensors or FileContentKind.PyTorch or FileContentKind.Pickle or FileContentKind.NumPy or FileContentKind.Gguf or FileContentKind.Hdf5 => $"is not text: it is {FileContent.Describe(kind)}. Leave it out",
        FileContentKind.Zip => "is not text: it is a zip archive. Unpack it, or compress its files one by one with gzip or zstd",
        _ => null,
    };

    // Why a file is not read, or null.
    private string? FindFault(string path, FileContentKind kind) => kind switch
    {
        FileContentKind.DeviceOrPipe => "is a pipe, a socket or a device",
        FileContentKind.Empty => "is empty",
        FileContentKind.Parquet when _search.Fields.Count == 0 => $"is {FileContent.Describe(kind)}; say which column is text, such as --field text",
        FileContentKind.Json when HasFields => null,
        FileContentKind.Json or FileContentKind.Spec or FileContentKind.ShardIndex or FileContentKind.TokenTable or FileContentKind.DomainTable when IsData => $"is {FileContent.Describe(kind)}, whose braces, names and numbers would be counted as text; {Remedy(kind == FileContentKind.Json)}",
        _ when IsData && s_dataSuffixes.Contains(FindSuffix(path)) && !(HasFields && s_jsonSuffixes.Contains(FindSuffix(path))) => $"is called {FindSuffix(path)}, and such data would be counted with all that is not text in it; {Remedy(s_jsonSuffixes.Contains(FindSuffix(path)))}",
        _ => null,
    };

    private static string Remedy(bool isJson) => isJson
        ? "say which member of each line is text, such as --field text, or ask for it as it stands with --raw"
        : "write its text to a plain file, or ask for it as it stands with --raw";

    private bool IsData => !_search.IsRaw && _search.Format == CorpusFormat.Text;

    private bool HasFields => _search.Fields.Count > 0 && !_search.IsRaw;

    private CorpusFile CreateFile(string path, FileContentKind kind, string? domain) =>
        new(path, FindFormat(path, kind), new FileInfo(ResolveLink(path)).Length) { Fields = _search.Fields, Domain = domain };

    // By what the search says, else by what the file holds, else by its name.
    private CorpusFormat FindFormat(string path, FileContentKind kind)
    {
        if (_search.Format != CorpusFormat.Text || !HasFields) return _search.Format;
        if (kind == FileContentKind.Parquet) return CorpusFormat.Parquet;
        return FindSuffix(path) switch
        {
            ".csv" => CorpusFormat.Csv,
            ".tsv" => CorpusFormat.Tsv,
            var suffix when kind == FileContentKind.Json || s_jsonSuffixes.Contains(suffix) => CorpusFormat.JsonLines,
            _ => CorpusFormat.Text,
        };
    }

    private static string FindSuffix(string path)
    {
        var suffix = Path.GetExtension(path).ToLowerInvariant();
        return s_compressedSuffixes.Contains(suffix) ? Path.GetExtension(Path.GetFileNameWithoutExtension(path)).ToLowerInvariant() : suffix;
    }

    private static string ResolveLink(string path) => File.ResolveLinkTarget(path, returnFinalTarget: true)?.FullName ?? path;

    // What is compressed is looked at inside.
    private static FileContentKind FindKind(string path)
    {
        try
        {
            var kind = FileContent.Find(path);
            if (kind is not (FileContentKind.Gzip or FileContentKind.Zstandard)) return kind;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new CorpusException($"{Excerpt.Line(path)} cannot be read: {exception.Message}", exception);
        }

        using var stream = new CorpusFile(path, CorpusFormat.Text, 0).Open();
        var start = stream.Peek(PeekLength);
        return FileContent.Find(start, start.Length < PeekLength ? start.Length : long.MaxValue);
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
