using System.Diagnostics.Metrics;
using AdaptiveSoftmax;
using Tag = System.Collections.Generic.KeyValuePair<string, object?>;

namespace ServerSample;

/// <summary>The server's instruments, beside the library's own. Where OpenTelemetry has a name for a measure of generative models, it is used.</summary>
internal sealed class ServerMetrics
{
    public const string MeterName = "AdaptiveSoftmax.Server";

    private readonly Histogram<double> _requestDuration;
    private readonly Histogram<double> _firstToken;
    private readonly Histogram<double> _tokenDuration;
    private readonly Histogram<int> _batchSize;
    private readonly Counter<long> _tokens;
    private readonly Counter<long> _refused;
    private readonly Counter<long> _burstTokens;
    private readonly Counter<double> _unseenMass;
    private readonly Counter<long> _burstRequests;
    private readonly Counter<long> _bursts;
    private readonly Tag _policy;
    private readonly Tag _model;
    private Tag[] _clusters = [];

    public ServerMetrics(IMeterFactory meters, string model, BurstWatch burst, Func<BatchEngine> engine)
    {
        var meter = meters.Create(MeterName);
        _model = new Tag("gen_ai.request.model", model);
        _requestDuration = meter.CreateHistogram("gen_ai.server.request.duration", "s", "Time from the acceptance of a request to the end of its answer, by outcome.", null, Seconds(1e-3, 60));
        _firstToken = meter.CreateHistogram("gen_ai.server.time_to_first_token", "s", "Time from the acceptance of a request to its first token.", null, Seconds(1e-3, 10));
        _tokenDuration = meter.CreateHistogram("adaptive_softmax.server.token.duration", "s", "Time of the step that made a token, by the cluster that the token was found in.", null, Seconds(1e-4, 1));
        _batchSize = meter.CreateHistogram("adaptive_softmax.server.batch.size", "{sequence}", "Continuations that share a step.", null, new InstrumentAdvice<int> { HistogramBucketBoundaries = [1, 2, 4, 8, 16, 32, 64, 128, 256] });
        _tokens = meter.CreateCounter<long>("adaptive_softmax.server.tokens", "{token}", "Tokens of prompts and of answers, by type.");
        _refused = meter.CreateCounter<long>("adaptive_softmax.server.refused", "{request}", "Requests that were refused, by HTTP status.");
        _policy = new Tag("policy", burst.Options?.Name ?? "none");
        _bursts = meter.CreateCounter<long>("adaptive_softmax.server.bursts", "{burst}", "Bursts that began.");
        _burstTokens = meter.CreateCounter<long>("adaptive_softmax.server.burst.tokens", "{token}", "Tokens made under a burst's policy.");
        _unseenMass = meter.CreateCounter<double>("adaptive_softmax.server.burst.unseen_mass", "{probability}", "Probability of tails that could have mattered and were left out, summed over those tokens.");
        _burstRequests = meter.CreateCounter<long>("adaptive_softmax.server.burst.requests", "{request}", "Requests with tokens made under a burst's policy, by whether something was left out.");
        if (burst.Options is not null) meter.CreateObservableGauge("adaptive_softmax.server.burst.in_force", () => new Measurement<int>(burst.IsBurst ? 1 : 0, _policy), "{policy}", "Whether the policy of bursts is in force.");
        meter.CreateObservableGauge("adaptive_softmax.server.active", () => engine().Active, "{sequence}", "Continuations in the batch.");
        meter.CreateObservableGauge("adaptive_softmax.server.waiting", () => engine().Waiting, "{sequence}", "Continuations in the queue.");
        meter.CreateObservableGauge("adaptive_softmax.server.paused", () => engine().Paused, "{sequence}", "Continuations that wait for their client to read.");
        meter.CreateObservableGauge("adaptive_softmax.server.unsent", () => engine().Unsent, "{sequence}", "Continuations that are made, but not yet sent.");
    }

    public void Stepped(TimeSpan duration, ReadOnlySpan<DecodedToken> tokens, bool isBurst)
    {
        _batchSize.Record(tokens.Length);
        foreach (var token in tokens) _tokenDuration.Record(duration.TotalSeconds, ClusterTag(token.Cluster));
        if (!isBurst) return;
        _burstTokens.Add(tokens.Length, _policy);
        var unseen = 0.0;
        foreach (var token in tokens) unseen += token.UnseenMass;
        _unseenMass.Add(unseen, _policy);
    }

    public void BurstBegan() => _bursts.Add(1, _policy);

    public void FirstToken(TimeSpan elapsed) => _firstToken.Record(elapsed.TotalSeconds, _model);

    public void Refused(int status) => _refused.Add(1, new Tag("http.response.status_code", status));

    public void Ended(Generation generation, Outcome outcome)
    {
        _requestDuration.Record(generation.Elapsed.TotalSeconds, _model, new Tag("outcome", NameOf(outcome)));
        if (generation.Decoded.BurstTokens > 0) _burstRequests.Add(1, _policy, new Tag("unseen", generation.Decoded.UnseenTokens > 0 ? "some" : "none"));
        _tokens.Add(generation.PromptTokens, new Tag("type", "prompt"));
        _tokens.Add(generation.CompletionTokens, new Tag("type", "completion"));
    }

    // A model that takes another's place may have more clusters.
    private Tag ClusterTag(int index)
    {
        if (index >= _clusters.Length) _clusters = [.. Enumerable.Range(0, index + 1).Select(each => new Tag("cluster", ClusterNames.Of(each)))];
        return _clusters[index];
    }

    private static string NameOf(Outcome outcome) => outcome switch
    {
        Outcome.Completed => "completed",
        Outcome.Cancelled => "cancelled",
        Outcome.Unread => "unread",
        _ => "failed",
    };

    // 1, 2, 5 in each decade: OpenTelemetry's own bounds are meant for milliseconds.
    private static InstrumentAdvice<double> Seconds(double from, double to)
    {
        var bounds = new List<double>();
        for (var decade = from; decade <= to; decade *= 10) bounds.AddRange(new[] { decade, 2 * decade, 5 * decade }.Where(bound => bound <= to));
        return new InstrumentAdvice<double> { HistogramBucketBoundaries = bounds };
    }
}
