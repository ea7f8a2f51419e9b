namespace AdaptiveSoftmax;

/// <summary>
/// The working memory of deferred passes, and the logits that wait for a backward pass. These are bounded: passes whose
/// backward never comes give theirs back only when the garbage collector finds them. Safe to use from several threads.
/// </summary>
/// <param name="scratchBytes">The bytes of logits of a block of tokens.</param>
/// <param name="keptBytes">The most bytes of logits that all passes together keep.</param>
internal sealed class DeferredMemory(long scratchBytes, long keptBytes) : IDisposable
{
    private readonly ScratchPool _working = new(typeof(DeferredMemory));
    private readonly List<KeptLogits> _free = [];
    private long _bytes;
    private bool _disposed;

    /// <summary>The bytes of logits of a block of tokens.</summary>
    public long ScratchBytes => scratchBytes;

    public Scratch Rent() => _working.Rent();

    public void Return(Scratch scratch) => _working.Return(scratch);

    /// <summary>Room for so many bytes of logits; null where there is none left.</summary>
    public KeptLogits? Keep(long bytes)
    {
        lock (_free)
        {
            var fitting = _free.Where(room => room.Bytes >= bytes).MinBy(room => room.Bytes);
            if (fitting is not null)
            {
                _free.Remove(fitting);
                fitting.Scratch.Reset();
                return fitting;
            }

            while (_bytes + bytes > keptBytes && _free.Count > 0) Drop(_free[^1]);
            if (_bytes + bytes > keptBytes) return null;
            _bytes += bytes;
            return new KeptLogits(this, bytes);
        }
    }

    public void Dispose()
    {
        _working.Dispose();
        lock (_free)
        {
            _disposed = true;
            while (_free.Count > 0) Drop(_free[^1]);
        }
    }

    internal void Release(KeptLogits room)
    {
        lock (_free)
        {
            _free.Add(room);
            if (_disposed) Drop(room);
        }
    }

    private void Drop(KeptLogits room)
    {
        _free.Remove(room);
        _bytes -= room.Bytes;
        room.Scratch.Dispose();
    }
}

/// <summary>Room for the logits of a block, until its backward pass.</summary>
internal sealed class KeptLogits(DeferredMemory memory, long bytes) : IDisposable
{
    public Scratch Scratch { get; } = new();

    public long Bytes { get; } = bytes;

    /// <summary>What the forward pass left in it.</summary>
    public LogitBlock Logits { get; set; }

    /// <summary>Gives the room back.</summary>
    public void Dispose() => memory.Release(this);
}
