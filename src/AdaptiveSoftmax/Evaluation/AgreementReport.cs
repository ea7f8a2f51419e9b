namespace AdaptiveSoftmax;

/// <summary>How far two softmaxes agree on the same hidden states. Everything is the same for any number of threads.</summary>
public sealed record AgreementReport
{
    /// <summary>All targets.</summary>
    public required AgreementFigures Whole { get; init; }

    /// <summary>Targets by the first softmax's cluster.</summary>
    public required IReadOnlyList<AgreementFigures> Clusters { get; init; }

    /// <summary>Targets by tenths of the occurrences of the first softmax's table; none without one.</summary>
    public required IReadOnlyList<AgreementFigures> Deciles { get; init; }

    /// <summary>Targets by domain.</summary>
    public required IReadOnlyList<AgreementFigures> Domains { get; init; }

    /// <summary>How many hidden vectors the divergences are means over; 0 where the vocabularies differ.</summary>
    public required int DivergenceTokens { get; init; }
}

/// <summary>Agreement over some targets. Each figure is NaN where there is nothing to compute it from.</summary>
/// <param name="Name">The group, as in <see cref="EvaluationFigures.Name"/>.</param>
/// <param name="Tokens">The targets.</param>
/// <param name="Top1Agreement">The share of them for which both have the same most probable token.</param>
/// <param name="LogProbDifference">The mean of the second's log-prob of the target minus the first's, in nats: above 0 where the second is better.</param>
/// <param name="AbsoluteDifference">The mean of its absolute value.</param>
/// <param name="Divergence">The mean Kullback-Leibler divergence of the second from the first, Σ p₁ (log p₁ − log p₂), in nats.</param>
public sealed record AgreementFigures(string Name, long Tokens, double Top1Agreement, double LogProbDifference, double AbsoluteDifference, double Divergence);
