using System.Globalization;
using System.Text;

namespace AdaptiveSoftmax.Vocabulary;

/// <summary>
/// Opens what is to be read, and regular files alone: a pipe without a writer waits for ever, and a device may have no end.
/// Whoever wants to read one gives the reader a stream, or writes what it gives to a file first.
/// </summary>
internal static class RegularFile
{
    /// <summary>The longest text that is read whole, in bytes.</summary>
    public const int LongestText = 1 << 30;

    private const int ReadLength = 1 << 16;

    /// <summary>Why there is nothing to read behind a path, in words that follow it; null where a regular file is.</summary>
    public static string? FindFault(string path)
    {
        if (!UnixFiles.IsSupported || UnixFiles.FindStatus(path) is not { } status)
            return Directory.Exists(path) ? "is a folder, and a file is to be read; name a file in it" : File.Exists(path) && FileId.Find(path) is not null ? null : DescribeMissing(path);
        return status.Kind switch
        {
            UnixFileKind.Regular => null,
            UnixFileKind.Folder => "is a folder, and a file is to be read; name a file in it",
            UnixFileKind.Pipe => "is a pipe, which can be read once and may never end; write what it gives to a file, and give that",
            UnixFileKind.Socket => "is a socket, which is no file to read; write what it gives to a file, and give that",
            _ => "is a device, which may never end; write what it gives to a file, and give that",
        };
    }

    /// <summary>What stands in a name's way that leads to nothing, in words that follow it.</summary>
    public static string DescribeMissing(string path)
    {
        if (new FileInfo(path).LinkTarget is not { } target) return "does not exist";
        var next = Path.GetFullPath(path);
        for (var links = 0; links <= WriteTarget.MaxLinks; links++)
        {
            if (new FileInfo(next).LinkTarget is not { } step) return $"is a link to {Excerpt.Line(target)}, which does not exist";
            next = Path.GetFullPath(Path.Combine(Path.GetDirectoryName(next)!, step));
        }

        return $"is a link to {Excerpt.Line(target)}, which leads in a circle; delete it, or name another file";
    }

    /// <summary>Opens a regular file.</summary>
    /// <exception cref="FileNotFoundException">There is none.</exception>
    /// <exception cref="IOException">It is something else, or cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be read.</exception>
    public static FileStream Open(string path, FileStreamOptions? options = null)
    {
        Check(path);
        return new FileStream(path, options ?? new FileStreamOptions { Access = FileAccess.Read, Share = FileShare.Read | FileShare.Delete, BufferSize = 0 });
    }

    /// <summary>Reads a text in UTF-8, or with a byte order mark.</summary>
    /// <param name="path">The file.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <exception cref="IOException">It is no regular file, cannot be read, or is longer than <see cref="LongestText"/>.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be read.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public static string ReadText(string path, CancellationToken cancellationToken = default)
    {
        using var stream = Open(path, new FileStreamOptions { Access = FileAccess.Read, Share = FileShare.ReadWrite | FileShare.Delete, Options = FileOptions.SequentialScan });
        if (stream.Length > LongestText)
            throw new IOException(string.Create(CultureInfo.InvariantCulture, $"{Excerpt.Line(path)} has {stream.Length:n0} bytes, more than the {LongestText:n0} that are read as one text."));
        using var reader = new StreamReader(stream, Encoding.UTF8, detectEncodingFromByteOrderMarks: true, ReadLength);
        var text = new StringBuilder((int)stream.Length);
        var buffer = new char[ReadLength];
        for (int read; (read = reader.Read(buffer)) > 0;)
        {
            // A file of /proc says that it has no bytes, and one that grows says fewer than there are.
            cancellationToken.ThrowIfCancellationRequested();
            if (text.Length + read > LongestText) throw new IOException(string.Create(CultureInfo.InvariantCulture, $"{Excerpt.Line(path)} has more than the {LongestText:n0} characters that are read as one text."));
            text.Append(buffer, 0, read);
        }

        return text.ToString();
    }

    /// <summary>Throws where a path leads to no regular file.</summary>
    /// <exception cref="FileNotFoundException">There is none.</exception>
    /// <exception cref="IOException">It is something else.</exception>
    public static void Check(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        if (FindFault(path) is not { } fault) return;
        var message = $"{Excerpt.Line(path)} {fault}.";
        throw UnixFiles.IsSupported && UnixFiles.FindStatus(path) is null ? new FileNotFoundException(message, path) : new IOException(message);
    }
}
