namespace AdaptiveSoftmax;

/// <summary>What a random number of a position is for. A number each, so that none depends on what else was drawn or computed.</summary>
internal enum DrawPurpose
{
    /// <summary>One of the tokens that filters left.</summary>
    Filtered = 1,

    /// <summary>A token of the head (0) or of tail i (i + 1).</summary>
    Token,

    /// <summary>The cluster that is proposed in a round.</summary>
    Proposal,

    /// <summary>Whether what a round proposed is accepted.</summary>
    Acceptance,

    /// <summary>The Gumbel noise of a row.</summary>
    Noise,

    /// <summary>A token of a draft.</summary>
    Draft,

    /// <summary>Whether a drafted token is accepted.</summary>
    Verification,

    /// <summary>The token in place of one that was rejected.</summary>
    Residual,

    /// <summary>Whether a draw is from the retrieved tokens (0), and which of them it is (1).</summary>
    Retrieved,
}
