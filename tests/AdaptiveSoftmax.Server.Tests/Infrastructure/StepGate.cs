using Microsoft.Extensions.DependencyInjection;
using ServerSample;

namespace AdaptiveSoftmax.Server.Tests;

/// <summary>Lets the engine make only as many steps as a test allows. A step that must wait has made its tokens, but not handed them on.</summary>
internal sealed class StepGate : IEngineObserver
{
    private const int Open = int.MaxValue;

    private readonly object _lock = new();
    private EngineReports? _inner;
    private Exception? _failure;
    private int _allowed = Open;
    private int _steps;

    /// <summary>The steps that were begun.</summary>
    public int Steps => Volatile.Read(ref _steps);

    /// <summary>Holds up the next step, once it is made.</summary>
    public void Close() => Set(0);

    /// <summary>Lets so many steps pass; all if not given.</summary>
    public void Allow(int steps = Open) => Set(steps);

    /// <summary>Lets the next step fail.</summary>
    public void FailOnce(Exception exception) => Volatile.Write(ref _failure, exception);

    public void Install(IServiceCollection services) => services.AddSingleton<IEngineObserver>(provider =>
    {
        _inner = ActivatorUtilities.CreateInstance<EngineReports>(provider);
        return this;
    });

    public void Stepped(TimeSpan duration, ReadOnlySpan<DecodedToken> tokens, bool isBurst)
    {
        _inner!.Stepped(duration, tokens, isBurst);
        lock (_lock)
        {
            _steps++;
            while (_allowed == 0) Monitor.Wait(_lock);
            if (_allowed != Open) _allowed--;
        }

        if (Interlocked.Exchange(ref _failure, null) is { } failure) throw failure;
    }

    public void FirstToken(TimeSpan elapsed) => _inner!.FirstToken(elapsed);

    public void BurstChanged(bool isBurst) => _inner!.BurstChanged(isBurst);

    public void StepFailed(Exception exception) => _inner!.StepFailed(exception);

    private void Set(int allowed)
    {
        lock (_lock)
        {
            _allowed = allowed;
            Monitor.PulseAll(_lock);
        }
    }
}
