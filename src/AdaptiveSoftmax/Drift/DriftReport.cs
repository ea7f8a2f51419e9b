namespace AdaptiveSoftmax;

/// <summary>How observed tokens differ from those that a vocabulary was planned for.</summary>
public sealed record DriftReport
{
    /// <summary>The tenant, language or other tag whose tokens these are; empty for untagged ones.</summary>
    public required string Tag { get; init; }

    /// <summary>The observed tokens that the vocabulary has; <see cref="long.MaxValue"/> where they are more.</summary>
    public required long Tokens { get; init; }

    /// <summary>The observed tokens that it does not have; <see cref="long.MaxValue"/> where they are more. Every measure takes them as one more cluster, or token, of which nothing is expected.</summary>
    public required long UnknownTokens { get; init; }

    /// <summary>The share of all observed tokens that the vocabulary does not have.</summary>
    public double UnknownShare { get; init; }

    /// <summary>
    /// The population stability index over <see cref="Clusters"/> and the unknown tokens, Σ (p − q) ln(p / q): by custom
    /// below 0.1 is little, above 0.25 is much.
    /// </summary>
    public required double ClusterStability { get; init; }

    /// <summary>The population stability index over <see cref="Frequencies"/> and the unknown tokens.</summary>
    public required double FrequencyStability { get; init; }

    /// <summary>The Jensen-Shannon divergence over tokens in nats, from 0 to ln 2.</summary>
    public required double JensenShannon { get; init; }

    /// <summary>
    /// The Jensen-Shannon divergence that so many tokens would show on average without any drift: a window of a few
    /// thousand tokens never looks like a vocabulary of hundreds of thousands.
    /// </summary>
    public required double SamplingNoise { get; init; }

    /// <summary>The head's shortlist, then the tails.</summary>
    public required IReadOnlyList<ClusterDrift> Clusters { get; init; }

    /// <summary>Tenths of the table's occurrences by slot, and last the tokens whose count is 0, if there are any.</summary>
    public required IReadOnlyList<FrequencyDrift> Frequencies { get; init; }

    /// <summary>The 20 tokens that add most to the divergence of those that were observed more often than expected, the first adds most.</summary>
    public required IReadOnlyList<TokenDrift> Risen { get; init; }

    /// <summary>The 20 tokens that add most to the divergence of those that were observed less often than expected, or never.</summary>
    public required IReadOnlyList<TokenDrift> Fallen { get; init; }

    /// <summary>Whether a monitor found drift that has not ended. Always false in a report that no monitor made.</summary>
    public bool IsDrifted { get; init; }

    /// <summary>What the divergence has above the sampling noise; 0 where it has less.</summary>
    public double ExcessJensenShannon => Math.Max(0, JensenShannon - SamplingNoise);
}

/// <summary>A cluster in a <see cref="DriftReport"/>.</summary>
/// <param name="Name"><c>head</c>, <c>tail0</c>, <c>tail1</c> and so on.</param>
/// <param name="ExpectedShare">The share of the table's occurrences.</param>
/// <param name="ObservedShare">The share of the observed tokens.</param>
/// <param name="Stability">What the cluster adds to the population stability index over clusters.</param>
/// <param name="JensenShannon">What the cluster's tokens add to the Jensen-Shannon divergence.</param>
public sealed record ClusterDrift(string Name, double ExpectedShare, double ObservedShare, double Stability, double JensenShannon);

/// <summary>Tokens of neighbouring slots in a <see cref="DriftReport"/>.</summary>
/// <param name="FirstSlot">The first slot.</param>
/// <param name="Slots">The number of slots.</param>
/// <param name="ExpectedShare">The share of the table's occurrences.</param>
/// <param name="ObservedShare">The share of the observed tokens.</param>
/// <param name="Stability">What these tokens add to the population stability index over frequencies.</param>
public sealed record FrequencyDrift(int FirstSlot, int Slots, double ExpectedShare, double ObservedShare, double Stability);

/// <summary>A token in a <see cref="DriftReport"/>.</summary>
/// <param name="TokenId">The token's id.</param>
/// <param name="Slot">Its slot.</param>
/// <param name="ExpectedShare">Its share of the table's occurrences.</param>
/// <param name="ObservedShare">Its share of the observed tokens.</param>
/// <param name="JensenShannon">What it adds to the Jensen-Shannon divergence.</param>
public sealed record TokenDrift(int TokenId, int Slot, double ExpectedShare, double ObservedShare, double JensenShannon);
