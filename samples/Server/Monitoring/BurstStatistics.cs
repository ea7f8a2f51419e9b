using AdaptiveSoftmax;

namespace ServerSample;

/// <summary>What bursts have cost since the start. Safe from several threads at once.</summary>
internal sealed class BurstStatistics(BurstWatch watch)
{
    private readonly Lock _lock = new();
    private readonly DecodeTally _tokens = new();
    private long _bursts;
    private long _requests;
    private long _burstRequests;
    private long _unseenRequests;

    /// <summary>The policy's name; null where there is none.</summary>
    public string? Policy => watch.Options?.Name;

    public void Began()
    {
        lock (_lock) _bursts++;
    }

    public void Stepped(ReadOnlySpan<DecodedToken> tokens, bool isBurst)
    {
        lock (_lock)
        {
            foreach (var token in tokens) _tokens.Add(token, isBurst);
        }
    }

    public void Ended(DecodeTally decoded)
    {
        if (decoded.Tokens == 0) return;
        lock (_lock)
        {
            _requests++;
            if (decoded.BurstTokens > 0) _burstRequests++;
            if (decoded.UnseenTokens > 0) _unseenRequests++;
        }
    }

    /// <summary>What the page shows; null where there is no policy.</summary>
    public BurstSnapshot? Snapshot()
    {
        if (watch.Options is not { } options) return null;
        lock (_lock)
        {
            return new BurstSnapshot(
                options.Name, watch.IsBurst, options.Queue, options.Wait.TotalMilliseconds, _bursts, _tokens.Tokens, _tokens.BurstTokens, _tokens.UnseenTokens,
                _tokens.BurstTokens == 0 ? 0 : _tokens.UnseenMass / _tokens.BurstTokens, _requests, _burstRequests, _unseenRequests);
        }
    }
}
