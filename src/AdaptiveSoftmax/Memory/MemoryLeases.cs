namespace AdaptiveSoftmax;

/// <summary>
/// Counts the calls that work in some memory, so that whoever gives it up while one does never takes it from under it: it is
/// freed when the last of them ends. A lease costs two operations on one number.
/// </summary>
internal sealed class MemoryLeases
{
    private readonly Lock _gate = new();
    private List<Action>? _whenUnused;
    private Type? _closedOwner;
    private Action? _check;
    private int _count;

    /// <summary>Begins a call.</summary>
    /// <exception cref="ObjectDisposedException">The memory is given up.</exception>
    public MemoryLease Take()
    {
        // Counted first: whoever gives up the memory either sees the count or is seen to have closed.
        Interlocked.Increment(ref _count);
        if (Volatile.Read(ref _closedOwner) is not { } owner)
        {
            if (_check is not null) Check();
            return new MemoryLease(this);
        }

        End();
        throw new ObjectDisposedException(owner.FullName);
    }

    /// <summary>From now on each call begins with a look at the files that the memory is in.</summary>
    public void Watch(IEnumerable<MappedFile?> files)
    {
        foreach (var file in files.OfType<MappedFile>().Distinct()) _check += file.ThrowIfChanged;
    }

    /// <summary>Refuses a call that needs none of the memory as it does one that takes a lease.</summary>
    /// <exception cref="ObjectDisposedException">The memory is given up.</exception>
    public void ThrowIfClosed()
    {
        var owner = Volatile.Read(ref _closedOwner);
        ObjectDisposedException.ThrowIf(owner is not null, owner!);
    }

    /// <summary>Refuses calls that begin from now on.</summary>
    /// <param name="owner">What is disposed, for their error.</param>
    public void Close(Type owner) => Interlocked.Exchange(ref _closedOwner, owner);

    /// <summary>Frees memory when no call is left that began before: at once, or at the end of the last one.</summary>
    public void WhenUnused(Action free)
    {
        lock (_gate) (_whenUnused ??= []).Add(free);
        Interlocked.MemoryBarrier();
        FreeUnused();
    }

    internal void End()
    {
        if (Interlocked.Decrement(ref _count) == 0 && Volatile.Read(ref _whenUnused) is not null) FreeUnused();
    }

    private void Check()
    {
        try
        {
            _check!();
        }
        catch
        {
            End();
            throw;
        }
    }

    private void FreeUnused()
    {
        List<Action>? actions;
        lock (_gate)
        {
            if (Volatile.Read(ref _count) > 0) return;
            (actions, _whenUnused) = (_whenUnused, null);
        }

        foreach (var free in actions ?? []) free();
    }
}

/// <summary>One call that works in memory. It is disposed once.</summary>
internal readonly struct MemoryLease(MemoryLeases leases) : IDisposable
{
    /// <summary>Ends the call.</summary>
    public void Dispose() => leases.End();
}
