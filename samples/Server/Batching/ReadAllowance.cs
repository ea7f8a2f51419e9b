using System.Diagnostics;
using System.IO.Pipelines;

namespace ServerSample;

/// <summary>The answer's client did not read in time.</summary>
/// <param name="waited">How long the answer waited for it, in all.</param>
/// <param name="isContested">Whether others found no place meanwhile.</param>
internal sealed class UnreadException(TimeSpan waited, bool isContested) : Exception
{
    public TimeSpan Waited => waited;

    public bool IsContested => isContested;
}

/// <summary>How long an answer may wait for its client to read. What the transport holds is bounded, so that to send is to wait for the client.</summary>
/// <param name="limit">The time, of all waits together.</param>
internal sealed class ReadAllowance(TimeSpan limit)
{
    private readonly Lock _gate = new();
    private Action? _breakOff;
    private bool _isContested;
    private long _waitedTicks;
    private long _waitingSince;

    /// <summary>The time of all waits that are over.</summary>
    private TimeSpan Over => TimeSpan.FromTicks(Volatile.Read(ref _waitedTicks));

    /// <summary>How long the answer has waited, if it waits now; 0 otherwise.</summary>
    public TimeSpan Waiting => Volatile.Read(ref _waitingSince) is var since && since != 0 ? Over + Stopwatch.GetElapsedTime(since) : TimeSpan.Zero;

    /// <summary>Ends a wait because others find no place.</summary>
    public void End()
    {
        lock (_gate)
        {
            _isContested = true;
            _breakOff?.Invoke();
        }
    }

    /// <summary>Sends what was written.</summary>
    /// <exception cref="UnreadException">The time is over. What was written is still on its way.</exception>
    /// <exception cref="OperationCanceledException">The client has left.</exception>
    public async ValueTask FlushAsync(PipeWriter writer, CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        // A token given to the flush would break the connection, and no last event could say why.
        var flush = writer.FlushAsync(CancellationToken.None);
        if (flush.IsCompleted && !Volatile.Read(ref _isContested))
        {
            await flush;
            return;
        }

        await WaitAsync(async token => await flush.AsTask().WaitAsync(token), cancellation);
    }

    /// <summary>Sends a whole answer.</summary>
    /// <param name="send">Sends it, and stops where its token says so.</param>
    /// <param name="cancellation">Says that the client has left.</param>
    /// <exception cref="UnreadException">The time is over, and the connection broken.</exception>
    /// <exception cref="OperationCanceledException">The client has left.</exception>
    public Task SendAsync(Func<CancellationToken, Task> send, CancellationToken cancellation) => WaitAsync(send, cancellation);

    private async Task WaitAsync(Func<CancellationToken, Task> send, CancellationToken cancellation)
    {
        var left = limit - Over;
        using var time = new CancellationTokenSource(left > TimeSpan.Zero ? left : TimeSpan.Zero);
        using var any = CancellationTokenSource.CreateLinkedTokenSource(time.Token, cancellation);
        Volatile.Write(ref _waitingSince, Stopwatch.GetTimestamp());
        try
        {
            if (TryBegin(any)) await send(any.Token);
        }
        catch (OperationCanceledException) when (IsOver())
        {
        }
        finally
        {
            lock (_gate) _breakOff = null;
        }

        var waited = Waiting;
        Volatile.Write(ref _waitedTicks, waited.Ticks);
        Volatile.Write(ref _waitingSince, 0);
        if (IsOver()) throw new UnreadException(waited, Volatile.Read(ref _isContested));

        bool IsOver() => time.IsCancellationRequested || Volatile.Read(ref _isContested);
    }

    // Whoever ends a wait holds locks, under which nothing of the answer may run.
    private bool TryBegin(CancellationTokenSource wait)
    {
        lock (_gate)
        {
            if (_isContested) return false;
            _breakOff = () => _ = wait.CancelAsync();
            return true;
        }
    }
}
