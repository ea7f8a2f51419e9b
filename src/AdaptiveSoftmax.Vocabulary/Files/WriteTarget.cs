namespace AdaptiveSoftmax.Vocabulary;

/// <summary>Where a path leads for one who wants to write to it.</summary>
/// <param name="Path">The file at the end of all symbolic links.</param>
/// <param name="IsStream">Whether it is a device or a pipe, which is written to and never replaced.</param>
/// <param name="Replaced">What is known of the file that stands there, or null where there is none or on Windows.</param>
internal readonly record struct WriteTarget(string Path, bool IsStream, UnixStatus? Replaced)
{
    /// <summary>The most links that are followed, as many as Linux follows.</summary>
    internal const int MaxLinks = 40;

    /// <summary>Finds out where a path leads.</summary>
    /// <exception cref="IOException">It leads to a folder, a socket, or in a circle.</exception>
    /// <exception cref="UnauthorizedAccessException">The file may not be written.</exception>
    public static WriteTarget Find(string path)
    {
        var full = System.IO.Path.GetFullPath(path);
        return OperatingSystem.IsWindows() || !UnixFiles.IsSupported ? FindByAttributes(path, full) : FindByStatus(path, full);
    }

    private static WriteTarget FindByStatus(string path, string full)
    {
        if (UnixFiles.FindStatus(full) is not { } status) return new WriteTarget(FollowToNothing(path, full), IsStream: false, Replaced: null);
        switch (status.Kind)
        {
            case UnixFileKind.Folder: throw IsFolder(path);
            case UnixFileKind.Socket: throw new IOException($"'{Excerpt.Line(path)}' is a socket, which cannot be written as a file; name another file.");
            case not UnixFileKind.Regular: return new WriteTarget(full, IsStream: true, status);
        }

        // Root may write to anything, but whoever took the permission from all meant it.
        if (!status.HasWritePermission || !UnixFiles.MayWrite(full)) throw IsReadOnly(path, "take the protection away (chmod u+w)");

        // What /dev/fd/ names may be a file that no folder holds any more.
        return UnixFiles.FindRealPath(full) is { } real ? new WriteTarget(real, IsStream: false, status) : new WriteTarget(full, IsStream: true, status);
    }

    // A link to nothing is followed by hand. The text of a link is relative to the real folder that it stands in.
    private static string FollowToNothing(string path, string full)
    {
        for (var links = 0; links <= MaxLinks; links++)
        {
            var name = System.IO.Path.GetFileName(full);
            if (name is "" or "." or "..") throw IsFolder(path);
            var folder = UnixFiles.FindRealPath(System.IO.Path.GetDirectoryName(full)!)
                ?? throw new DirectoryNotFoundException($"'{Excerpt.Line(path)}' cannot be written: there is no folder '{Excerpt.Line(System.IO.Path.GetDirectoryName(full))}'; create it first.");
            full = System.IO.Path.Combine(folder, name);
            if (new FileInfo(full).LinkTarget is not { } next) return full;
            full = System.IO.Path.Combine(folder, next);
        }

        throw new IOException($"'{Excerpt.Line(path)}' is a symbolic link that leads in a circle; delete it, or name another file.");
    }

    private static WriteTarget FindByAttributes(string path, string full)
    {
        if (full.StartsWith(@"\\.\", StringComparison.Ordinal)) return new WriteTarget(full, IsStream: true, Replaced: null);
        if (System.IO.Path.EndsInDirectorySeparator(full)) throw IsFolder(path);
        var file = new FileInfo(full);
        if (file.LinkTarget is not null) file = new FileInfo(file.ResolveLinkTarget(returnFinalTarget: true)!.FullName);
        if (Directory.Exists(file.FullName)) throw IsFolder(path);
        if (file is { Exists: true, IsReadOnly: true }) throw IsReadOnly(path, "take the attribute away (attrib -r)");
        return new WriteTarget(file.FullName, IsStream: false, Replaced: null);
    }

    private static IOException IsFolder(string path) =>
        new($"'{Excerpt.Line(path)}' is a folder, and a file is to be written; name a file in it.");

    private static UnauthorizedAccessException IsReadOnly(string path, string remedy) =>
        new($"'{Excerpt.Line(path)}' may not be written to, so it is not replaced either; {remedy}, delete it, or name another file.");
}
