using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace ServerSample;

/// <summary>Live as long as the thread that steps is there: without it nobody would be answered.</summary>
internal sealed class LiveCheck(BatchEngine engine) : IHealthCheck
{
    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default) =>
        Task.FromResult(engine.IsAlive ? HealthCheckResult.Healthy() : new HealthCheckResult(context.Registration.FailureStatus, "The thread that steps has ended."));
}

/// <summary>Ready until the server shuts down: the model is loaded before it listens.</summary>
internal sealed class ReadyCheck(BatchEngine engine) : IHealthCheck
{
    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default) =>
        Task.FromResult(engine.IsClosed ? new HealthCheckResult(context.Registration.FailureStatus, "The server is shutting down.") : HealthCheckResult.Healthy());
}
