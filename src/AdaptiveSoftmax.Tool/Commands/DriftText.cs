using System.Globalization;
using AdaptiveSoftmax.Tool.Terminal;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tool.Commands;

/// <summary>Shows what <c>drift</c> found as tables.</summary>
internal static class DriftText
{
    private const int Shown = 10;

    public static void Write(ToolConsole console, DriftOutcome outcome)
    {
        var (report, options) = (outcome.Report, outcome.Options);
        Line(console, $"Compared {outcome.Tokens:n0} tokens with the {TokenShares.Sum(outcome.Table.Counts):n0} of {Excerpt.Line(outcome.TableFile)}.");
        WriteShares(console, outcome);
        var overClusters = outcome.Definition is null ? "" : Format($"{report.ClusterStability:f3} over clusters, ");
        Line(console, $"Population stability index: {overClusters}{report.FrequencyStability:f3} over tenths of the occurrences; drift from {options.StabilityThreshold}.");
        Line(console, $"Jensen-Shannon divergence: {report.ExcessJensenShannon:f3} nats above the {report.SamplingNoise:f3} of sampling noise; drift from {options.JensenShannonThreshold}.");
        WriteTokens(console, outcome, "Risen most", report.Risen);
        WriteTokens(console, outcome, "Fallen most", report.Fallen);
        if (outcome.Report.UnknownShare > 0.01)
            Line(console, $"{outcome.Report.UnknownShare * 100:n1} % of the observed tokens are not in the table; if it was counted with another encoding, name it with --encoding.");
        if (report.Tokens < outcome.Table.Count)
            Line(console, $"There are fewer tokens than the table has entries: enough to see large drift, too few to plan clusters from.");
        if (outcome.Replan is { } replan) WriteReplan(console, outcome, outcome.Definition!.Layout, replan);
        if (!outcome.HasDrift)
        {
            Line(console, $"There is no drift.");
            return;
        }

        if (outcome.Written is { } written) Line(console, $"There is drift. Wrote {Excerpt.Line(written.File)} with fingerprint {written.Fingerprint}. To carry weights over to it:");
        else Line(console, $"There is drift. For clusters that fit what is seen now:");
        foreach (var command in outcome.NextCommands) Line(console, $"  {command}");
    }

    private static void WriteShares(ToolConsole console, DriftOutcome outcome)
    {
        var table = new ToolTable(outcome.Definition is null ? "tokens" : "cluster", "slots", "before", "now", "stability");
        if (outcome.Definition is { } definition)
        {
            var layout = definition.Layout;
            for (var i = 0; i < outcome.Report.Clusters.Count; i++)
            {
                var cluster = outcome.Report.Clusters[i];
                var (start, size) = i == 0 ? (0, layout.ShortlistSize) : (layout.Tails[i - 1].Start, layout.Tails[i - 1].Size);
                AddShare(table, i == 0 ? "head" : Format($"tail {i - 1}"), start, size, cluster.ExpectedShare, cluster.ObservedShare, cluster.Stability);
            }
        }
        else
        {
            foreach (var bin in outcome.Report.Frequencies)
                AddShare(table, bin.ExpectedShare > 0 ? "counted" : "never counted", bin.FirstSlot, bin.Slots, bin.ExpectedShare, bin.ObservedShare, bin.Stability);
        }

        if (outcome.Report.UnknownTokens > 0) table.AddRow("unknown", "", Format($"{0:n2} %"), Format($"{outcome.Report.UnknownShare * 100:n2} %"), Format($"{outcome.Report.ClusterStability - outcome.Report.Clusters.Sum(cluster => cluster.Stability):f3}"));
        table.Write(console.Output);
    }

    private static void WriteTokens(ToolConsole console, DriftOutcome outcome, string title, IReadOnlyList<TokenDrift> tokens)
    {
        var moved = tokens.Where(token => token.JensenShannon > 0).Take(Shown).ToArray();
        if (moved.Length == 0) return;
        var table = new ToolTable(title, "slot", "before", "now", "nats");
        foreach (var token in moved)
            table.AddRow(Excerpt.Of(TokenTableWriter.Escape(outcome.Table.GetToken(token.Slot))), Format($"{token.Slot}"), Format($"{token.ExpectedShare * 100:n4} %"), Format($"{token.ObservedShare * 100:n4} %"), Format($"{token.JensenShannon:f5}"));
        table.Write(console.Output);
    }

    private static void WriteReplan(ToolConsole console, DriftOutcome outcome, SoftmaxLayout layout, DriftReplan replan)
    {
        var report = outcome.Report;
        Line(console, $"Now: cutoffs {string.Join(", ", layout.Tails.Select(tail => tail.Start))}; the shortlist covers {report.Clusters[0].ObservedShare * 100:n2} %.");
        if (replan.Hindrance is { } hindrance) Line(console, $"The present clusters cannot be kept, for {hindrance}; what follows is planned from scratch.");
        Line(console, $"Planned anew: cutoffs {string.Join(", ", replan.Plan.Cutoffs)}; the shortlist covers {replan.Plan.Coverage[0] * 100:n2} %, and a {PlanOptions.Describe(replan.Options.CostModel)} is predicted to be {replan.SpeedUp:n2} times as fast as with the present clusters.");
        if (replan.Kept is { } kept)
            Line(console, $"Only what changed beyond noise moves: {kept.Plan.Moves.Count:n0} of {replan.Table.Count:n0} tokens changed cluster, came or went. From scratch: cutoffs {string.Join(", ", kept.Fresh.Cutoffs)}, {replan.FreshSpeedUp:n2} times as fast.");
        var (unpinned, missing) = outcome.LostPins;
        if (unpinned + missing == 0) return;
        Line(console, $"Of the {outcome.Table.PinnedCount:n0} tokens that {Excerpt.Line(outcome.TableFile)} pins to the head, what is seen now lacks {missing:n0} and does not pin {unpinned:n0}.{(unpinned > 0 ? " Where they are to stay there, plan it with --pin or --pin-all." : "")}");
    }

    private static void AddShare(ToolTable table, string name, int start, int size, double before, double now, double stability) =>
        table.AddRow(name, Format($"{start}..{(long)start + size - 1}"), Format($"{before * 100:n2} %"), Format($"{now * 100:n2} %"), Format($"{stability:f3}"));

    private static void Line(ToolConsole console, FormattableString text) => console.WriteLine(Format(text));

    private static string Format(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
