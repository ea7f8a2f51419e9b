using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Corpus;

/// <summary>One file of a corpus.</summary>
/// <param name="Path">Where the file is; <see cref="StandardInput"/> for what is piped into the program.</param>
/// <param name="Format">How its text is written.</param>
/// <param name="Length">Its size in bytes.</param>
public sealed record CorpusFile(string Path, CorpusFormat Format, long Length)
{
    /// <summary>The path that means the standard input.</summary>
    public const string StandardInput = "-";

    // Below it, telling the system how a file will be read takes longer than it saves.
    private const long LargeFile = 1 << 20;

    /// <summary>The fields that are text, for formats that have fields.</summary>
    public IReadOnlyList<string> Fields { get; init; } = [];

    /// <summary>The domain whose counts the file's tokens belong to; null for none.</summary>
    public string? Domain { get; init; }

    // What was opened already to look at its beginning.
    internal CorpusStream? Opened { get; init; }

    /// <summary>Reads the file piece by piece, so that a file of any size needs little memory.</summary>
    /// <param name="cancellationToken">Stops between two pieces.</param>
    /// <exception cref="CorpusException">The file cannot be read, or is not what <see cref="Format"/> says.</exception>
    public IEnumerable<TextPiece> ReadPieces(CancellationToken cancellationToken = default) => ReadPieces(TextBorder.Lines, cancellationToken);

    /// <summary>Reads the file in pieces that end at such borders.</summary>
    internal IEnumerable<TextPiece> ReadPieces(TextBorder border, CancellationToken cancellationToken)
    {
        if (Format is not (CorpusFormat.Text or CorpusFormat.XmlDoc) && Fields.Count == 0)
            throw new CorpusException($"{Excerpt.Line(Path)} has fields, and none is named that holds the text; name one.");
        return Format switch
        {
            CorpusFormat.XmlDoc => XmlDocReader.Read(this, cancellationToken),
            CorpusFormat.JsonLines => JsonLinesReader.Read(this, cancellationToken),
            CorpusFormat.Csv or CorpusFormat.Tsv => CsvTextReader.Read(this, cancellationToken),
            CorpusFormat.Parquet => ParquetTextReader.Read(this, cancellationToken),
            _ => PlainTextReader.Read(this, cancellationToken, border: border),
        };
    }

    /// <summary>Opens the file for one pass from start to end, without its compression.</summary>
    /// <exception cref="CorpusException">It cannot be read.</exception>
    internal CorpusStream Open() => Opened ?? CorpusStream.Create(this, OpenStored());

    /// <summary>Opens the file as it is stored.</summary>
    /// <exception cref="CorpusException">It cannot be read.</exception>
    internal Stream OpenStored()
    {
        if (Path == StandardInput) return Console.OpenStandardInput();
        if (RegularFile.FindFault(Path) is { } fault) throw new CorpusException($"{Excerpt.Line(Path)} cannot be read: it {fault}.");
        try
        {
            var stream = new FileStream(Path, new FileStreamOptions
            {
                Access = FileAccess.Read,
                Share = FileShare.ReadWrite | FileShare.Delete,
                Options = Length > LargeFile ? FileOptions.SequentialScan : FileOptions.None,
                BufferSize = Format == CorpusFormat.Parquet ? 1 << 16 : 0,
            });
            if (stream.CanSeek) return stream;
            stream.Dispose();
            throw new CorpusException($"{Excerpt.Line(Path)} cannot be read: it is a pipe or a device. Write its text to a file and give that, or pipe it into the program and give {StandardInput}.");
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw Unreadable(exception);
        }
    }

    /// <summary>The error of a file that the system will not give.</summary>
    internal CorpusException Unreadable(Exception cause) =>
        new($"{Excerpt.Line(Path)} cannot be read: {cause.Message}", cause);
}
