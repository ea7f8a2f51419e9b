using System.Globalization;
using AdaptiveSoftmax.Tool.Terminal;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tool.Commands;

/// <summary>Shows what <c>evaluate</c> found as tables.</summary>
internal static class EvaluateText
{
    public static void Write(ToolConsole console, EvaluateOutcome outcome)
    {
        foreach (var (name, report) in outcome.Results)
        {
            console.WriteLine(Format($"{name}: {report.Whole.Tokens:n0} states of {outcome.States}; times are medians of {report.TimedTokens:n0} greedy predictions."));
            var table = new ToolTable("targets", "slots", "states", "perplexity", "bits/byte", "top 1", $"top {report.TopK.ToString(CultureInfo.InvariantCulture)}", "calibration", "tails", "µs");
            Add(table, "all", report.Whole, isOfNeighbours: false);
            foreach (var figures in report.Clusters) Add(table, figures.Name, figures, isOfNeighbours: true);
            foreach (var figures in report.Deciles) Add(table, figures.Name == "unseen" ? "unseen" : $"tenth {figures.Name}", figures, isOfNeighbours: true);
            foreach (var figures in report.Domains) Add(table, Excerpt.Name(figures.Name), figures, isOfNeighbours: false);
            table.Write(console.Output);
        }

        foreach (var (first, second, report) in outcome.Agreements)
        {
            console.WriteLine(Format($"{second} against {first}: the same token is most probable for {report.Whole.Top1Agreement * 100:n2} % of the states."));
            var table = new ToolTable("targets", "states", "same top 1", "Δ log-prob", "|Δ log-prob|", "divergence");
            Add(table, "all", report.Whole);
            foreach (var figures in report.Clusters) Add(table, figures.Name, figures);
            foreach (var figures in report.Deciles) Add(table, figures.Name == "unseen" ? "unseen" : $"tenth {figures.Name}", figures);
            foreach (var figures in report.Domains) Add(table, Excerpt.Name(figures.Name), figures);
            table.Write(console.Output);
        }
    }

    /// <summary>A figure for people; empty where there is none.</summary>
    public static string Number(double value, string format) => double.IsNaN(value) ? "" : value.ToString(format, CultureInfo.InvariantCulture);

    /// <summary>A perplexity for people, which may be anything from 1 up.</summary>
    public static string Perplexity(double value) => Number(value, value < 1e7 ? "n2" : "0.00e+0");

    private static void Add(ToolTable table, string name, EvaluationFigures figures, bool isOfNeighbours) => table.AddRow(
        name,
        isOfNeighbours && figures.Slots > 0 ? Format($"{figures.FirstSlot}..{figures.FirstSlot + figures.Slots - 1}") : "",
        Format($"{figures.Tokens:n0}"),
        Perplexity(figures.Perplexity),
        Number(figures.BitsPerByte, "n3"),
        Share(figures.Accuracy),
        Share(figures.TopKAccuracy),
        Number(figures.CalibrationError, "n4"),
        Number(figures.TailsVisited, "n3"),
        Number(figures.Microseconds, "n1"));

    private static void Add(ToolTable table, string name, AgreementFigures figures) => table.AddRow(
        name, Format($"{figures.Tokens:n0}"), Share(figures.Top1Agreement), Number(figures.LogProbDifference, "n4"), Number(figures.AbsoluteDifference, "n4"), Number(figures.Divergence, "n5"));

    private static string Share(double value) => double.IsNaN(value) ? "" : Format($"{value * 100:n2} %");

    private static string Format(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
