using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tool.Commands;

/// <summary>Writes what <c>plan</c> found as JSON.</summary>
internal static class PlanJson
{
    public static void Write(TextWriter writer, PlanOutcome outcome)
    {
        var model = outcome.Options.CostModel;
        ToolJson.Write(writer, new
        {
            For = PlanOptions.NameOf(model.Use),
            model.Batch,
            Machine = model.Machine.Name,
            model.Machine.Device,
            model.Machine.Threads,
            outcome.Plan.Layout.HiddenSize,
            outcome.Plan.Layout.VocabularySize,
            DivValue = outcome.Options.Projections.Count > 0 ? null : (double?)outcome.Options.DivValue,
            outcome.Plan.Layout.HasHeadBias,
            Plan = Describe(outcome.Plan),
            VisitsByCounts = outcome.VisitsByCounts.Count == 0 ? null : outcome.VisitsByCounts,
            States = outcome.Options.Visits?.Count,
            Full = new { Nanoseconds = outcome.Plan.FullCost, Parameters = FullParameters(outcome.Plan.Layout) },
            Frontier = outcome.Frontier.Count == 0 ? null : outcome.Frontier.Select(point => new { point.DivValue, point.NarrowestShare, point.NarrowCoverage, Plan = Describe(point.Plan) }),
            Kept = outcome.Kept is not { } kept ? null : new
            {
                FreshCutoffs = kept.Fresh.Cutoffs,
                FreshNanoseconds = kept.Fresh.Cost,
                Moves = DescribeMoves(kept),
            },
            Domains = outcome.Domains.Count == 0 ? null : (object)outcome.Domains,
            DomainQuality = outcome.DomainQuality.Count == 0 ? null : outcome.DomainQuality.Select(figures => new { figures.Name, States = figures.Tokens, figures.Bytes, figures.BitsPerByte }),
            Unbalanced = outcome.Unbalanced is not { } unbalanced ? null : new { Plan = Describe(unbalanced.Plan), unbalanced.Domains },
            Measured = outcome.Measured.Count == 0 ? null : outcome.Measured,
            outcome.Written,
        });
    }

    public static long FullParameters(SoftmaxLayout layout) => SoftmaxLayout.CreateFull(layout.HiddenSize, layout.VocabularySize, layout.HasHeadBias).ParameterCount;

    public static IEnumerable<object> DescribeMoves(KeptTokens kept) =>
        kept.Plan.Moves.Select(move => new { Token = kept.Spell(move), move.Id, move.From, move.To, move.OldShare, move.NewShare, Deviations = double.IsFinite(move.Deviations) ? move.Deviations : (double?)null });

    private static object Describe(ClusterPlan plan) => new
    {
        plan.Cutoffs,
        Projections = plan.Layout.Tails.Select(tail => tail.ProjectionWidth),
        plan.Coverage,
        plan.Visits,
        plan.VisitsPerToken,
        plan.Layout.ParameterCount,
        plan.Layout.ParameterBytes,
        Nanoseconds = plan.Cost,
        plan.SpeedUp,
    };
}
