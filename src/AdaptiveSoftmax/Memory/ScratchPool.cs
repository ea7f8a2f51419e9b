namespace AdaptiveSoftmax;

/// <summary>Lends a <see cref="Scratch"/> to each call in progress and takes it back for the next.</summary>
/// <param name="owner">Who is disposed with it, for the error of a call that comes later.</param>
/// <param name="leases">The memory that such a call works in besides; null for none.</param>
internal sealed class ScratchPool(Type owner, MemoryLeases? leases = null) : IDisposable
{
    private readonly IdlePool<Scratch> _pool = new(static () => new Scratch(), owner);

    /// <summary>The bytes of working memory that wait for the next call.</summary>
    public long FreeBytes => _pool.SumFree(static scratch => scratch.Count) * sizeof(float);

    public Scratch Rent()
    {
        leases?.Take();
        try
        {
            return _pool.Rent();
        }
        catch
        {
            leases?.End();
            throw;
        }
    }

    public void Return(Scratch scratch)
    {
        scratch.Reset();
        _pool.Return(scratch);
        leases?.End();
    }

    /// <inheritdoc cref="IdlePool{T}.Trim"/>
    public void Trim() => _pool.Trim();

    public void Dispose() => _pool.Dispose();
}
