using System.Text;

namespace AdaptiveSoftmax.Vocabulary;

/// <summary>
/// Writes files so that whoever reads one, also after a crash, finds all of the old or all of the new content: to a
/// temporary name beside the file, flushed to the disk, then renamed over it. Every file of these libraries is written so.
/// </summary>
/// <remarks>
/// <para>
/// The temporary name is <c>{name}.{random}.tmp</c>, so that two processes can write one file at the same time: the last
/// to rename wins. It is deleted where writing fails. A process that is killed may leave one behind, which nothing reads
/// and anyone may delete.
/// </para>
/// <para>
/// Symbolic links are followed: the file at their end is replaced, or created, and the links stay. A hard link to the
/// old content keeps the old content. On Unix a file that is replaced keeps its permissions, and its owner and group
/// where the process may set them; a new one has those of the umask. A file without permission to write is not replaced.
/// </para>
/// <para>
/// What is no regular file cannot be replaced: devices and pipes are opened and written to, as any program does. A pipe
/// waits for a reader.
/// </para>
/// </remarks>
public static class AtomicFile
{
    private const int TextBufferLength = 1 << 16;

    private static readonly UTF8Encoding s_utf8 = new(encoderShouldEmitUTF8Identifier: false);

    /// <summary>Writes a file.</summary>
    /// <param name="path">The file, which is replaced if it exists. Its folder must exist.</param>
    /// <param name="write">Writes the content to a stream without a buffer; where it throws, the file stays as it was.</param>
    /// <param name="cancellationToken">Leaves the file as it was, as long as the content is not complete.</param>
    /// <exception cref="IOException">The file cannot be written; the path leads to a folder, a socket, or links in a circle.</exception>
    /// <exception cref="UnauthorizedAccessException">The file or its folder may not be written.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public static void Write(string path, Action<Stream> write, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(write);
        using var writing = Begin(path, cancellationToken);
        write(writing.Stream);
        cancellationToken.ThrowIfCancellationRequested();
        writing.Complete();
    }

    /// <inheritdoc cref="Write"/>
    /// <summary>Writes a file without holding on to the caller's thread.</summary>
    public static async Task WriteAsync(string path, Func<Stream, CancellationToken, Task> write, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(write);

        // Opening a pipe and flushing a disk wait in the system, which has no form of them that does not.
        using var writing = await Task.Run(() => Begin(path, cancellationToken), cancellationToken).ConfigureAwait(false);
        await write(writing.Stream, cancellationToken).ConfigureAwait(false);
        cancellationToken.ThrowIfCancellationRequested();
        await Task.Run(writing.Complete, CancellationToken.None).ConfigureAwait(false);
    }

    /// <inheritdoc cref="Write"/>
    /// <summary>Writes a text file in UTF-8 without a byte order mark.</summary>
    /// <param name="path">The file, which is replaced if it exists. Its folder must exist.</param>
    /// <param name="write">Writes the text; where it throws, the file stays as it was.</param>
    /// <param name="cancellationToken">Leaves the file as it was, as long as the content is not complete.</param>
    public static void WriteText(string path, Action<TextWriter> write, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(write);
        Write(path, stream =>
        {
            // Not disposed: after a fault that would write the rest, and might fail in another way.
            var writer = new StreamWriter(stream, s_utf8, TextBufferLength);
            write(writer);
            writer.Flush();
        }, cancellationToken);
    }

    private static WrittenFile Begin(string path, CancellationToken cancellationToken)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        cancellationToken.ThrowIfCancellationRequested();
        return new WrittenFile(path, WriteTarget.Find(path));
    }
}
