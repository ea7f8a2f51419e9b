using System.Diagnostics;
using System.IO.Pipelines;

namespace ServerSample;

/// <summary>The answer's client did not read in time.</summary>
internal sealed class UnreadException : Exception;

/// <summary>How long an answer may yet wait for its client to read. What the transport holds is bounded, so that to send is to wait for the client.</summary>
/// <param name="left">The time, of all waits together.</param>
internal sealed class ReadAllowance(TimeSpan left)
{
    private TimeSpan _left = left;

    /// <summary>Sends what was written.</summary>
    /// <exception cref="UnreadException">The time is over. What was written is still on its way.</exception>
    /// <exception cref="OperationCanceledException">The client has left.</exception>
    public async ValueTask FlushAsync(PipeWriter writer, CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        // A token given to the flush would break the connection, and no last event could say why.
        var flush = writer.FlushAsync(CancellationToken.None);
        if (flush.IsCompleted)
        {
            await flush;
            return;
        }

        var start = Stopwatch.GetTimestamp();
        try
        {
            await flush.AsTask().WaitAsync(_left, cancellation);
        }
        catch (TimeoutException)
        {
            throw new UnreadException();
        }

        _left -= TimeSpan.FromTicks(Math.Min(_left.Ticks, Stopwatch.GetElapsedTime(start).Ticks));
    }

    /// <summary>Sends a whole answer.</summary>
    /// <param name="send">Sends it, and stops where its token says so.</param>
    /// <param name="cancellation">Says that the client has left.</param>
    /// <exception cref="UnreadException">The time is over, and the connection broken.</exception>
    /// <exception cref="OperationCanceledException">The client has left.</exception>
    public async Task SendAsync(Func<CancellationToken, Task> send, CancellationToken cancellation)
    {
        using var limit = new CancellationTokenSource(_left);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellation);
        try
        {
            await send(either.Token);
        }
        catch (OperationCanceledException) when (limit.IsCancellationRequested)
        {
        }

        if (limit.IsCancellationRequested) throw new UnreadException();
    }
}
