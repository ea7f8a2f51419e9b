namespace AdaptiveSoftmax;

/// <summary>
/// Lends what a call needs and takes it back for the next call. What no call has needed for a while is disposed of, so that
/// a moment of many callers does not hold memory for ever. Safe to use from several threads.
/// </summary>
/// <typeparam name="T">What is lent.</typeparam>
internal sealed class IdlePool<T> : IDisposable
    where T : class, IDisposable
{
    // Long against the pauses between calls, short against those in which memory is missed elsewhere.
    private static readonly TimeSpan Period = TimeSpan.FromSeconds(10);

    private readonly Func<T> _create;
    private readonly Type _owner;

    // The last one returned is the next one lent, so those in front have been idle longest.
    private readonly List<T> _free = [];
    private readonly Timer _timer;
    private int _fewest;
    private bool _isTimed;
    private bool _disposed;

    /// <summary>An empty pool.</summary>
    /// <param name="create">Makes one more.</param>
    /// <param name="owner">Who is disposed with it, for the error of a call that comes later.</param>
    public IdlePool(Func<T> create, Type owner)
    {
        _create = create;
        _owner = owner;
        _timer = new Timer(static pool => ((IdlePool<T>)pool!).TrimInTime(), this, Timeout.Infinite, Timeout.Infinite);
    }

    /// <summary>The sum of a measure over those that wait for the next call.</summary>
    public long SumFree(Func<T, long> measure)
    {
        lock (_free) return _free.Sum(measure);
    }

    public T Rent()
    {
        lock (_free)
        {
            ObjectDisposedException.ThrowIf(_disposed, _owner);
            if (_free.Count > 0)
            {
                var last = _free[^1];
                _free.RemoveAt(_free.Count - 1);
                _fewest = Math.Min(_fewest, _free.Count);
                return last;
            }
        }

        return _create();
    }

    public void Return(T item)
    {
        lock (_free)
        {
            if (!_disposed)
            {
                _free.Add(item);
                StartTimer();
                return;
            }
        }

        item.Dispose();
    }

    /// <summary>Disposes of what no call has needed since the last time.</summary>
    public void Trim()
    {
        T[] idle;
        lock (_free)
        {
            idle = [.. _free.Take(_fewest)];
            _free.RemoveRange(0, _fewest);
            _fewest = _free.Count;
        }

        foreach (var item in idle) item.Dispose();
    }

    public void Dispose()
    {
        lock (_free)
        {
            _disposed = true;
            foreach (var item in _free) item.Dispose();
            _free.Clear();
            _fewest = 0;
        }

        _timer.Dispose();
    }

    private void TrimInTime()
    {
        lock (_free) _isTimed = false;
        Trim();
        lock (_free)
        {
            if (_free.Count > 0 && !_disposed) StartTimer();
        }
    }

    // It runs only while there is something to dispose of, so that a forgotten pool can be collected.
    private void StartTimer()
    {
        if (_isTimed) return;
        _isTimed = true;
        _timer.Change(Period, Timeout.InfiniteTimeSpan);
    }
}
