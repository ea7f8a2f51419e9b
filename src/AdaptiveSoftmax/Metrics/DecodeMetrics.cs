using System.Diagnostics;
using System.Diagnostics.Metrics;
using System.Runtime.CompilerServices;

namespace AdaptiveSoftmax;

/// <summary>
/// What decoding reports: instruments of the meter <see cref="Instrumentation.MeterName"/>, and activities. Nothing here
/// allocates; while nobody listens, a decode step pays for one call of <see cref="Start"/> and a branch on its result.
/// </summary>
internal static class DecodeMetrics
{
    // OpenTelemetry's own limits are meant for milliseconds and would put every step into the first two buckets.
    private static readonly InstrumentAdvice<double> s_seconds = new()
    {
        HistogramBucketBoundaries = [10e-6, 20e-6, 50e-6, 100e-6, 200e-6, 500e-6, 1e-3, 2e-3, 5e-3, 10e-3, 20e-3, 50e-3, 100e-3, 200e-3, 500e-3, 1],
    };

    private static readonly string s_version = typeof(DecodeMetrics).Assembly.GetName().Version!.ToString(3);

    internal static readonly Meter Meter = new(Instrumentation.MeterName, s_version);

    private static readonly Histogram<double> s_duration = Meter.CreateHistogram("adaptive_softmax.decode.duration", "s", "Time to decode one token, by the cluster that the token was found in.", tags: null, s_seconds);
    private static readonly Histogram<double> s_batchDuration = Meter.CreateHistogram("adaptive_softmax.decode.batch.duration", "s", "Time to decode a batch of tokens in one call.", tags: null, s_seconds);
    private static readonly Counter<long> s_tokens = Meter.CreateCounter<long>("adaptive_softmax.decode.tokens", "{token}", "Decoded tokens, by the cluster that each was found in.");
    private static readonly Counter<long> s_tailsVisited = Meter.CreateCounter<long>("adaptive_softmax.decode.tails_visited", "{tail}", "Tails that were computed, by the cluster that the token was found in. Over the tokens of the same cluster: tails a token.");
    private static readonly Counter<long> s_approximate = Meter.CreateCounter<long>("adaptive_softmax.decode.approximate", "{token}", "Tokens that a policy decoded without the tails that an exact result would have needed.");
    private static readonly Counter<long> s_targets = Meter.CreateCounter<long>("adaptive_softmax.target.tokens", "{token}", "Known targets, by the cluster that holds the target.");
    private static readonly Counter<long> s_correct = Meter.CreateCounter<long>("adaptive_softmax.target.correct", "{token}", "Known targets that were predicted, by the cluster that holds the target.");
    private static readonly Counter<long> s_cacheLookups = Meter.CreateCounter<long>("adaptive_softmax.cache.lookups", "{lookup}", "Look-ups in a decode cache, by result.");

    /// <summary>Activities of whole operations, such as a beam search. Decoding a token is too short to be one.</summary>
    public static ActivitySource ActivitySource { get; } = new(Instrumentation.ActivitySourceName, s_version);

    /// <summary>Whether anybody listens to what <see cref="Record"/> and <see cref="RecordBatch"/> report.</summary>
    public static bool IsHeard
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => s_duration.Enabled | s_tokens.Enabled | s_tailsVisited.Enabled | s_batchDuration.Enabled;
    }

    /// <summary>Begins the measurement of a decode step.</summary>
    /// <returns>A timestamp for <see cref="Record"/>, or 0 where nobody listens.</returns>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static long Start() => IsHeard ? Stopwatch.GetTimestamp() : 0;

    /// <summary>Reports one decoded token.</summary>
    /// <param name="start">What <see cref="Start"/> gave; 0 reports nothing.</param>
    /// <param name="tags">The layer's tags.</param>
    /// <param name="cluster">Where the token was found: 0 for the head's shortlist, i + 1 for tail cluster i.</param>
    /// <param name="tailsVisited">The number of tails that were computed.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Record(long start, LayerTags tags, int cluster, int tailsVisited)
    {
        if (start != 0) RecordHeard(start, tags, cluster, tailsVisited);
    }

    /// <summary>Reports a batch that was decoded in one call: its duration, and tokens and tails by cluster.</summary>
    /// <param name="start">What <see cref="Start"/> gave; 0 reports nothing.</param>
    /// <param name="tags">The layer's tags.</param>
    /// <param name="tally">Tokens and tails by cluster.</param>
    public static void RecordBatch(long start, LayerTags tags, ClusterTally tally)
    {
        if (start == 0) return;
        s_batchDuration.Record(Stopwatch.GetElapsedTime(start).TotalSeconds, tags.Layer);
        for (var cluster = 0; cluster < tally.Tokens.Length; cluster++)
        {
            if (tally.Tokens[cluster] > 0) s_tokens.Add(tally.Tokens[cluster], tags.Cluster(cluster));
            if (tally.TailsVisited[cluster] > 0) s_tailsVisited.Add(tally.TailsVisited[cluster], tags.Cluster(cluster));
        }
    }

    /// <summary>Reports targets that were known, which gives the accuracy of a cluster.</summary>
    /// <param name="tags">The layer's tags.</param>
    /// <param name="cluster">What holds the targets: 0 for the head's shortlist, i + 1 for tail cluster i.</param>
    /// <param name="targets">The number of targets.</param>
    /// <param name="correct">How many of them were predicted.</param>
    public static void RecordTargets(LayerTags tags, int cluster, long targets, long correct)
    {
        s_targets.Add(targets, tags.Cluster(cluster));
        s_correct.Add(correct, tags.Cluster(cluster));
    }

    /// <summary>Reports tokens that a policy decoded approximately.</summary>
    /// <param name="tags">The layer's tags.</param>
    /// <param name="policy">The policy's name, a constant.</param>
    /// <param name="tokens">The number of tokens.</param>
    public static void RecordApproximate(LayerTags tags, string policy, long tokens = 1)
    {
        if (s_approximate.Enabled) s_approximate.Add(tokens, tags.Layer[0], new KeyValuePair<string, object?>("policy", policy));
    }

    /// <summary>Reports a look-up in a cache.</summary>
    /// <param name="tags">The cache's name and the result.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void RecordCacheLookup(KeyValuePair<string, object?>[] tags)
    {
        if (s_cacheLookups.Enabled) s_cacheLookups.Add(1, tags);
    }

    /// <summary>Begins an activity for a whole operation; null where nobody listens.</summary>
    /// <param name="operation">What is done, a constant such as <c>adaptive_softmax.beam_search</c>.</param>
    /// <param name="tags">The layer's tags.</param>
    public static Activity? StartActivity(string operation, LayerTags tags) =>
        ActivitySource.StartActivity(operation)?.SetTag("softmax", tags.Softmax);

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void RecordHeard(long start, LayerTags tags, int cluster, int tailsVisited)
    {
        var clusterTags = tags.Cluster(cluster);
        s_duration.Record(Stopwatch.GetElapsedTime(start).TotalSeconds, clusterTags);
        s_tokens.Add(1, clusterTags);
        if (tailsVisited > 0) s_tailsVisited.Add(tailsVisited, clusterTags);
    }
}
