namespace AdaptiveSoftmax;

/// <summary>
/// Which tails a decoding call computes. <see cref="Exact"/> and <see cref="Full"/> give the same tokens; the other two trade
/// exactness for a bounded latency and report the probability that they did not look at
/// (<see cref="DecodedToken.UnseenMass"/>).
/// </summary>
public readonly record struct DecodePolicy
{
    // Kept as the number above the default's meaning, so that default(DecodePolicy) is Exact.
    private readonly Kind _kind;

    private DecodePolicy(Kind kind, int maximumTails)
    {
        _kind = kind;
        MaximumTails = maximumTails;
    }

    private enum Kind
    {
        Exact,
        Full,
        HeadOnly,
        Budget,
    }

    /// <summary>Only the tails that can matter: the result of computing all of them, at a fraction of the cost.</summary>
    public static DecodePolicy Exact => default;

    /// <summary>All tails, which makes latency uniform, and is what the others are tested against.</summary>
    public static DecodePolicy Full => new(Kind.Full, 0);

    /// <summary>No tail: tokens of the shortlist only.</summary>
    public static DecodePolicy HeadOnly => new(Kind.HeadOnly, 0);

    /// <summary>
    /// The tails that can matter, but at most so many of them: in greedy decoding, top-k and under filters the most probable
    /// first; in a draw from all tokens those on which the draw falls, so that a budget of 1 still draws exactly at temperature 1.
    /// What is only reported, such as <see cref="DecodeOptions.TopLogProbs"/>, gets what is left.
    /// </summary>
    /// <param name="tails">The most tails that a call computes, at least 0.</param>
    /// <exception cref="ArgumentOutOfRangeException">It is negative.</exception>
    public static DecodePolicy Budget(int tails)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(tails);
        return new DecodePolicy(Kind.Budget, tails);
    }

    /// <summary>Whether the result is that of computing all log-probs.</summary>
    public bool IsExact => _kind is Kind.Exact or Kind.Full;

    internal bool ComputesAll => _kind == Kind.Full;

    internal int MaximumTails => IsExact ? int.MaxValue : field;

    /// <summary>The policy's name, as metrics report it.</summary>
    public override string ToString() => _kind switch
    {
        Kind.Full => "full",
        Kind.HeadOnly => "head_only",
        Kind.Budget => "budget",
        _ => "exact",
    };
}
