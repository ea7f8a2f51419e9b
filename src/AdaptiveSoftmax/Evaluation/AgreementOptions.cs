using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax;

/// <summary>What to compare two softmaxes by.</summary>
public sealed record AgreementOptions
{
    /// <summary>The first one's vocabulary in slot order; without it targets are its own ids.</summary>
    public TokenTable? FirstTable { get; init; }

    /// <summary>The second one's.</summary>
    public TokenTable? SecondTable { get; init; }

    /// <summary>The names of domains, in the order of their numbers; none where states have no domain.</summary>
    public IReadOnlyList<string> Domains { get; init; } = [];

    /// <summary>The most hidden vectors that the divergence is computed for, spread evenly over all: it needs all log-probs. 0 for none.</summary>
    public int DivergenceTokens { get; init; } = 512;
}
