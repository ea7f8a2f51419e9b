using AdaptiveSoftmax;

namespace ServerSample;

/// <summary>How a request ended that was accepted.</summary>
internal enum Outcome
{
    /// <summary>Its whole answer was sent.</summary>
    Completed,

    /// <summary>Its client left.</summary>
    Cancelled,

    /// <summary>Its client did not read it in time.</summary>
    Unread,

    /// <summary>It ended with an error.</summary>
    Failed,
}

/// <summary>Passes on what steps do, to the metrics and to the page.</summary>
internal sealed partial class EngineReports(ServerMetrics metrics, LiveStatistics live, BurstStatistics bursts, ILogger<EngineReports> logger) : IEngineObserver
{
    public void Stepped(TimeSpan duration, ReadOnlySpan<DecodedToken> tokens, bool isBurst)
    {
        metrics.Stepped(duration, tokens, isBurst);
        live.Stepped(duration, tokens);
        bursts.Stepped(tokens, isBurst);
    }

    public void BurstChanged(bool isBurst)
    {
        if (isBurst)
        {
            metrics.BurstBegan();
            bursts.Began();
            LogBurst(bursts.Policy);
        }
        else
        {
            LogCalm();
        }
    }

    public void FirstToken(TimeSpan elapsed)
    {
        metrics.FirstToken(elapsed);
        live.FirstToken(elapsed);
    }

    public void StepFailed(Exception exception) => LogStepFailed(exception);

    [LoggerMessage(LogLevel.Warning, "A burst: tokens are decoded by the policy {Policy} until the queue is short again.")]
    private partial void LogBurst(string? policy);

    [LoggerMessage(LogLevel.Information, "The burst is over; tokens are decoded as requests ask.")]
    private partial void LogCalm();

    [LoggerMessage(LogLevel.Error, "A step failed; all requests of its batch end with an error.")]
    private partial void LogStepFailed(Exception exception);
}

/// <summary>Passes on what becomes of requests, to the metrics, to the page and to the watch for drift.</summary>
internal sealed class RequestReports(ServerMetrics metrics, LiveStatistics live, BurstStatistics bursts, DriftWatch drift)
{
    public void Refused(int status)
    {
        metrics.Refused(status);
        live.Refused();
    }

    public void Ended(Generation generation, Outcome outcome, string? user)
    {
        metrics.Ended(generation, outcome);
        live.Ended(generation.Elapsed, outcome);
        bursts.Ended(generation.Decoded);
        drift.Observe(generation, user);
    }
}
