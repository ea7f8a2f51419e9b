using AdaptiveSoftmax.Vocabulary;
using ScottPlot;

namespace AdaptiveSoftmax.Plots;

/// <summary>
/// Draws the charts of a report as PNG: the file that <c>--report FILE.json</c> of the tool's <c>plan</c>, <c>evaluate</c>,
/// <c>drift</c>, <c>migrate</c>, <c>extend</c> and <c>adopt</c> writes, with the same charts as their pages.
/// </summary>
public static class ReportPlots
{
    /// <summary>Draws each chart of a report into a file of its own, named by the chart's title, such as <c>rank-and-frequency.png</c>.</summary>
    /// <param name="reportFile">The report.</param>
    /// <param name="folder">The folder, which is made where there is none. Files of these names are replaced.</param>
    /// <param name="options">How large the pictures are; null for 760 by 360 units of two pixels.</param>
    /// <param name="cancellationToken">Stops between two pictures.</param>
    /// <returns>The files, in the report's order. Tables are not drawn.</returns>
    /// <exception cref="FormatException">The file is no such report; the message says which one is.</exception>
    /// <exception cref="ArgumentException">An option is out of range.</exception>
    /// <exception cref="IOException">A file cannot be read or written.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public static IReadOnlyList<string> Write(string reportFile, string folder, PlotOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(reportFile);
        ArgumentNullException.ThrowIfNull(folder);
        options ??= new PlotOptions();
        options.Check();
        var charts = ReportFile.Read(reportFile);
        Directory.CreateDirectory(folder);
        var written = new List<string>();
        foreach (var chart in charts)
        {
            cancellationToken.ThrowIfCancellationRequested();
            using var plot = new Plot { ScaleFactor = options.Scale };
            PlotStyle.Apply(plot, chart);
            chart.Draw(plot);
            var path = FreeName(folder, chart.Title, written);
            AtomicFile.Write(path, stream => stream.Write(plot.GetImageBytes((int)(options.Width * options.Scale), (int)(options.Height * options.Scale), ImageFormat.Png)), cancellationToken);
            written.Add(path);
        }

        return written;
    }

    // Two charts of one title, as of two softmaxes, are numbered.
    private static string FreeName(string folder, string title, List<string> taken)
    {
        var stem = string.Concat(title.ToLowerInvariant().Select(letter => char.IsAsciiLetterOrDigit(letter) ? letter : '-')).Trim('-');
        for (var number = 1; ; number++)
        {
            var path = Path.Combine(folder, number == 1 ? $"{stem}.png" : FormattableString.Invariant($"{stem}-{number}.png"));
            if (!taken.Contains(path)) return path;
        }
    }
}
