namespace AdaptiveSoftmax.Distributed;

/// <summary>Windows of MPI, in memory that the processes of one machine share. The library makes and removes it, also where a rank is killed.</summary>
internal sealed unsafe class MpiWindows : SharedMemory
{
    // How often a rank has waited, on a cache line of its own, stands before its values.
    private const int HeaderBytes = 128;

    // While ranks wait without MPI, messages of theirs that are still on their way have to go on.
    private const int SpinsBetweenProbes = 64;
    private const int StatusRoom = 64;

    private readonly MpiLibrary _library;
    private readonly int _rank;
    private readonly byte*[] _windows;
    private nint _group;
    private nint _window;
    private long _waits;

    private MpiWindows(MpiLibrary library, int rank, int size)
    {
        (_library, _rank) = (library, rank);
        _windows = new byte*[size];
    }

    /// <summary>Makes the windows; null where the ranks are on several machines, or the system has no memory to share, on all ranks alike.</summary>
    /// <param name="library">The library.</param>
    /// <param name="rank">This rank.</param>
    /// <param name="size">The number of ranks.</param>
    /// <param name="allHave">Whether something holds on all ranks, where it does on this one.</param>
    public static MpiWindows? Create(MpiLibrary library, int rank, int size, Func<bool, bool> allHave)
    {
        // What was made until something fails stays until MPI ends: to free it takes all ranks, of which some may not have it.
        var windows = new MpiWindows(library, rank, size);
        return allHave(windows.Split(size)) && allHave(windows.Allocate()) && allHave(windows.Find()) ? windows : null;
    }

    /// <inheritdoc/>
    public override float* Of(int rank) => (float*)(_windows[rank] + HeaderBytes);

    /// <inheritdoc/>
    public override void Wait()
    {
        Volatile.Write(ref *(long*)_windows[_rank], ++_waits);
        foreach (var window in _windows)
        {
            var spin = default(SpinWait);
            while (Volatile.Read(ref *(long*)window) < _waits)
            {
                spin.SpinOnce(sleep1Threshold: -1);
                if (spin.Count % SpinsBetweenProbes == 0) LetMessagesGoOn();
            }
        }
    }

    /// <inheritdoc/>
    public override void Dispose()
    {
        fixed (nint* window = &_window, group = &_group)
        {
            if (*window != 0) _ = _library.FreeWindow(window);
            if (*group != 0) _ = _library.FreeGroup(group);
            (*window, *group) = (0, 0);
        }
    }

    private bool Split(int size)
    {
        int members;
        fixed (nint* group = &_group)
            return _library.Split(_library.World, _library.SharedType, _rank, _library.NoInfo, group) == 0 && _library.Size(*group, &members) == 0 && members == size;
    }

    private bool Allocate()
    {
        void* own;
        fixed (nint* window = &_window)
        {
            if (_library.AllocateWindow(HeaderBytes + (Length * sizeof(float)), 1, _library.NoInfo, _group, &own, window) != 0) return false;
        }

        // Of its own a window ends the job where a call fails.
        if (_library.SetWindowErrorHandler(_window, _library.ErrorsReturn) != 0) return false;

        *(long*)own = 0;
        return true;
    }

    private bool Find()
    {
        for (var rank = 0; rank < _windows.Length; rank++)
        {
            nint bytes;
            int unit;
            void* start;
            if (_library.FindWindow(_window, rank, &bytes, &unit, &start) != 0 || bytes < HeaderBytes + (Length * sizeof(float))) return false;
            _windows[rank] = (byte*)start;
        }

        return true;
    }

    private void LetMessagesGoOn()
    {
        int isThere;
        var status = stackalloc byte[StatusRoom];
        _ = _library.Probe(_rank, 0, _library.World, &isThere, status);
    }
}
