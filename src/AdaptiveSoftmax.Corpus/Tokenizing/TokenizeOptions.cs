namespace AdaptiveSoftmax.Corpus;

/// <summary>How a corpus is tokenised; none of it changes the result.</summary>
public sealed record TokenizeOptions
{
    private readonly int _threads = Environment.ProcessorCount;

    /// <summary>The threads that tokenise, at least 1; the machine's processors if not set.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is below 1.</exception>
    public int Threads
    {
        get => _threads;
        init => _threads = value >= 1 ? value : throw new ArgumentOutOfRangeException(nameof(value), value, "At least one thread must tokenise.");
    }

    /// <summary>Where progress is reported, many times a second; nowhere if null.</summary>
    public IProgress<CorpusProgress>? Progress { get; init; }
}
