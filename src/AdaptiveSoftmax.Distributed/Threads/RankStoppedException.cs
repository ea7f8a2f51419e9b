namespace AdaptiveSoftmax.Distributed;

/// <summary>A rank stops because another one has failed. Under MPI the job is ended instead.</summary>
public sealed class RankStoppedException : Exception
{
    internal RankStoppedException(int rank, Exception failure)
        : base(FormattableString.Invariant($"Rank {rank} has failed: {failure.Message}"), failure)
    {
        FailedRank = rank;
    }

    /// <summary>The rank that failed.</summary>
    public int FailedRank { get; }
}
