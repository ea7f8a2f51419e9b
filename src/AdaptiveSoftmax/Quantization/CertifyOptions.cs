namespace AdaptiveSoftmax;

/// <summary>What a certified decoder reads before the stored weights.</summary>
public enum ScreeningStages
{
    /// <summary>
    /// int4 and then int8 where a head is far larger than a cache, and else int8 alone. Where more than a sixteenth of the rows pass
    /// int4, the next predictions begin at int8, and so do batches of three and more.
    /// </summary>
    Automatic,

#pragma warning disable CA1720 // The names are those of the precisions.
    /// <summary>int8 alone.</summary>
    Int8,
#pragma warning restore CA1720

    /// <summary>int4 alone: the least memory.</summary>
    Int4,

    /// <summary>int4 for all rows, and int8 for those that it leaves.</summary>
    Int4ThenInt8,
}

/// <summary>How a certified decoder finds the rows that may win.</summary>
public sealed record CertifyOptions
{
    /// <summary>What suits the size of the head.</summary>
    public static CertifyOptions Default { get; } = new();

    /// <summary>
    /// What is read of the head before its stored weights. Tails are screened in int8, whatever this says: int4 leaves too much open
    /// of the log-sum-exp that their tokens need.
    /// </summary>
    public ScreeningStages Stages { get; init; }

    internal void Check()
    {
        if (!Enum.IsDefined(Stages))
            throw new ArgumentException($"There are no screening stages {Stages}; take one of {string.Join(", ", Enum.GetNames<ScreeningStages>())}.");
    }
}
