namespace AdaptiveSoftmax;

/// <summary>Files that hold what a stream cannot, for as long as they are open.</summary>
internal static class TemporaryFile
{
    /// <summary>Creates an empty file that only its owner may read and that is deleted when it is closed.</summary>
    public static FileStream Create()
    {
        var options = new FileStreamOptions
        {
            Mode = FileMode.CreateNew,
            Access = FileAccess.ReadWrite,
            Share = FileShare.None,
            Options = FileOptions.DeleteOnClose,
        };
        if (!OperatingSystem.IsWindows()) options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        return new FileStream(Path.Combine(Path.GetTempPath(), $"adaptive-softmax-{Guid.NewGuid():n}.tmp"), options);
    }
}
