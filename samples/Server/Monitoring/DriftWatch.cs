using System.Diagnostics.CodeAnalysis;
using AdaptiveSoftmax;

namespace ServerSample;

/// <summary>
/// Watches whether the tokens that pass through the server, of prompts and of answers, are still those that the clusters
/// were planned for, by the <c>user</c> that requests name. Users are strings of clients', of which there is no end: a new
/// one takes the place of the one that was away for longest.
/// </summary>
internal sealed partial class DriftWatch : IDisposable
{
    private const int RisenTokens = 6;

    // Judging a full window takes milliseconds, and there may be dozens of them; the page asks every second.
    private static readonly TimeSpan s_refresh = TimeSpan.FromSeconds(3);

    private readonly CurrentModel _models;
    private readonly DriftOptions _options;
    private readonly ILogger<DriftWatch> _logger;
    private readonly Lock _lock = new();
    private readonly TimeProvider _time;
    private readonly List<string> _users = [];
    private IReadOnlyList<DriftSnapshot> _snapshot = [];
    private long? _taken;

    public DriftWatch(CurrentModel models, DriftOptions options, TimeProvider time, ILogger<DriftWatch> logger)
    {
        (_models, _options, _time, _logger) = (models, options, time, logger);
        Restart();
        models.Replaced += Restart;
    }

    /// <summary>Judges against what the current model's clusters were planned for. With a new model the windows begin anew.</summary>
    public DriftMonitor Monitor { get; private set; }

    public void Dispose() => _models.Replaced -= Restart;

    /// <summary>Counts the tokens of a request.</summary>
    public void Observe(Generation generation, string? user)
    {
        Touch(user ?? "");
        var monitor = Monitor;
        foreach (var prompt in generation.Options.Prompts) monitor.Observe(prompt, user);
        foreach (var sequence in generation.Sequences) monitor.Observe(sequence.Tokens, user);
    }

    /// <summary>How each tag stands, at most a few seconds ago.</summary>
    public IReadOnlyList<DriftSnapshot> Snapshot()
    {
        lock (_lock)
        {
            if (_taken is { } taken && _time.GetElapsedTime(taken) < s_refresh) return _snapshot;
            _taken = _time.GetTimestamp();
            return _snapshot = [.. Monitor.Tags.Select(tag => Describe(Monitor.Snapshot(tag)))];
        }
    }

    [MemberNotNull(nameof(Monitor))]
    private void Restart()
    {
        var monitor = new DriftMonitor(_models.Model.Baseline, _options);
        monitor.DriftDetected += (_, found) => LogDrift(found.Report.Tag, found.Report.ClusterStability, found.Report.FrequencyStability, found.Report.ExcessJensenShannon);
        lock (_lock)
        {
            Monitor = monitor;
            _users.Clear();
            _taken = null;
        }
    }

    // Oldest first. There are dozens at most, and a request takes far longer than to look through them.
    private void Touch(string user)
    {
        lock (_lock)
        {
            if (!_users.Remove(user) && _users.Count == _options.MaximumTags)
            {
                Monitor.Forget(_users[0]);
                _users.RemoveAt(0);
            }

            _users.Add(user);
        }
    }

    private DriftSnapshot Describe(DriftReport report) => new(
        report.Tag,
        report.Tokens,
        _options.MinimumTokens,
        report.ClusterStability,
        report.FrequencyStability,
        report.ExcessJensenShannon,
        report.IsDrifted,
        [.. report.Clusters.Select(cluster => cluster.ExpectedShare)],
        [.. report.Clusters.Select(cluster => cluster.ObservedShare)],
        [.. report.Risen.Take(RisenTokens).Select(token => TokenText.Of(_models.Model.Tokenizer.Vocabulary.GetToken(token.TokenId)))]);

    [LoggerMessage(LogLevel.Warning, "The tokens of user '{Tag}' have drifted from what the clusters were planned for: stability over clusters {Clusters:F3}, over frequencies {Frequencies:F3}, divergence {Divergence:F3}.")]
    private partial void LogDrift(string tag, double clusters, double frequencies, double divergence);
}
