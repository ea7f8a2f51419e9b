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

    /// <summary>The options that say which step is planned for, as the command line had them.</summary>
    public string StepOptions { get; init; } = "";

    /// <summary>The spec that was written for what is seen now, where that was asked for.</summary>
    public WrittenSpec? Written { get; init; }

    public bool HasDrift => Options.Severity(Report) >= 1;

    /// <summary>
    /// The tokens that the table pins to the head and a plan for what is seen now would not: those that the observed counts have
    /// without pinning them, and those that they lack.
    /// </summary>
    public (int Unpinned, int Missing) LostPins => PlanEdits.LostPins(Table, Replan?.Table ?? Observed.Table!);

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
            // What keeps clusters writes a table beside the spec, which must not be the one that is read.
            var keep = Replan?.Kept is null ? "" : $" --keep {Spec}";
            var output = keep.Length == 0 ? $"{Path.ChangeExtension(counts, null)}.softmax.json" : NextTo(counts);
            var plan = $"adaptive-softmax plan {counts} --hidden-size {hiddenSize}{keep}{StepOptions} --output {output}";
            return isCounted ? [$"adaptive-softmax count --output {counts} ...", plan] : [plan];
        }
    }

    // A spec's name in the counts' folder that is not read, and of which the table is not either.
    private string NextTo(string counts)
    {
        var read = new[] { Spec!, TableFile, counts }.Select(Path.GetFullPath).ToHashSet();
        for (var number = 1; ; number++)
        {
            var name = Path.Combine(Path.GetDirectoryName(counts) ?? "", number == 1 ? "next" : FormattableString.Invariant($"next-{number}"));
            if (!read.Contains(Path.GetFullPath(name + ".softmax.json")) && !read.Contains(Path.GetFullPath(name + ".tokens"))) return name + ".softmax.json";
        }
    }
}

/// <summary>What planning anew for the observed counts would change.</summary>
/// <param name="Plan">The new plan: the present clusters but for what changed beyond noise, or one from scratch.</param>
/// <param name="Options">What it keeps to: widths and bias of the present spec, and the step that it is for.</param>
/// <param name="Table">The table of the plan.</param>
/// <param name="SpeedUp">
/// How many times cheaper a step of the observed tokens would be than with the present clusters; below 1 where a
/// shortlist that covers enough of them has to be larger.
/// </param>
internal sealed record DriftReplan(ClusterPlan Plan, ClusterPlanOptions Options, TokenTable Table, double SpeedUp)
{
    /// <summary>What moved, where the present clusters are kept.</summary>
    public KeptTokens? Kept { get; init; }

    /// <summary>The same of a plan from scratch.</summary>
    public required double FreshSpeedUp { get; init; }

    /// <summary>Why the present clusters are not kept although that was asked for.</summary>
    public string? Hindrance { get; init; }

    /// <param name="definition">The present spec and its table.</param>
    /// <param name="report">The comparison.</param>
    /// <param name="observed">The observed counts.</param>
    /// <param name="model">What a step costs.</param>
    /// <param name="isAfresh">Plan from scratch rather than keep what changed no more than noise.</param>
    /// <param name="cancellationToken">Stops the search.</param>
    public static DriftReplan Create(SoftmaxDefinition definition, DriftReport report, TokenTable observed, SoftmaxCostModel model, bool isAfresh, CancellationToken cancellationToken)
    {
        var layout = definition.Layout;
        var options = new ClusterPlanOptions { DivValue = definition.Spec.DivValue, Projections = definition.Spec.Projections, MinimumWidthShare = PlanOptions.WidthShare(layout), MinimumHeadSize = observed.PinnedCount, HasHeadBias = layout.HasHeadBias, CostModel = model };
        var fresh = PlanCommand.Plan(observed.Counts, layout.HiddenSize, options, cancellationToken);
        var own = model.For(observed.Counts);
        var now = own.CostOf(layout, [.. report.Clusters.Select(cluster => cluster.ObservedShare)]);
        var freshSpeedUp = now / own.CostOf(fresh.Layout, fresh.Coverage);
        var scratch = new DriftReplan(fresh, options, observed, freshSpeedUp) { FreshSpeedUp = freshSpeedUp };
        // A softmax without tails has no clusters to keep.
        if (isAfresh || layout.TailCount == 0) return scratch;
        KeptPlan kept;
        try
        {
            kept = PlanKeeper.Keep(definition.Spec, definition.Table, observed);
        }
        catch (ArgumentException)
        {
            return scratch with { Hindrance = "a cluster would have no token left" };
        }

        if (kept.Moves.Count(move => move.From is null) == observed.Count) return scratch with { Hindrance = "the table and what is seen now have no token in common" };
        var table = observed.Reorder(kept.Order, kept.PinnedCount);
        var plan = ClusterPlanner.Evaluate(kept.Layout, table.Counts, model);
        return new DriftReplan(plan, options, table, now / own.CostOf(plan.Layout, plan.Coverage)) { Kept = new KeptTokens(kept, fresh, observed, definition.Table), FreshSpeedUp = freshSpeedUp };
    }
}
