using System.Diagnostics;
using AdaptiveSoftmax;

namespace ServerSample;

/// <summary>What the page shows of the last minute and since the start. Safe from several threads at once.</summary>
internal sealed class LiveStatistics
{
    private const int Seconds = 60;
    private const int TokensKept = 2048;
    private const int RequestsKept = 512;

    private readonly Lock _lock = new();
    private readonly long _start = Stopwatch.GetTimestamp();
    private readonly List<Cluster> _clusters = [];
    private readonly LatencyWindow _firstToken = new(RequestsKept);
    private readonly LatencyWindow _request = new(RequestsKept);
    private readonly long[] _outcomes = new long[Enum.GetValues<Outcome>().Length];

    // Second s of the server's life stands at s modulo the length.
    private readonly (long Second, long Tokens, long Steps)[] _seconds = new (long, long, long)[Seconds + 1];
    private long _refused;

    public LiveStatistics(int tails) => Restart(tails);

    public TimeSpan Uptime => Stopwatch.GetElapsedTime(_start);

    /// <summary>Counts by cluster anew, for a model whose clusters are others.</summary>
    public void Restart(int tails)
    {
        lock (_lock)
        {
            _clusters.Clear();
            AddClusters(tails);
        }
    }

    public void Stepped(TimeSpan duration, ReadOnlySpan<DecodedToken> tokens)
    {
        lock (_lock)
        {
            var now = (long)Uptime.TotalSeconds;
            ref var second = ref _seconds[now % _seconds.Length];
            if (second.Second != now) second = (now, 0, 0);
            second.Tokens += tokens.Length;
            second.Steps++;
            foreach (var token in tokens)
            {
                // Answers that a former model began may end with more clusters than there are now.
                if (Math.Max(token.Cluster, token.TailsVisited) is var most && most >= _clusters.Count) AddClusters(most);
                var cluster = _clusters[token.Cluster];
                cluster.Tokens++;
                cluster.TailsVisited[token.TailsVisited]++;
                cluster.Latency.Add(duration);
            }
        }
    }

    public void FirstToken(TimeSpan elapsed)
    {
        lock (_lock) _firstToken.Add(elapsed);
    }

    public void Refused()
    {
        lock (_lock) _refused++;
    }

    public void Ended(TimeSpan elapsed, Outcome outcome)
    {
        lock (_lock)
        {
            _outcomes[(int)outcome]++;
            if (outcome == Outcome.Completed) _request.Add(elapsed);
        }
    }

    public LiveSnapshot Snapshot()
    {
        lock (_lock)
        {
            var now = (long)Uptime.TotalSeconds;
            var tokens = new long[Seconds];
            var (rows, steps) = (0L, 0L);
            for (var i = 0; i < Seconds; i++)
            {
                var second = now - Seconds + i;
                if (second < 0 || _seconds[second % _seconds.Length] is var found && found.Second != second) continue;
                tokens[i] = found.Tokens;
                rows += found.Tokens;
                steps += found.Steps;
            }

            return new LiveSnapshot(
                tokens,
                steps == 0 ? 0 : (double)rows / steps,
                _outcomes[(int)Outcome.Completed],
                _refused,
                _outcomes[(int)Outcome.Cancelled],
                _outcomes[(int)Outcome.Unread],
                _outcomes[(int)Outcome.Failed],
                _firstToken.Snapshot(),
                _request.Snapshot(),
                [.. _clusters.Select((cluster, i) => new ClusterSnapshot(ClusterNames.Of(i), cluster.Tokens, cluster.Latency.Snapshot(), [.. cluster.TailsVisited]))]);
        }
    }

    private void AddClusters(int tails)
    {
        while (_clusters.Count <= tails) _clusters.Add(new Cluster());
        foreach (var cluster in _clusters)
        {
            while (cluster.TailsVisited.Count <= tails) cluster.TailsVisited.Add(0);
        }
    }

    private sealed class Cluster
    {
        public long Tokens { get; set; }

        public List<long> TailsVisited { get; } = [];

        public LatencyWindow Latency { get; } = new(TokensKept);
    }
}
