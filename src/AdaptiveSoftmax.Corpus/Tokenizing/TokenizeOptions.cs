namespace AdaptiveSoftmax.Corpus;

/// <summary>How a corpus is tokenised; none of it changes the result.</summary>
public sealed record TokenizeOptions
{
    /// <summary>The number of threads, the caller's included, at least 1; all processors at first. It changes no count.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is below 1.</exception>
    public int Threads
    {
        get;
        init => field = ThreadCount.Check(value, nameof(Threads));
    } = ThreadCount.Default;

    /// <summary>Where progress is reported, many times a second; nowhere if null.</summary>
    public IProgress<CorpusProgress>? Progress { get; init; }
}
