using System.Globalization;
using AdaptiveSoftmax.Tool.Terminal;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tool.Commands;

/// <summary>Shows a plan as a table of its clusters.</summary>
internal static class PlanText
{
    public static void Write(ToolConsole console, PlanOutcome outcome)
    {
        var (plan, layout, model) = (outcome.Plan, outcome.Plan.Layout, outcome.Options.CostModel);
        // A step of training visits what its targets are in, which the coverage says.
        var isTraining = model.Use == SoftmaxUse.Training;
        var table = new ToolTable("cluster", ["slots", "tokens", "coverage", .. isTraining ? Array.Empty<string>() : ["visits"], "width", "parameters", "MB"]);
        AddRow(table, "head", 0, layout.ShortlistSize, plan.Coverage[0], isTraining ? null : 1, layout.HiddenSize, layout.HeadParameterCount);
        foreach (var tail in layout.Tails)
            AddRow(table, Text($"tail {tail.Index}"), tail.Start, tail.Size, plan.Coverage[tail.Cluster], isTraining ? null : plan.Visits[tail.Index], tail.ProjectionWidth, layout.GetTailParameterCount(tail.Index));
        table.Write(console.Output);
        var full = PlanJson.FullParameters(layout);
        Line(console, $"Cutoffs: {string.Join(", ", plan.Cutoffs)}");
        Line(console, $"Parameters: {layout.ParameterCount:n0}, {(double)full / layout.ParameterCount:n1} times fewer than the full softmax's {full:n0}.");
        Line(console, $"Predicted {PlanOptions.Describe(model)} on {model.Machine.Name}: {Time(plan.Cost)}, {BesideFull(plan)}.");
        if (model.Use != SoftmaxUse.Training) Line(console, $"Expected tails a token: {plan.VisitsPerToken:n2}.");
        if (outcome.VisitsByCounts.Count > 0) Line(console, $"Visits are those of {outcome.Options.Visits!.Count:n0} states; from counts alone they would be {string.Join(", ", outcome.VisitsByCounts.Select(visits => Text($"{visits * 100:n2} %")))}.");
        if (outcome.Kept is { } kept) WriteKept(console, kept, plan);
        if (outcome.Domains.Count + outcome.DomainQuality.Count > 0) WriteDomains(console, outcome);
        if (outcome.Frontier.Count > 0) WriteFrontier(console, outcome);
        if (outcome.Measured.Count > 0) WriteMeasured(console, outcome.Measured);
    }

    public static string Time(double nanoseconds) => nanoseconds switch
    {
        >= 1e9 => Text($"{nanoseconds / 1e9:n2} s"),
        >= 1e6 => Text($"{nanoseconds / 1e6:n2} ms"),
        _ => Text($"{nanoseconds / 1e3:n1} µs"),
    };

    /// <summary>How a plan's time stands to that of a full softmax.</summary>
    public static string BesideFull(ClusterPlan plan) => plan.SpeedUp >= 1
        ? Text($"{plan.SpeedUp:n1} times faster than a full softmax's {Time(plan.FullCost)}")
        : Text($"{1 / plan.SpeedUp:n1} times slower than a full softmax's {Time(plan.FullCost)}, which is the better choice here");

    public static void Line(ToolConsole console, FormattableString text) => console.WriteLine(Text(text));

    private static void WriteKept(ToolConsole console, KeptTokens kept, ClusterPlan plan)
    {
        const int Shown = 20;
        var moves = kept.Plan.Moves;
        Line(console, $"Kept the old clusters: {moves.Count:n0} of {plan.Layout.VocabularySize:n0} tokens moved, came or went. Planned without them: cutoffs {string.Join(", ", kept.Fresh.Cutoffs)}, {Time(kept.Fresh.Cost)}.");
        if (moves.Count == 0) return;
        var table = new ToolTable("token", "from", "to", "share before", "now", "deviations");
        foreach (var move in moves.Take(Shown))
            table.AddRow(Excerpt.Of(kept.Spell(move)), Cluster(move.From, "new"), Cluster(move.To, "gone"), Text($"{move.OldShare * 100:n4} %"), Text($"{move.NewShare * 100:n4} %"), double.IsFinite(move.Deviations) ? Text($"{move.Deviations:n1}") : "");
        table.Write(console.Output);
        if (moves.Count > Shown) Line(console, $"... and {moves.Count - Shown:n0} more, all of them with --json.");

        static string Cluster(int? cluster, string none) => cluster switch { null => none, 0 => "head", _ => Text($"tail {cluster - 1}") };
    }

    private static void WriteDomains(ToolConsole console, PlanOutcome outcome)
    {
        // What a domain pays is known of counted ones, how well it is served of those of the states.
        var quality = outcome.DomainQuality;
        string[] QualityOf(string name) => quality.Count == 0 ? [] : [.. quality.Where(figures => figures.Name == name).Select(figures => Text($"{figures.BitsPerByte:n3}")).DefaultIfEmpty("")];
        var table = new ToolTable("domain", ["tokens", "in the head", "tails a token", "step", "against the cheapest", .. quality.Count == 0 ? Array.Empty<string>() : ["bits/byte"], ""]);
        foreach (var domain in outcome.Domains)
            table.AddRow([Excerpt.Of(domain.Name), Text($"{domain.Tokens:n0}"), Text($"{domain.HeadShare * 100:n2} %"), Text($"{domain.VisitsPerToken:n3}"), Time(domain.Cost), Text($"{domain.Ratio:n2}"), .. QualityOf(domain.Name), domain.PaysMore ? "pays more" : ""]);
        foreach (var figures in quality.Where(figures => outcome.Domains.All(domain => domain.Name != figures.Name)))
            table.AddRow([Excerpt.Of(figures.Name), "", "", "", "", "", .. QualityOf(figures.Name), "not counted"]);
        table.Write(console.Output);
        if (outcome.Unbalanced is not { } unbalanced) return;
        var (worst, before) = (outcome.Domains.Max(domain => domain.Cost), unbalanced.Domains.Max(domain => domain.Cost));
        Line(console, $"Balanced: the domain that pays most pays {Time(worst)} instead of {Time(before)} with cutoffs {string.Join(", ", unbalanced.Plan.Cutoffs)}, the average {Time(outcome.Plan.Cost)} instead of {Time(unbalanced.Plan.Cost)} ({((outcome.Plan.Cost / unbalanced.Plan.Cost) - 1) * 100:+0.0;-0.0;0.0} %).");
    }

    private static void WriteFrontier(ToolConsole console, PlanOutcome outcome)
    {
        Line(console, $"");
        Line(console, $"Time against what is left for rare tokens, as narrow as each div value leads to:");
        var table = new ToolTable("div value", "cutoffs", "widths", "time", "MB", "narrowest", "narrow");
        foreach (var point in outcome.Frontier)
        {
            var layout = point.Plan.Layout;
            table.AddRow(
                Text($"{point.DivValue}"),
                string.Join(", ", point.Plan.Cutoffs),
                string.Join(", ", layout.Tails.Select(tail => tail.ProjectionWidth)),
                Time(point.Plan.Cost),
                Text($"{layout.ParameterBytes / 1e6:n1}"),
                Text($"{point.NarrowestShare * 100:n1} % of {layout.HiddenSize}"),
                Text($"{point.NarrowCoverage * 100:n2} %"));
        }

        table.Write(console.Output);
        Line(console, $"Narrowest: the values left to tell the rarest tokens apart. Narrow: the occurrences told apart with less than a quarter of the hidden size.");
        var (narrowest, hiddenSize) = (outcome.Plan.Layout.Tails.Min(tail => tail.ProjectionWidth), outcome.Plan.Layout.HiddenSize);
        Line(console, $"Recommended: div value {ClusterPlanOptions.RecommendedDivValue} and no tail narrower than a quarter of the hidden size, {(4L * narrowest >= hiddenSize ? "the plan above" : Text($"which the plan above is not: its narrowest tail has {narrowest} of {hiddenSize}; ask for fewer clusters"))}. Counts do not tell what a rare word loses; evaluate does.");
    }

    private static void WriteMeasured(ToolConsole console, IReadOnlyList<PlanMeasurement> measured)
    {
        var table = new ToolTable("measured", "cutoffs", "predicted", "took", "prediction is off by");
        foreach (var (name, cutoffs, predicted, took) in measured)
            table.AddRow(name, string.Join(", ", cutoffs), Time(predicted), Time(took), Text($"{((predicted / took) - 1) * 100:+0;-0;0} %"));
        table.Write(console.Output);
    }

    private static void AddRow(ToolTable table, string name, int start, int size, double coverage, double? visits, int width, long parameters) =>
        table.AddRow([
            name,
            Text($"{start}..{(long)start + size - 1}"),
            Text($"{size:n0}"),
            Text($"{coverage * 100:n2} %"),
            .. visits is null ? Array.Empty<string>() : [Text($"{visits * 100:n2} %")],
            Text($"{width:n0}"),
            Text($"{parameters:n0}"),
            Text($"{parameters * 4 / 1e6:n1}"),
        ]);

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
