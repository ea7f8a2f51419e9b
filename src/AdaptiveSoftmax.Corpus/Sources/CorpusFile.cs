namespace AdaptiveSoftmax.Corpus;

/// <summary>One file of a corpus.</summary>
/// <param name="Path">Where the file is.</param>
/// <param name="Format">How its text is written.</param>
/// <param name="Length">Its size in bytes.</param>
public sealed record CorpusFile(string Path, CorpusFormat Format, long Length)
{
    /// <summary>Reads the file piece by piece, so that a file of any size needs little memory.</summary>
    /// <param name="cancellationToken">Stops between two pieces.</param>
    /// <exception cref="CorpusException">The file cannot be read, or is not what <see cref="Format"/> says.</exception>
    public IEnumerable<TextPiece> ReadPieces(CancellationToken cancellationToken = default) =>
        Format == CorpusFormat.XmlDoc ? XmlDocReader.Read(this, cancellationToken) : PlainTextReader.Read(this, cancellationToken);

    /// <summary>Opens the file for one pass from start to end.</summary>
    internal FileStream Open()
    {
        try
        {
            var stream = new FileStream(Path, new FileStreamOptions
            {
                Access = FileAccess.Read,
                Share = FileShare.ReadWrite | FileShare.Delete,
                Options = FileOptions.SequentialScan,
                BufferSize = 1 << 16,
            });
            if (stream.CanSeek) return stream;
            stream.Dispose();
            throw new CorpusException($"{Path} cannot be read: it is a pipe or a device. Write its text to a file and give that.");
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw Unreadable(exception);
        }
    }

    /// <summary>The error of a file that the system will not give.</summary>
    internal CorpusException Unreadable(Exception cause) =>
        new($"{Path} cannot be read: {cause.Message}", cause);
}
