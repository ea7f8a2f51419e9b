using System.Globalization;
using AdaptiveSoftmax.Tool.Reports;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tool.Commands;

/// <summary>What <c>drift</c> found, to look at.</summary>
internal static class DriftPage
{
    private const int Shown = 20;

    public static ReportPage Create(DriftOutcome outcome)
    {
        var report = outcome.Report;
        var sections = new List<ReportSection> { Measures(outcome) };
        if (outcome.Definition is not null)
        {
            sections.Add(Shares(
                "Shares by cluster",
                "The share of tokens in the head's shortlist and in each tail, as the table has it and as it was seen.",
                report.Clusters.Select(cluster => (cluster.Name, cluster.ExpectedShare, cluster.ObservedShare)),
                outcome.Report.UnknownShare));
        }

        sections.Add(Shares(
            "Shares by frequency",
            "The same in tenths of the table's occurrences, the most frequent tokens left.",
            report.Frequencies.Select((bin, i) => (bin.ExpectedShare > 0 ? string.Create(CultureInfo.InvariantCulture, $"tenth {i + 1}") : "unseen", bin.ExpectedShare, bin.ObservedShare)),
            outcome.Report.UnknownShare));
        AddTokens(sections, outcome.Table, "Risen most", report.Risen);
        AddTokens(sections, outcome.Table, "Fallen most", report.Fallen);
        var lead = outcome.HasDrift ? "There is drift." : "There is no drift.";
        return new ReportPage("Drift", string.Create(CultureInfo.InvariantCulture, $"{lead} {(double)report.Tokens + report.UnknownTokens:n0} tokens against {outcome.TableFile}."), sections);
    }

    private static TableSection Measures(DriftOutcome outcome)
    {
        var (report, options) = (outcome.Report, outcome.Options);
        var rows = new List<IReadOnlyList<string>>
        {
            new[] { "population stability index over tenths", Number(report.FrequencyStability), Number(options.StabilityThreshold) },
            new[] { "Jensen-Shannon divergence above sampling noise, nats", Number(report.ExcessJensenShannon), Number(options.JensenShannonThreshold) },
        };
        if (outcome.Definition is not null) rows.Insert(0, ["population stability index over clusters", Number(report.ClusterStability), Number(options.StabilityThreshold)]);
        return new TableSection("Measures", "", ["measure", "found", "drift from"], rows);
    }

    private static BarSection Shares(string title, string note, IEnumerable<(string Name, double Expected, double Observed)> shares, double unknown)
    {
        var rows = shares.ToList();
        if (unknown > 0) rows.Add(("unknown", 0, unknown));
        return new BarSection(title, note, "% of tokens", [.. rows.Select(row => row.Name)],
        [
            new BarSeries("expected", [.. rows.Select(row => row.Expected * 100)]),
            new BarSeries("seen", [.. rows.Select(row => row.Observed * 100)]),
        ]);
    }

    private static void AddTokens(List<ReportSection> sections, TokenTable table, string title, IReadOnlyList<TokenDrift> tokens)
    {
        var moved = tokens.Where(token => token.JensenShannon > 0).Take(Shown).ToArray();
        if (moved.Length == 0) return;
        sections.Add(new TableSection(title, "", ["token", "slot", "expected", "seen", "nats"], [.. moved.Select(token => new[]
        {
            TokenTableWriter.Escape(table.GetToken(token.Slot)), token.Slot.ToString(CultureInfo.InvariantCulture), Share(token.ExpectedShare), Share(token.ObservedShare), token.JensenShannon.ToString("n5", CultureInfo.InvariantCulture),
        })]));
    }

    private static string Share(double share) => share.ToString("p4", CultureInfo.InvariantCulture);

    private static string Number(double value) => value.ToString("n3", CultureInfo.InvariantCulture);
}
