namespace AdaptiveSoftmax;

/// <summary>Lends a <see cref="Scratch"/> to each call in progress and takes it back for the next.</summary>
/// <param name="owner">Who is disposed with it, for the error of a call that comes later.</param>
internal sealed class ScratchPool(Type owner) : IDisposable
{
    private readonly Stack<Scratch> _free = new();
    private bool _disposed;

    /// <summary>The bytes of working memory that wait for the next call.</summary>
    public long FreeBytes
    {
        get
        {
            lock (_free) return _free.Sum(scratch => scratch.Count) * sizeof(float);
        }
    }

    public Scratch Rent()
    {
        lock (_free)
        {
            ObjectDisposedException.ThrowIf(_disposed, owner);
            return _free.TryPop(out var scratch) ? scratch : new Scratch();
        }
    }

    public void Return(Scratch scratch)
    {
        scratch.Reset();
        lock (_free)
        {
            if (!_disposed)
            {
                _free.Push(scratch);
                return;
            }
        }

        scratch.Dispose();
    }

    public void Dispose()
    {
        lock (_free)
        {
            _disposed = true;
            while (_free.TryPop(out var scratch)) scratch.Dispose();
        }
    }
}
