using System.Globalization;
using AdaptiveSoftmax.Tool.Reports;

namespace AdaptiveSoftmax.Tool.Commands;

/// <summary>What <c>evaluate</c> found, to look at.</summary>
internal static class EvaluatePage
{
    public static ReportPage Create(EvaluateOutcome outcome)
    {
        var results = outcome.Results;
        var sections = new List<ReportSection> { Summary(results) };
        AddBars(sections, results, report => report.Deciles, "Perplexity by frequency", "Targets in tenths of the table's occurrences, the most frequent tokens left. Heights are logarithms: what a bar is longer is loss in nats.", figures => figures.Name == "unseen" ? "unseen" : $"tenth {figures.Name}");
        AddBars(sections, results, report => report.Clusters, "Perplexity by cluster", "Targets by the cluster that holds them. Softmaxes with other cutoffs have other targets in the clusters of the same name.", figures => figures.Name);
        AddBars(sections, results, report => report.Domains, "Perplexity by domain", "", figures => figures.Name);
        sections.Add(Calibration(results));
        foreach (var (name, report) in results) sections.Add(Figures(name, report));
        foreach (var agreement in outcome.Agreements) sections.Add(Agreement(agreement));
        return new ReportPage("Evaluation", string.Create(CultureInfo.InvariantCulture, $"{results[0].Report.Whole.Tokens:n0} states of {outcome.States}."), sections);
    }

    private static TableSection Summary(IReadOnlyList<EvaluateResult> results) => new(
        "Summary",
        "Tails a token and microseconds are those of exact greedy decoding.",
        ["softmax", "perplexity", "bits/byte", "top 1", $"top {results[0].Report.TopK.ToString(CultureInfo.InvariantCulture)}", "calibration error", "tails a token", "µs a token"],
        [.. results.Select(result => Cells(result.Name, result.Report.Whole))]);

    // A softmax without such groups has empty bars, and the categories are those of the first that has them.
    private static void AddBars(List<ReportSection> sections, IReadOnlyList<EvaluateResult> results, Func<EvaluationReport, IReadOnlyList<EvaluationFigures>> groups, string title, string note, Func<EvaluationFigures, string> name)
    {
        string[] categories = [.. results.SelectMany(result => groups(result.Report)).Select(name).Distinct()];
        if (categories.Length == 0) return;
        var series = results.Select(result => new BarSeries(result.Name, [.. categories.Select(category => groups(result.Report).Where(figures => name(figures) == category).Select(figures => figures.Perplexity).DefaultIfEmpty(double.NaN).First())]));
        sections.Add(new BarSection(title, note, "perplexity", categories, [.. series], IsLog: true));
    }

    private static LineSection Calibration(IReadOnlyList<EvaluateResult> results) => new(
        "Calibration",
        "How often the most probable token came, by the probability it was given. On the dotted line they are the same; below it a softmax is too sure.",
        "probability of the most probable token",
        "share of hits",
        [.. results.Select(result => new LineSeries(result.Name, [.. result.Report.Calibration.Where(bin => bin.Tokens > 0).Select(bin => (bin.Confidence, bin.Accuracy))], HasDots: true))])
    { HasDiagonal = true };

    private static TableSection Figures(string name, EvaluationReport report) => new(
        name,
        "",
        ["targets", "states", "perplexity", "bits/byte", "top 1", $"top {report.TopK.ToString(CultureInfo.InvariantCulture)}", "calibration error", "tails a token", "µs a token"],
        [
            .. new[] { report.Whole }.Concat(report.Clusters).Select(figures => WithTokens(figures.Name, figures)),
            .. report.Deciles.Select(figures => WithTokens(figures.Name == "unseen" ? "unseen" : $"tenth {figures.Name}", figures)),
            .. report.Domains.Select(figures => WithTokens(figures.Name, figures)),
        ]);

    private static TableSection Agreement(EvaluateAgreement agreement) => new(
        $"{agreement.Second} against {agreement.First}",
        "How far they agree token by token; differences are of the target's log-prob, above 0 where the other one is better, and the divergence is of its distribution from the first's, both in nats.",
        ["targets", "states", "same top 1", "difference", "absolute difference", "divergence"],
        [.. new[] { agreement.Report.Whole }.Concat(agreement.Report.Clusters).Concat(agreement.Report.Domains).Select(figures => new[]
        {
            figures.Name, figures.Tokens.ToString("n0", CultureInfo.InvariantCulture), Share(figures.Top1Agreement), EvaluateText.Number(figures.LogProbDifference, "n4"), EvaluateText.Number(figures.AbsoluteDifference, "n4"), EvaluateText.Number(figures.Divergence, "n5"),
        })]);

    private static string[] WithTokens(string name, EvaluationFigures figures)
    {
        var cells = Cells(name, figures);
        return [cells[0], figures.Tokens.ToString("n0", CultureInfo.InvariantCulture), .. cells[1..]];
    }

    private static string[] Cells(string name, EvaluationFigures figures) =>
    [
        name, EvaluateText.Perplexity(figures.Perplexity), EvaluateText.Number(figures.BitsPerByte, "n3"), Share(figures.Accuracy), Share(figures.TopKAccuracy),
        EvaluateText.Number(figures.CalibrationError, "n4"), EvaluateText.Number(figures.TailsVisited, "n3"), EvaluateText.Number(figures.Microseconds, "n1"),
    ];

    private static string Share(double value) => double.IsNaN(value) ? "" : value.ToString("p2", CultureInfo.InvariantCulture);
}
