using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tool.Commands;

/// <summary>What <c>plan</c> found.</summary>
/// <param name="Plan">The plan.</param>
/// <param name="Options">What it keeps to.</param>
internal sealed record PlanOutcome(ClusterPlan Plan, ClusterPlanOptions Options)
{
    /// <summary>Other div values, where the command line left the widths open.</summary>
    public IReadOnlyList<FrontierPoint> Frontier { get; init; } = [];

    /// <summary>What moved, where an old plan was kept.</summary>
    public KeptTokens? Kept { get; init; }

    /// <summary>What the counts alone would have let expect, where visits come from states.</summary>
    public IReadOnlyList<double> VisitsByCounts { get; init; } = [];

    /// <summary>What each domain pays, where there are any.</summary>
    public EquatableArray<DomainCost> Domains { get; init; }

    /// <summary>How well the softmax of the states does on each of their domains, where they have any.</summary>
    public IReadOnlyList<EvaluationFigures> DomainQuality { get; init; } = [];

    /// <summary>What each domain pays in the plan that is cheapest on average, where another one balances them.</summary>
    public UnbalancedPlan? Unbalanced { get; init; }

    /// <summary>Plans and a full softmax as they ran, where that was asked for.</summary>
    public IReadOnlyList<PlanMeasurement> Measured { get; init; } = [];

    /// <summary>The spec that was written, its fingerprint, and the members of an earlier one that it keeps.</summary>
    public WrittenSpec? Written { get; init; }
}

/// <summary>A spec that was written.</summary>
/// <param name="File">Where.</param>
/// <param name="Fingerprint">Its fingerprint.</param>
/// <param name="Kept">The members that it keeps of the spec that was there.</param>
/// <param name="Table">The table that was written with it, where it had to change.</param>
internal sealed record WrittenSpec(string File, string Fingerprint, IReadOnlyList<string> Kept, string? Table = null);

/// <summary>What moved of an old plan that was kept.</summary>
/// <param name="Plan">The clusters on the fresh counts.</param>
/// <param name="Fresh">What planning without the old clusters would have given.</param>
/// <param name="Table">The fresh table, whose tokens moved.</param>
/// <param name="Old">The old one.</param>
internal sealed record KeptTokens(KeptPlan Plan, ClusterPlan Fresh, TokenTable Table, TokenTable Old)
{
    /// <summary>A token that moved, as its table writes it.</summary>
    public string Spell(TokenMove move)
    {
        var table = move.To is null ? Old : Table;
        return TokenTableWriter.Escape(table.GetToken(table.Ids.IndexOf(move.Id)));
    }
}

/// <summary>The plan that is cheapest on average, beside one that balances the domains.</summary>
/// <param name="Plan">The plan.</param>
/// <param name="Domains">What each domain would pay.</param>
internal sealed record UnbalancedPlan(ClusterPlan Plan, EquatableArray<DomainCost> Domains);
