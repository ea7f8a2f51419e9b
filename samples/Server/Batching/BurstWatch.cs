using AdaptiveSoftmax;

namespace ServerSample;

/// <summary>
/// Tells from the queue whether there is a burst. One begins when too many wait or one waits too long; it ends when both
/// have been below a quarter of that for a while, or when nobody is left, so that the policy does not come and go with each
/// request. Not safe from several threads at once; what it reads out is.
/// </summary>
/// <param name="options">What a burst is; null where there never is one.</param>
/// <param name="time">The clock.</param>
internal sealed class BurstWatch(BurstOptions? options, TimeProvider time)
{
    private const int Share = 4;

    private volatile bool _isBurst;
    private long? _calmSince;

    /// <summary>The bounds and the policy; null where there is none.</summary>
    public BurstOptions? Options => options;

    /// <summary>Whether there is a burst now.</summary>
    public bool IsBurst => _isBurst;

    /// <summary>The policy in force; null where requests are decoded as they ask.</summary>
    public DecodePolicy? Policy => _isBurst ? options?.Policy : null;

    /// <summary>Looks at the queue between two steps.</summary>
    /// <param name="waiting">The continuations that found no place in the batch.</param>
    /// <param name="longest">How long one of them has waited at most.</param>
    /// <returns>Whether a burst began or ended.</returns>
    public bool Look(int waiting, TimeSpan longest)
    {
        if (options is null) return false;
        if (waiting >= options.Queue || (waiting > 0 && longest >= options.Wait))
        {
            _calmSince = null;
            return Set(true);
        }

        if (!_isBurst) return false;
        if (waiting > options.Queue / Share || longest > options.Wait / Share)
        {
            _calmSince = null;
            return false;
        }

        _calmSince ??= time.GetTimestamp();
        return time.GetElapsedTime(_calmSince.Value) >= options.Calm && Set(false);
    }

    /// <summary>Ends a burst because nobody is left.</summary>
    /// <returns>Whether there was one.</returns>
    public bool Rest() => Set(false);

    private bool Set(bool isBurst)
    {
        if (_isBurst == isBurst) return false;
        (_isBurst, _calmSince) = (isBurst, null);
        return true;
    }
}
