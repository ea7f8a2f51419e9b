namespace AdaptiveSoftmax;

/// <summary>What speculative decoding has done so far.</summary>
/// <param name="Verifications">The drafts that were verified.</param>
/// <param name="Drafted">The tokens that were drafted.</param>
/// <param name="Accepted">Those of them that were accepted.</param>
/// <param name="Tokens">The tokens that came of it: those accepted, and one for each draft.</param>
/// <param name="TailsVisited">The tails that were computed.</param>
public readonly record struct SpeculativeStatistics(long Verifications, long Drafted, long Accepted, long Tokens, long TailsVisited)
{
    /// <summary>The share of drafted tokens that were accepted; NaN before the first.</summary>
    public double AcceptanceRate => (double)Accepted / Drafted;

    /// <summary>The tokens of a verification: 1 without any gain; NaN before the first.</summary>
    public double TokensPerVerification => (double)Tokens / Verifications;
}
