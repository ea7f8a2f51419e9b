namespace AdaptiveSoftmax;

/// <summary>
/// Replaces a file so that a reader, or a run that starts after a crash, finds all of the old or all of the new content.
/// </summary>
internal static class AtomicFile
{
    /// <summary>What is added to a file's name while it is being written.</summary>
    public const string TemporarySuffix = ".tmp";

    /// <summary>
    /// Writes beside the file, flushes to the disk, then renames. The temporary name is always the same, so that what a
    /// killed run left behind is overwritten by the next one.
    /// </summary>
    /// <param name="path">The file, which is replaced if it exists.</param>
    /// <param name="write">Writes the content.</param>
    public static void Write(string path, Action<Stream> write)
    {
        var temporary = path + TemporarySuffix;
        var stream = new FileStream(temporary, FileMode.Create, FileAccess.Write, FileShare.None, bufferSize: 0);
        try
        {
            using (stream)
            {
                write(stream);
                stream.Flush(flushToDisk: true);
            }

            File.Move(temporary, path, overwrite: true);
        }
        catch
        {
            TryDelete(temporary);
            throw;
        }
    }

    // The first fault is the one to report, whatever becomes of the half-written file.
    private static void TryDelete(string path)
    {
        try
        {
            File.Delete(path);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
        }
    }
}
