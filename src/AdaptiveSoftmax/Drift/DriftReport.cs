namespace AdaptiveSoftmax;

/// <summary>How observed tokens differ from those that a vocabulary was planned for.</summary>
/// <param name="Tag">The tenant, language or other tag whose tokens these are; empty for untagged ones.</param>
/// <param name="Tokens">The observed tokens that the vocabulary has.</param>
/// <param name="UnknownTokens">The observed tokens that it does not have. They are part of no share.</param>
/// <param name="ClusterStability">The population stability index over <paramref name="Clusters"/>: by custom below 0.1 is little, above 0.25 is much.</param>
/// <param name="FrequencyStability">The population stability index over <paramref name="Frequencies"/>.</param>
/// <param name="JensenShannon">The Jensen-Shannon divergence over tokens in nats, from 0 to ln 2.</param>
/// <param name="SamplingNoise">
/// The Jensen-Shannon divergence that as many tokens, drawn from the table itself, would show on average: a window of a
/// few thousand tokens never looks like a vocabulary of hundreds of thousands.
/// </param>
/// <param name="Clusters">The head's shortlist, then the tails.</param>
/// <param name="Frequencies">Tenths of the table's occurrences by slot, and last the tokens whose count is 0.</param>
/// <param name="Risen">Tokens that were observed more often than expected, those that add most to the divergence first.</param>
/// <param name="IsDrifted">Whether drift was found and has not ended. Always false in a report that no monitor made.</param>
public sealed record DriftReport(
    string Tag,
    long Tokens,
    long UnknownTokens,
    double ClusterStability,
    double FrequencyStability,
    double JensenShannon,
    double SamplingNoise,
    IReadOnlyList<ClusterDrift> Clusters,
    IReadOnlyList<FrequencyDrift> Frequencies,
    IReadOnlyList<TokenDrift> Risen,
    bool IsDrifted)
{
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
