namespace AdaptiveSoftmax.Vocabulary;

/// <summary>
/// What makes a file or folder the same one whatever it is called, through links of both kinds. On Windows hard links count as
/// files of their own.
/// </summary>
internal readonly record struct FileId(long Disk, long Number, string? Path)
{
    /// <summary>The id of what stands at the end of all links, or null where nothing does.</summary>
    public static FileId? Find(string path)
    {
        if (UnixFiles.IsSupported) return UnixFiles.FindStatus(path) is { } status ? Of(status) : null;
        try
        {
            FileSystemInfo info = Directory.Exists(path) ? new DirectoryInfo(path) : new FileInfo(path);
            info = info.ResolveLinkTarget(returnFinalTarget: true) ?? info;
            return info.Exists ? new FileId(0, 0, System.IO.Path.TrimEndingDirectorySeparator(info.FullName).ToUpperInvariant()) : null;
        }
        catch (IOException)
        {
            // Links in a circle.
            return null;
        }
    }

    /// <summary>The id of a file whose status is known.</summary>
    public static FileId Of(UnixStatus status) => new(status.Disk, status.Number, null);
}
