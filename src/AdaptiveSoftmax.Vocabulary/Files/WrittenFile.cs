using System.Collections.Concurrent;
using System.Text;

namespace AdaptiveSoftmax.Vocabulary;

/// <summary>A file that is being written: what is not completed is taken back.</summary>
internal sealed class WrittenFile : IDisposable
{
    // What common file systems allow a name.
    private const int MaxNameLength = 255;

    // Those of this process that have temporary names.
    private static readonly ConcurrentDictionary<WrittenFile, byte> s_unfinished = [];

    private readonly string _path;
    private readonly WriteTarget _target;
    private readonly string? _temporary;
    private readonly WriteJournal? _journal = WriteJournal.Current;

    /// <summary>Begins to write.</summary>
    /// <param name="path">The file.</param>
    /// <param name="target">Where the path leads.</param>
    /// <param name="isShared">Whether other processes write into it too, under <see cref="Temporary"/>.</param>
    public WrittenFile(string path, WriteTarget target, bool isShared = false)
    {
        _path = path;
        _target = target;
        if (target.IsStream)
        {
            Stream = new FileStream(target.Path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite, bufferSize: 0);
            return;
        }

        _temporary = ChooseTemporary(target.Path);
        Stream = Create(_temporary, isShared ? FileShare.ReadWrite : FileShare.None);
        s_unfinished.TryAdd(this, 0);
        try
        {
            _journal?.Add(this);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public FileStream Stream { get; }

    /// <summary>The name it has until it is complete; null for what is no regular file.</summary>
    public string? Temporary => _temporary;

    /// <summary>Deletes what this process has not completed: it is about to end without coming to <see cref="Dispose"/>.</summary>
    public static void DeleteUnfinished()
    {
        foreach (var file in s_unfinished.Keys) file.DeleteTemporary();
    }

    /// <summary>Makes the content the file's.</summary>
    public void Complete()
    {
        if (_temporary is null)
        {
            Stream.Dispose();
            return;
        }

        if (!OperatingSystem.IsWindows() && _target.Replaced is { } replaced) UnixFiles.CopyOwnership(Stream.SafeFileHandle, replaced);
        Stream.Flush(flushToDisk: true);
        Stream.Dispose();
        if (_journal is null) Rename();
        else _journal.Complete(this, _path, Rename);
        if (UnixFiles.IsSupported) UnixFiles.FlushFolder(Path.GetDirectoryName(_target.Path)!);
    }

    public void Dispose()
    {
        Stream.Dispose();
        _journal?.Remove(this);
        DeleteTemporary();
        s_unfinished.TryRemove(this, out _);
    }

    /// <summary>Deletes what is not complete, while it may still be written.</summary>
    public void DeleteTemporary()
    {
        if (_temporary is null) return;

        // After completion there is nothing of this name. Before it, the first fault is the one to report.
        try
        {
            File.Delete(_temporary);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
        }
    }

    private void Rename() => File.Move(_temporary!, _target.Path, overwrite: true);

    private static string ChooseTemporary(string path)
    {
        var suffix = $"{Guid.NewGuid():n}.tmp";
        var name = $"{Path.GetFileName(path)}.{suffix}";
        return Path.Combine(Path.GetDirectoryName(path)!, Encoding.UTF8.GetByteCount(name) <= MaxNameLength ? name : suffix);
    }

    // The caller knows the file's name, not the temporary one.
    private FileStream Create(string temporary, FileShare share)
    {
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, Share = share, BufferSize = 0 };

        // Nobody reads the new content before it has the old permissions.
        if (!OperatingSystem.IsWindows() && _target.Replaced is not null) options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        try
        {
            return new FileStream(temporary, options);
        }
        catch (DirectoryNotFoundException exception)
        {
            throw new DirectoryNotFoundException($"'{Excerpt.Line(_path)}' cannot be written: there is no folder '{Excerpt.Line(Path.GetDirectoryName(temporary))}'; create it first.", exception);
        }
        catch (UnauthorizedAccessException exception)
        {
            throw new UnauthorizedAccessException($"'{Excerpt.Line(_path)}' cannot be written: no file may be created in '{Excerpt.Line(Path.GetDirectoryName(temporary))}', where the new content is written before it takes the file's name; allow it, or name a file elsewhere.", exception);
        }
        catch (IOException exception)
        {
            throw new IOException($"'{Excerpt.Line(_path)}' cannot be written: {exception.Message}", exception);
        }
    }
}
