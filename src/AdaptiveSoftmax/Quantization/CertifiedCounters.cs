namespace AdaptiveSoftmax;

/// <summary>Counts what certified decoding takes, from any number of threads.</summary>
internal sealed class CertifiedCounters
{
    private long _predictions;
    private long _screened;
    private long _int4;
    private long _int8;
    private long _rescored;
    private long _storedTails;
    private long _storedPredictions;
    private long _massPredictions;
    private long _storedMassPredictions;

    /// <summary>Counts a hidden vector.</summary>
    /// <param name="counts">The rows.</param>
    /// <param name="isDecided">Whether it was not left to the stored weights.</param>
    /// <param name="hangsOnMasses">Whether its choice hung on a sum over all rows.</param>
    public void Add(in ScreenCounts counts, bool isDecided, bool hangsOnMasses)
    {
        if (hangsOnMasses) Interlocked.Increment(ref _massPredictions);
        if (hangsOnMasses && !isDecided) Interlocked.Increment(ref _storedMassPredictions);
        if (!isDecided) Interlocked.Increment(ref _storedPredictions);
        Interlocked.Increment(ref _predictions);
        Interlocked.Add(ref _screened, counts.Screened);
        Interlocked.Add(ref _int4, counts.Int4);
        Interlocked.Add(ref _int8, counts.Int8);
        Interlocked.Add(ref _rescored, counts.Rescored);
    }

    /// <summary>Counts tails that the stored weights computed.</summary>
    public void AddStoredTails(long tails)
    {
        if (tails > 0) Interlocked.Add(ref _storedTails, tails);
    }

    public CertifiedStatistics Read() => new(
        Interlocked.Read(ref _predictions), Interlocked.Read(ref _screened), Interlocked.Read(ref _int4), Interlocked.Read(ref _int8), Interlocked.Read(ref _rescored),
        Interlocked.Read(ref _storedTails), Interlocked.Read(ref _storedPredictions))
    {
        MassPredictions = Interlocked.Read(ref _massPredictions),
        StoredMassPredictions = Interlocked.Read(ref _storedMassPredictions),
    };
}
