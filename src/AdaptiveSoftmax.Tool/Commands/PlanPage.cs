using System.Globalization;
using AdaptiveSoftmax.Tool.Reports;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tool.Commands;

/// <summary>A plan, to look at.</summary>
internal static class PlanPage
{
    // Points of a curve whose horizontal axis is logarithmic: close enough for the eye, few enough for a small page.
    private const int RankPoints = 240, SizePoints = 60;

    private const int MostClusters = ChartFrame.Colours;
    private const int ShownMoves = 20;

    /// <param name="outcome">The plan.</param>
    /// <param name="table">The tokens in its order.</param>
    /// <param name="domains">The domains that share it; none where there are none.</param>
    /// <param name="counts">Their counts by slot.</param>
    public static ReportPage Create(PlanOutcome outcome, TokenTable table, IReadOnlyList<string> domains, IReadOnlyList<long[]> counts)
    {
        var (plan, model) = (outcome.Plan, outcome.Options.CostModel);
        var sections = new List<ReportSection> { Clusters(plan), Ranks(plan, table), Sizes(outcome, table), Times(outcome) };
        if (domains.Count > 0) sections.AddRange([Shares(plan.Layout, domains, counts), Costs(outcome)]);
        if (outcome.Frontier.Count > 0) sections.Add(Frontier(outcome));
        if (outcome.Kept is { Plan.Moves.Count: > 0 } kept) sections.Add(Moves(kept));
        return new ReportPage("Plan", Text($"{plan.Layout.VocabularySize:n0} tokens, hidden size {plan.Layout.HiddenSize}: a {PlanOptions.Describe(model)} on {model.Machine.Name} is predicted to take {PlanText.Time(plan.Cost)}, {PlanText.BesideFull(plan)}."), sections);
    }

    private static TableSection Clusters(ClusterPlan plan) => new(
        "Clusters",
        "Coverage is the share of occurrences; visits, how many of the tokens compute a tail.",
        ["cluster", "slots", "tokens", "coverage", "visits", "width", "parameters"],
        [.. Enumerable.Range(0, plan.Layout.TailCount + 1).Select(cluster =>
        {
            var tail = cluster == 0 ? null : plan.Layout.Tails[cluster - 1];
            var (start, size) = (tail?.Start ?? 0, tail?.Size ?? plan.Layout.ShortlistSize);
            return new[]
            {
                NameOf(cluster), Text($"{start}..{(long)start + size - 1}"), Text($"{size:n0}"), Text($"{plan.Coverage[cluster] * 100:n2} %"), Text($"{(tail is null ? 1 : plan.Visits[tail.Index]) * 100:n2} %"),
                Text($"{tail?.ProjectionWidth ?? plan.Layout.HiddenSize:n0}"), Text($"{(tail is null ? plan.Layout.HeadParameterCount : plan.Layout.GetTailParameterCount(tail.Index)):n0}"),
            };
        })]);

    private static LineSection Ranks(ClusterPlan plan, TokenTable table) => new(
        "Rank and frequency",
        "How often each token was counted, in the order of slots; the broken lines are the cutoffs. Tokens that were never counted have no place.",
        "rank",
        "occurrences",
        [new LineSeries("tokens", [.. Spread(1, table.Count, RankPoints).Select(rank => ((double)rank, (double)table.GetCount(rank - 1)))])])
    { IsXLog = true, IsYLog = true, Marks = [.. plan.Cutoffs.Select(cutoff => ((double)cutoff, Text($"{cutoff}")))] };

    private static LineSection Sizes(PlanOutcome outcome, TokenTable table)
    {
        var (layout, model) = (outcome.Plan.Layout, outcome.Options.CostModel);
        var points = new List<(double X, double Y)>();
        foreach (var size in Spread(1, layout.VocabularySize - 1, SizePoints).Append(layout.ShortlistSize).Distinct().Order())
        {
            // Of the other cutoffs, those inside the shortlist fall away.
            var later = layout.Tails.Where(tail => tail.Start > layout.ShortlistSize && tail.Start > size).ToArray();
            int[] cutoffs = [size, .. later.Select(tail => tail.Start)];
            int[] widths = [.. layout.Tails.TakeLast(cutoffs.Length).Select(tail => tail.ProjectionWidth)];
            points.Add((size, ClusterPlanner.Evaluate(SoftmaxLayout.Create(layout.HiddenSize, layout.VocabularySize, cutoffs, widths, layout.HasHeadBias), table.Counts, model).Cost / 1e3));
        }

        return new LineSection(
            "Cost against shortlist size",
            "The predicted time where the first cutoff stands elsewhere and the others stay. What the plan has to keep to, such as the head's coverage, may rule the cheapest out.",
            "tokens in the shortlist",
            "µs a step",
            [
                new LineSeries("adaptive softmax", points),
                new LineSeries("full softmax", [(points[0].X, outcome.Plan.FullCost / 1e3), (points[^1].X, outcome.Plan.FullCost / 1e3)]),
                new LineSeries("plan", [(layout.ShortlistSize, outcome.Plan.Cost / 1e3)], HasDots: true),
            ])
        { IsXLog = true, IsYLog = true, Marks = [(layout.ShortlistSize, Text($"{layout.ShortlistSize}"))] };
    }

    private static BarSection Times(PlanOutcome outcome)
    {
        var measured = outcome.Measured;
        if (measured.Count == 0)
            return new BarSection("Predicted time", "Give --measure to see what they take here. Heights are logarithms.", "µs a step", ["plan", "full softmax"], [new BarSeries("predicted", [outcome.Plan.Cost / 1e3, outcome.Plan.FullCost / 1e3])], IsLog: true);
        return new BarSection("Predicted and measured time", "Heights are logarithms.", "µs a step", [.. measured.Select(layout => layout.Name)],
        [
            new BarSeries("predicted", [.. measured.Select(layout => layout.PredictedNanoseconds / 1e3)]),
            new BarSeries("measured", [.. measured.Select(layout => layout.MeasuredNanoseconds / 1e3)]),
        ], IsLog: true);
    }

    private static BarSection Shares(SoftmaxLayout layout, IReadOnlyList<string> domains, IReadOnlyList<long[]> counts)
    {
        // As many groups as there are colours: the last tails together.
        var groups = Math.Min(layout.TailCount + 1, MostClusters);
        var shares = domains.Select(_ => new double[groups]).ToArray();
        for (var domain = 0; domain < domains.Count; domain++)
        {
            for (var slot = 0; slot < layout.VocabularySize; slot++) shares[domain][Math.Min(layout.ClusterOf(slot), groups - 1)] += counts[domain][slot];
        }

        return new BarSection("Shares by domain", "Where each domain's tokens are: those in the head cost least.", "% of tokens", domains,
        [
            .. Enumerable.Range(0, groups).Select(group => new BarSeries(
                group == groups - 1 && layout.TailCount >= groups ? $"{NameOf(group)} and beyond" : NameOf(group),
                [.. shares.Select(domain => domain[group] / domain.Sum() * 100)])),
        ]);
    }

    private static BarSection Costs(PlanOutcome outcome)
    {
        var series = new List<BarSeries> { new("plan", [.. outcome.Domains.Select(domain => domain.Cost / 1e3)]) };
        if (outcome.Unbalanced is { } unbalanced) series.Add(new BarSeries("cheapest on average", [.. unbalanced.Domains.Select(domain => domain.Cost / 1e3)]));
        return new BarSection("Cost by domain", Text($"What a step over tokens of one domain alone is predicted to take. {outcome.Domains.Count(domain => domain.PaysMore)} of {outcome.Domains.Count} pay more than {DomainCosts.FairRatio} times the cheapest."), "µs a step", [.. outcome.Domains.Select(domain => domain.Name)], series);
    }

    private static LineSection Frontier(PlanOutcome outcome) => new(
        "Time against width",
        "What other div values lead to: the predicted time, and how much of the hidden size is left to tell the rarest tokens apart.",
        "µs a step",
        "% of the hidden size",
        [.. outcome.Frontier.Select(point => new LineSeries(Text($"div value {point.DivValue}"), [(point.Plan.Cost / 1e3, point.NarrowestShare * 100)], HasDots: true))]);

    private static TableSection Moves(KeptTokens kept) => new(
        "What moved",
        Text($"{kept.Plan.Moves.Count:n0} tokens moved, came or went; all others stay in their cluster. {(kept.Plan.Moves.Count > ShownMoves ? $"The first {ShownMoves}; --json has all." : "")}"),
        ["token", "from", "to", "share before", "now", "deviations"],
        [.. kept.Plan.Moves.Take(ShownMoves).Select(move => new[]
        {
            kept.Spell(move), move.From is { } from ? NameOf(from) : "new", move.To is { } to ? NameOf(to) : "gone", Text($"{move.OldShare * 100:n4} %"), Text($"{move.NewShare * 100:n4} %"), double.IsFinite(move.Deviations) ? Text($"{move.Deviations:n1}") : "",
        })]);

    // Whole numbers from one to another, about evenly spread on a logarithmic axis.
    private static IEnumerable<int> Spread(int from, int to, int points) =>
        Enumerable.Range(0, points).Select(i => (int)Math.Round(from * Math.Pow((double)to / from, i / (points - 1.0)))).Distinct();

    private static string NameOf(int cluster) => cluster == 0 ? "head" : Text($"tail{cluster - 1}");

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
