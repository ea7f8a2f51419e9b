using System.Globalization;
using AdaptiveSoftmax.Tool.Reports;

namespace AdaptiveSoftmax.Tool.Commands;

/// <summary>What a migration did, to look at.</summary>
internal static class MigrationPage
{
    /// <param name="report">What it did.</param>
    /// <param name="title">The command's name, as a title.</param>
    /// <param name="output">The file that was written.</param>
    public static ReportPage Create(MigrationReport report, string title, string output)
    {
        string[] clusters = [.. report.Clusters.Select(cluster => cluster.Cluster == 0 ? "head" : $"tail{Text(cluster.Cluster - 1)}")];
        var sections = new List<ReportSection> { Summary(report) };
        AddPerplexities(sections, report, "Perplexity by frequency", "Targets in tenths of the new table's occurrences, the most frequent tokens left. Heights are logarithms: what a bar is longer is loss in nats.", [.. (report.After?.ByTenth ?? []).Select(tenth => tenth.Name == "unseen" ? tenth.Name : $"tenth {tenth.Name}")], judged => [.. judged.ByTenth.Select(tenth => tenth.Perplexity)]);
        AddPerplexities(sections, report, "Perplexity by cluster", "Targets by the new cluster that holds them, before and after.", clusters, judged => judged.ByCluster);
        sections.Add(new BarSection("What moved", "Tokens that keep every bit, those that came from another cluster or were factored anew, and new ones.", "tokens", clusters,
        [
            new BarSeries("kept", [.. report.Clusters.Select(cluster => (double)cluster.Kept)]),
            new BarSeries("moved", [.. report.Clusters.Select(cluster => (double)cluster.Moved)]),
            new BarSeries("new", [.. report.Clusters.Select(cluster => (double)cluster.Added)]),
        ]));
        AddBars(sections, report, clusters, "What widths do not hold", "The share of the squared logits that is lost where rows were factored to a cluster's width.", "% of squared logits", [("lost", cluster => cluster.LostShare * 100)]);
        AddBars(sections, report, clusters, "Residuals", "The root mean square error of a logit by its factorisation, and of a cluster's fitted mass, over the states.", "nats", [("logit", cluster => cluster.LogitError), ("gate", cluster => cluster.GateError)]);
        sections.Add(Clusters(report, clusters));
        var left = report.LeftOut > 0 ? string.Create(CultureInfo.InvariantCulture, $" {report.LeftOut:n0} states are in no perplexity, since one of the vocabularies lacks their target.") : "";
        return new ReportPage(title, $"{output}: {Text(report.Added)} tokens are new, {Text(report.Removed)} are gone.{left}", sections);
    }

    private static TableSection Summary(MigrationReport report)
    {
        var note = report.HasStates
            ? string.Create(CultureInfo.InvariantCulture, $"Rows and gates were fitted over {report.FittedStates:n0} states.")
            : "There were no states to fit over, so some were made up: a start to train on from, not weights to serve.";
        IEnumerable<(string Name, MigrationPerplexity? Judged)> stages = [("before", report.Before), ("after", report.After), ("polished", report.Polished)];
        return new TableSection("Summary", note, ["", "perplexity", "times the one before", "states"], [.. stages.Where(stage => stage.Judged is not null).Select(stage => new[]
        {
            stage.Name, Number(stage.Judged!.Perplexity), (stage.Judged.Perplexity / report.Before!.Perplexity).ToString("f4", CultureInfo.InvariantCulture), Text(stage.Judged.Count),
        })]);
    }

    private static void AddPerplexities(List<ReportSection> sections, MigrationReport report, string title, string note, string[] categories, Func<MigrationPerplexity, IReadOnlyList<double>> values)
    {
        if (report.Before is null || report.After is null || categories.Length == 0) return;
        var series = new List<BarSeries> { new("before", values(report.Before)), new("after", values(report.After)) };
        if (report.Polished is { } polished) series.Add(new BarSeries("polished", values(polished)));
        sections.Add(new BarSection(title, note, "perplexity", categories, series, IsLog: true));
    }

    // Where nothing was factored or fitted, there is nothing to show.
    private static void AddBars(List<ReportSection> sections, MigrationReport report, IReadOnlyList<string> clusters, string title, string note, string unit, IEnumerable<(string Name, Func<ClusterMigration, double?> Value)> measures)
    {
        BarSeries[] series = [.. measures.Select(measure => new BarSeries(measure.Name, [.. report.Clusters.Select(cluster => measure.Value(cluster) ?? double.NaN)])).Where(bars => bars.Values.Any(double.IsFinite))];
        if (series.Length > 0) sections.Add(new BarSection(title, note, unit, clusters, series));
    }

    private static TableSection Clusters(MigrationReport report, string[] names) => new(
        "Clusters",
        "",
        ["cluster", "change", "tokens", "kept", "moved", "new", "lost", "logit error", "gate error"],
        [.. report.Clusters.Select((cluster, i) => new[]
        {
            names[i], cluster.Cluster == 0 ? "" : cluster.Change.ToString().ToLowerInvariant(), Text(cluster.Size), Text(cluster.Kept), Text(cluster.Moved), Text(cluster.Added),
            cluster.LostShare?.ToString("p1", CultureInfo.InvariantCulture) ?? "", Number(cluster.LogitError), Number(cluster.GateError),
        })]);

    private static string Text(long count) => count.ToString("n0", CultureInfo.InvariantCulture);

    private static string Number(double? value) => value is { } number && double.IsFinite(number) ? number.ToString("n3", CultureInfo.InvariantCulture) : "";
}
