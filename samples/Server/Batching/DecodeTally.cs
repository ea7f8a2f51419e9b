using AdaptiveSoftmax;

namespace ServerSample;

/// <summary>What a burst has cost an answer, or many. Not safe from several threads at once.</summary>
internal sealed class DecodeTally
{
    /// <summary>The tokens.</summary>
    public long Tokens { get; private set; }

    /// <summary>Those that were made under a burst's policy.</summary>
    public long BurstTokens { get; private set; }

    /// <summary>Those for which the policy left out a tail that could have mattered.</summary>
    public long UnseenTokens { get; private set; }

    /// <summary>The probability of what was left out, summed over all tokens.</summary>
    public double UnseenMass { get; private set; }

    /// <summary>The same, a token.</summary>
    public double MeanUnseenMass => Tokens == 0 ? 0 : UnseenMass / Tokens;

    /// <summary>Counts a token.</summary>
    /// <param name="token">The token.</param>
    /// <param name="isBurst">Whether it was made under a burst's policy.</param>
    public void Add(DecodedToken token, bool isBurst)
    {
        Tokens++;
        if (isBurst) BurstTokens++;
        if (!(token.UnseenMass > 0)) return;
        UnseenTokens++;
        UnseenMass += token.UnseenMass;
    }
}
