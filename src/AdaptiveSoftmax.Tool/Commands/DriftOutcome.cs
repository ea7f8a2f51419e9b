using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tool.Commands;

/// <summary>What <c>drift</c> found.</summary>
/// <param name="Report">The comparison.</param>
/// <param name="Options">The thresholds.</param>
/// <param name="Table">The expected counts.</param>
/// <param name="TableFile">Their file.</param>
/// <param name="ObservedFile">The file of the observed counts; null where text was counted.</param>
internal sealed record DriftOutcome(DriftReport Report, DriftOptions Options, TokenTable Table, string TableFile, string? ObservedFile)
{
    public string? Spec { get; init; }

    public SoftmaxDefinition? Definition { get; init; }

    public DriftReplan? Replan { get; init; }

    public bool HasDrift => Options.Severity(Report) >= 1;

    /// <summary>All observed tokens, which may be more than 64 bits count.</summary>
    public required double Tokens { get; init; }

    /// <summary>The commands that make a spec for what is seen now.</summary>
    public IReadOnlyList<string> NextCommands
    {
        get
        {
            var counts = ObservedFile ?? "observed.tokens";
            var hiddenSize = Definition is null ? "N" : FormattableString.Invariant($"{Definition.Layout.HiddenSize}");
            var plan = $"adaptive-softmax plan {counts} --hidden-size {hiddenSize} --output {Path.ChangeExtension(counts, null)}.softmax.json";
            return ObservedFile is null ? [$"adaptive-softmax count --output {counts} ...", plan] : [plan];
        }
    }
}

/// <summary>What planning anew for the observed counts would change.</summary>
/// <param name="Plan">The new plan.</param>
/// <param name="SpeedUp">
/// How many times cheaper a training step of the observed tokens would be than with the present clusters; below 1 where a
/// shortlist that covers enough of them has to be larger.
/// </param>
internal sealed record DriftReplan(ClusterPlan Plan, double SpeedUp)
{
    public static DriftReplan Create(SoftmaxDefinition definition, DriftReport report, TokenTable observed, CancellationToken cancellationToken)
    {
        var layout = definition.Layout;
        var options = new ClusterPlanOptions { DivValue = definition.Spec.DivValue, Projections = definition.Spec.Projections, MinimumWidthShare = 0, HasHeadBias = layout.HasHeadBias };
        var plan = PlanCommand.Plan(observed.Counts, layout.HiddenSize, options, cancellationToken);
        var now = options.CostModel.CostOf(layout, [.. report.Clusters.Select(cluster => cluster.ObservedShare)]);
        return new DriftReplan(plan, now / options.CostModel.CostOf(plan.Layout, plan.Coverage));
    }
}
