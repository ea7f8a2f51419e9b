namespace AdaptiveSoftmax;

/// <summary>Lends a <see cref="Scratch"/> to each call in progress and takes it back for the next.</summary>
internal sealed class ScratchPool : IDisposable
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
            ObjectDisposedException.ThrowIf(_disposed, typeof(AdaptiveSoftmaxLayer));
            return _free.TryPop(out var scratch) ? scratch : new Scratch();
        }
    }

    public void Return(Scratch scratch)
    {
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
