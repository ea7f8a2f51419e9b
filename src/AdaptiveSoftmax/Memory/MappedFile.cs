using System.IO.MemoryMappedFiles;
using System.Runtime.InteropServices;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax;

/// <summary>
/// A file as memory, which several tensors share: released with the last of them. What is written goes to pages of the
/// process's own, never to the file.
/// </summary>
/// <remarks>
/// A page of a file that was cut is no memory any more, and to read it ends the process. So, where the system gives a
/// <see cref="FileLease"/>, whoever writes to the file waits until all of it has been copied to memory of the process's own,
/// which takes the place of the map under the calls that read it. Elsewhere each call looks at the file first.
/// </remarks>
internal sealed unsafe partial class MappedFile
{
    private const int ReadWrite = 3;
    private const int PrivateAnonymous = 0x22;
    private const int MayMoveToFixed = 3;
    private static readonly nint s_failed = -1;

    private readonly string _name;
    private readonly FileStream _stream;
    private readonly MemoryMappedFile _map;
    private readonly MemoryMappedViewAccessor _view;
    private readonly DateTime _written;
    private readonly FileLease? _lease;
    private readonly Lock _gate = new();
    private int _references;
    private volatile bool _cannotChange;
    private volatile bool _isLost;
    private bool _isPrivate;

    /// <summary>Maps a file, with one reference.</summary>
    /// <param name="stream">The file, open for reading and not empty; belongs to the map from then on, unless this throws.</param>
    /// <param name="name">What messages call it.</param>
    /// <param name="withLease">Whether to take a lease, where there is one.</param>
    /// <exception cref="IOException">A program has it open for writing; or the system maps no such file.</exception>
    public MappedFile(FileStream stream, string name, bool withLease = true)
    {
        (_stream, _name) = (stream, name);

        // Whoever waits for the lease waits for the map.
        lock (_gate)
        {
            var isWritten = false;
            if (withLease) _lease = FileLease.TryTake(stream.SafeFileHandle, MakePrivate, out isWritten);
            if (isWritten)
                throw new IOException($"{Excerpt.Line(name)} is open for writing in another program, so it cannot be mapped: what is cut while it is memory ends the process. Map it when that program is done, or load it without mapping.");
            try
            {
                Length = stream.Length;
                _written = File.GetLastWriteTimeUtc(stream.SafeFileHandle);
                _map = MemoryMappedFile.CreateFromFile(stream, mapName: null, capacity: 0, MemoryMappedFileAccess.CopyOnWrite, HandleInheritability.None, leaveOpen: true);
                _view = _map.CreateViewAccessor(0, Length, MemoryMappedFileAccess.CopyOnWrite);
                byte* pointer = null;
                _view.SafeMemoryMappedViewHandle.AcquirePointer(ref pointer);
                Pointer = pointer + _view.PointerOffset;
                (_references, _cannotChange) = (1, _lease is not null);
            }
            catch
            {
                _view?.Dispose();
                _map?.Dispose();
                _lease?.Dispose();
                throw;
            }
        }
    }

    /// <summary>The first byte, at the start of a page.</summary>
    public byte* Pointer { get; }

    /// <summary>The number of bytes.</summary>
    public long Length { get; }

    /// <summary>Whether a lease keeps writers away until the map is a copy.</summary>
    public bool HasLease => _lease is not null;

    /// <summary>One more user.</summary>
    public void AddReference() => Interlocked.Increment(ref _references);

    /// <summary>One user less; the last one closes the file and takes the memory away.</summary>
    public void Release()
    {
        if (Interlocked.Decrement(ref _references) != 0) return;
        lock (_gate)
        {
            _lease?.Dispose();
            _view.SafeMemoryMappedViewHandle.ReleasePointer();
            _view.Dispose();
            _map.Dispose();
            _stream.Dispose();
        }
    }

    /// <summary>Refuses a call that would read a file which is not the one that was loaded.</summary>
    /// <exception cref="IOException">The file was written to or cut.</exception>
    public void ThrowIfChanged()
    {
        if (_cannotChange) return;
        if (_isLost) throw Fault("is to be written to by another program, and there was no memory for a copy of it");
        var length = RandomAccess.GetLength(_stream.SafeFileHandle);
        if (length != Length) throw Fault(FormattableString.Invariant($"has {length} bytes, and had {Length} when it was mapped"));
        if (File.GetLastWriteTimeUtc(_stream.SafeFileHandle) != _written) throw Fault("was written to since it was mapped");
    }

    /// <summary>
    /// Copies the file to memory of the process's own, at the same address, and lets writers go on. Nothing to do where no
    /// lease is held: pages that are written to are copied one by one.
    /// </summary>
    public void MakePrivate()
    {
        lock (_gate)
        {
            if (_lease is null || Volatile.Read(ref _references) == 0 || _isPrivate || _isLost) return;
            if (!TryReplace()) (_isLost, _cannotChange) = (true, false);
            _isPrivate = !_isLost;
            _lease.Dispose();
        }
    }

    // Calls read on meanwhile: the old pages or the new ones, which hold the same.
    private bool TryReplace()
    {
        var copy = Map(0, (nuint)Length, ReadWrite, PrivateAnonymous, -1, 0);
        if (copy == s_failed) return false;
        Buffer.MemoryCopy(Pointer, (void*)copy, Length, Length);
        return Remap(copy, (nuint)Length, (nuint)Length, MayMoveToFixed, (nint)Pointer) == (nint)Pointer;
    }

    private IOException Fault(string problem) => new(
        $"{Excerpt.Line(_name)} {problem}, so its weights are not those that were loaded. Load it again; and replace files by renaming new ones over them, as Save does, which leaves the old one to those who have it open.");

    [LibraryImport("libc", EntryPoint = "mmap")]
    private static partial nint Map(nint address, nuint length, int protection, int flags, int file, nint offset);

    [LibraryImport("libc", EntryPoint = "mremap")]
    private static partial nint Remap(nint address, nuint oldLength, nuint newLength, int flags, nint newAddress);
}
