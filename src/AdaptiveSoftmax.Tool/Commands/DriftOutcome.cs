using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tool.Commands;

/// <summary>What <c>drift</c> found.</summary>
/// <param name="Report">The comparison.</param>
/// <param name="Options">The thresholds.</param>
/// <param name="Table">The expected counts.</param>
/// <param name="TableFile">Their file.</param>
/// <param name="Observed">The observed counts; without a file's name where text was counted.</param>
internal sealed record DriftOutcome(DriftReport Report, DriftOptions Options, TokenTable Table, string TableFile, TokenTableReadResult Observed)
{
    public string? Spec { get; init; }

    public SoftmaxDefinition? Definition { get; init; }

    public DriftReplan? Replan { get; init; }

    /// <summary>The spec that was written for what is seen now, where that was asked for.</summary>
    public WrittenSpec? Written { get; init; }

    public bool HasDrift => Options.Severity(Report) >= 1;

    /// <summary>
    /// The tokens that the table pins to the head and a plan for what is seen now would not: those that the observed counts have
    /// without pinning them, and those that they lack.
    /// </summary>
    public (int Unpinned, int Missing) LostPins => PlanEdits.LostPins(Table, Observed.Table!);

    /// <summary>All observed tokens, which may be more than 64 bits count.</summary>
    public required double Tokens { get; init; }

    /// <summary>The commands that make a spec for what is seen now, or carry weights over to the one that was written.</summary>
    public IReadOnlyList<string> NextCommands
    {
        get
        {
            if (Written is { } written)
                return [$"adaptive-softmax migrate WEIGHTS --from {Spec} --to {written.File} --states STATES --output NEW-WEIGHTS"];
            var isCounted = Observed.File.Length == 0;
            var counts = isCounted ? "observed.tokens" : Observed.File;
            var hiddenSize = Definition is null ? "N" : FormattableString.Invariant($"{Definition.Layout.HiddenSize}");
            var plan = $"adaptive-softmax plan {counts} --hidden-size {hiddenSize} --output {Path.ChangeExtension(counts, null)}.softmax.json";
            return isCounted ? [$"adaptive-softmax count --output {counts} ...", plan] : [plan];
        }
    }
}

/// <summary>What planning anew for the observed counts would change.</summary>
/// <param name="Plan">The new plan.</param>
/// <param name="Options">What it keeps to: widths and bias of the present spec.</param>
/// <param name="SpeedUp">
/// How many times cheaper a training step of the observed tokens would be than with the present clusters; below 1 where a
/// shortlist that covers enough of them has to be larger.
/// </param>
internal sealed record DriftReplan(ClusterPlan Plan, ClusterPlanOptions Options, double SpeedUp)
{
    public static DriftReplan Create(SoftmaxDefinition definition, DriftReport report, TokenTable observed, CancellationToken cancellationToken)
    {
        var layout = definition.Layout;
        var options = new ClusterPlanOptions { DivValue = definition.Spec.DivValue, Projections = definition.Spec.Projections, MinimumWidthShare = PlanOptions.WidthShare(layout), MinimumHeadSize = observed.PinnedCount, HasHeadBias = layout.HasHeadBias };
        var plan = PlanCommand.Plan(observed.Counts, layout.HiddenSize, options, cancellationToken);
        var now = options.CostModel.CostOf(layout, [.. report.Clusters.Select(cluster => cluster.ObservedShare)]);
        return new DriftReplan(plan, options, now / options.CostModel.CostOf(plan.Layout, plan.Coverage));
    }
}
