namespace ServerSample;

/// <summary>
/// An orderly end: no new request is taken and readiness says so, while those that run or wait are answered; past the time
/// limit they end with an error. Only then does the server stop listening.
/// </summary>
internal sealed partial class Shutdown(BatchEngine engine, ServerOptions options, IHostApplicationLifetime lifetime, ILogger<Shutdown> logger) : IHostedLifecycleService
{
    private Task? _idle;

    public Task StartAsync(CancellationToken cancellationToken)
    {
        lifetime.ApplicationStopping.Register(() => _idle ??= engine.CloseAsync());
        return Task.CompletedTask;
    }

    public async Task StoppingAsync(CancellationToken cancellationToken)
    {
        _idle ??= engine.CloseAsync();
        if (engine.Active + engine.Waiting is > 0 and var left) LogWaiting(left, options.ShutdownTime.TotalSeconds);
        try
        {
            await _idle.WaitAsync(options.ShutdownTime, cancellationToken);
        }
        catch (Exception exception) when (exception is TimeoutException or OperationCanceledException)
        {
            LogEnding(engine.Active + engine.Waiting);
            engine.FailAll(ApiException.ShuttingDown());
        }
    }

    public Task StartingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    [LoggerMessage(LogLevel.Information, "Shutting down; {Sequences} continuations have {Seconds:F0} s to end.")]
    private partial void LogWaiting(int sequences, double seconds);

    [LoggerMessage(LogLevel.Warning, "The time for shutting down is over; {Sequences} continuations end with an error.")]
    private partial void LogEnding(int sequences);
}
