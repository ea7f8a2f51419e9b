using System.Text.Json.Serialization;

namespace ServerSample;

/// <summary>What the page shows.</summary>
internal sealed record MonitorSnapshot
{
    public required string Model { get; init; }

    /// <summary>Changes with the weights.</summary>
    public required string Fingerprint { get; init; }

    public required double UptimeSeconds { get; init; }

    public required bool IsShuttingDown { get; init; }

    /// <summary>Continuations in the batch, and how many it holds.</summary>
    public required int Active { get; init; }

    public required int MaxBatch { get; init; }

    /// <summary>Continuations in the queue, and how many it holds.</summary>
    public required int Waiting { get; init; }

    public required int MaxQueue { get; init; }

    /// <summary>Continuations that wait for their client to read.</summary>
    public required int Paused { get; init; }

    /// <summary>Continuations that are made, but not yet sent.</summary>
    public required int Unsent { get; init; }

    public required LiveSnapshot Live { get; init; }

    /// <summary>What bursts have cost; null where no policy is given for them.</summary>
    public required BurstSnapshot? Burst { get; init; }

    /// <summary>The stability index, over clusters or over frequencies, from which there is drift.</summary>
    public required double StabilityThreshold { get; init; }

    /// <summary>The divergence from which there is drift.</summary>
    public required double DivergenceThreshold { get; init; }

    public required IReadOnlyList<DriftSnapshot> Drift { get; init; }
}

/// <summary>What happened lately and since the start.</summary>
/// <param name="TokensPerSecond">The tokens made in each of the last seconds, oldest first; the second under way is not among them.</param>
/// <param name="RowsPerStep">The mean size of a batch in that time; 0 where there was no step.</param>
/// <param name="Completed">Requests answered since the start.</param>
/// <param name="Refused">Requests refused since the start: full, too large, wrong.</param>
/// <param name="Cancelled">Requests whose client left.</param>
/// <param name="Unread">Requests whose client did not read in time.</param>
/// <param name="Failed">Requests that failed.</param>
/// <param name="FirstToken">The time to the first token, of the latest requests.</param>
/// <param name="Request">The duration of the latest answered requests.</param>
/// <param name="Clusters">The head's shortlist, then the tails.</param>
internal sealed record LiveSnapshot(
    IReadOnlyList<long> TokensPerSecond,
    double RowsPerStep,
    long Completed,
    long Refused,
    long Cancelled,
    long Unread,
    long Failed,
    LatencySnapshot? FirstToken,
    LatencySnapshot? Request,
    IReadOnlyList<ClusterSnapshot> Clusters);

/// <summary>The policy of bursts, and what it has cost since the start.</summary>
/// <param name="Policy">Its name.</param>
/// <param name="IsInForce">Whether there is a burst now.</param>
/// <param name="Queue">The continuations that wait from which on there is a burst.</param>
/// <param name="WaitMilliseconds">The time that one has waited from which on there is a burst.</param>
/// <param name="Bursts">The bursts that began.</param>
/// <param name="Tokens">All tokens.</param>
/// <param name="BurstTokens">Those made under the policy.</param>
/// <param name="UnseenTokens">Those for which a tail was left out that could have mattered.</param>
/// <param name="UnseenMass">The probability of what was left out, the mean over the tokens made under the policy.</param>
/// <param name="Requests">All requests that got tokens and have ended.</param>
/// <param name="BurstRequests">Those that got tokens under the policy.</param>
/// <param name="UnseenRequests">Those for which something was left out.</param>
internal sealed record BurstSnapshot(
    string Policy,
    bool IsInForce,
    int Queue,
    double WaitMilliseconds,
    long Bursts,
    long Tokens,
    long BurstTokens,
    long UnseenTokens,
    double UnseenMass,
    long Requests,
    long BurstRequests,
    long UnseenRequests);

/// <summary>Percentiles in milliseconds.</summary>
internal sealed record LatencySnapshot(int Count, double P50, double P90, double P99);

/// <summary>The tokens found in a cluster.</summary>
/// <param name="Name"><c>head</c>, <c>tail0</c> and so on.</param>
/// <param name="Tokens">Their number since the start.</param>
/// <param name="Latency">The time of the steps that made the latest of them.</param>
/// <param name="TailsVisited">How many of them needed no tail, one tail, and so on, [tails + 1].</param>
internal sealed record ClusterSnapshot(string Name, long Tokens, LatencySnapshot? Latency, IReadOnlyList<long> TailsVisited);

/// <summary>How a tag's tokens differ from those that the clusters were planned for.</summary>
/// <param name="Tag">The user that the requests named; empty for those that named none.</param>
/// <param name="Tokens">The tokens in its window.</param>
/// <param name="MinimumTokens">How many it takes to judge.</param>
/// <param name="ClusterStability">The population stability index over clusters.</param>
/// <param name="FrequencyStability">The population stability index over tenths of the expected occurrences.</param>
/// <param name="Divergence">The Jensen-Shannon divergence above sampling noise, in nats.</param>
/// <param name="IsDrifted">Whether drift was found and has not ended.</param>
/// <param name="Expected">The expected share of each cluster.</param>
/// <param name="Observed">The observed share of each cluster.</param>
/// <param name="Risen">The tokens that add most to the divergence.</param>
internal sealed record DriftSnapshot(
    string Tag,
    long Tokens,
    int MinimumTokens,
    double ClusterStability,
    double FrequencyStability,
    double Divergence,
    bool IsDrifted,
    IReadOnlyList<double> Expected,
    IReadOnlyList<double> Observed,
    IReadOnlyList<string> Risen);

/// <summary>The page's JSON.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(MonitorSnapshot))]
internal sealed partial class MonitorJson : JsonSerializerContext;
