using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Corpus;

/// <summary>
/// Writes files so that each is there whole or not at all, by <see cref="AtomicFile"/>. A write that fails or is cancelled
/// leaves the file that was there before.
/// </summary>
public static class OutputFile
{
    /// <summary>Writes a token table.</summary>
    /// <param name="path">The file, by convention <c>*.tokens</c>.</param>
    /// <param name="table">The table.</param>
    /// <param name="cancellationToken">Leaves the file as it was.</param>
    /// <exception cref="IOException">The file cannot be written.</exception>
    /// <exception cref="UnauthorizedAccessException">The file may not be written.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public static void WriteTokenTable(string path, TokenTable table, CancellationToken cancellationToken = default) =>
        Write(path, writer => TokenTableWriter.Write(writer, table, cancellationToken), cancellationToken);

    /// <summary>Writes a spec.</summary>
    /// <param name="path">The file, by convention <c>*.softmax.json</c>.</param>
    /// <param name="spec">The spec.</param>
    /// <exception cref="IOException">The file cannot be written.</exception>
    /// <exception cref="UnauthorizedAccessException">The file may not be written.</exception>
    public static void WriteSpec(string path, SoftmaxSpec spec) =>
        Write(path, writer => SpecWriter.Write(writer, spec));

    /// <inheritdoc cref="AtomicFile.WriteText"/>
    public static void Write(string path, Action<TextWriter> write, CancellationToken cancellationToken = default) =>
        AtomicFile.WriteText(path, write, cancellationToken);
}
