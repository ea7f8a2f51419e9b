using System.Text;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Corpus;

/// <summary>
/// Writes files so that each is there whole or not at all: to a temporary name in the same folder, flushed to the disk,
/// then renamed. A write that fails or is cancelled leaves the file that was there before.
/// </summary>
public static class OutputFile
{
    private static readonly UTF8Encoding Utf8 = new(encoderShouldEmitUTF8Identifier: false);

    /// <summary>Writes a token table.</summary>
    /// <param name="path">The file, by convention <c>*.tokens</c>.</param>
    /// <param name="table">The table.</param>
    /// <param name="cancellationToken">Leaves the file as it was.</param>
    /// <exception cref="IOException">The file cannot be written.</exception>
    /// <exception cref="UnauthorizedAccessException">The file may not be written.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public static void WriteTokenTable(string path, TokenTable table, CancellationToken cancellationToken = default) =>
        Write(path, writer => TokenTableWriter.Write(writer, table, cancellationToken));

    /// <summary>Writes a spec.</summary>
    /// <param name="path">The file, by convention <c>*.softmax.json</c>.</param>
    /// <param name="spec">The spec.</param>
    /// <exception cref="IOException">The file cannot be written.</exception>
    /// <exception cref="UnauthorizedAccessException">The file may not be written.</exception>
    public static void WriteSpec(string path, SoftmaxSpec spec) =>
        Write(path, writer => SpecWriter.Write(writer, spec));

    /// <summary>Writes a text file in UTF-8 without a byte order mark.</summary>
    /// <param name="path">The file. Its folder must exist.</param>
    /// <param name="write">Writes the text; where it throws, the file stays as it was.</param>
    /// <exception cref="IOException">The file cannot be written.</exception>
    /// <exception cref="UnauthorizedAccessException">The file may not be written.</exception>
    public static void Write(string path, Action<TextWriter> write)
    {
        ArgumentNullException.ThrowIfNull(path);
        ArgumentNullException.ThrowIfNull(write);
        var temporary = $"{path}.{Guid.NewGuid():n}.tmp";
        try
        {
            using (var stream = new FileStream(temporary, FileMode.CreateNew, FileAccess.Write))
            {
                using (var writer = new StreamWriter(stream, Utf8, bufferSize: 1 << 16, leaveOpen: true)) write(writer);
                stream.Flush(flushToDisk: true);
            }

            File.Move(temporary, path, overwrite: true);
        }
        catch
        {
            File.Delete(temporary);
            throw;
        }
    }
}
