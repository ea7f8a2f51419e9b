using ScottPlot;
using SkiaSharp;

namespace AdaptiveSoftmax.Plots;

/// <summary>The light colours of the pages.</summary>
internal static class PlotStyle
{
    private static readonly Color[] s_colours = [.. new[] { "#2563eb", "#c2570c", "#15803d", "#7c3aed", "#be185d", "#0e7490" }.Select(Color.FromHex)];

    // What the system draws with where it knows none of these is left to it.
    private static readonly string? s_font = new[] { "Segoe UI", "Roboto", "Noto Sans", "DejaVu Sans", "Liberation Sans", "Helvetica Neue", "Arial" }.FirstOrDefault(SKFontManager.Default.FontFamilies.Contains);

    public static Color Soft { get; } = Color.FromHex("#57606a");

    /// <summary>The colour of a series; more than there are colours begin anew.</summary>
    public static Color ColourOf(int series) => s_colours[series % s_colours.Length];

    public static void Apply(Plot plot, Chart chart)
    {
        plot.FigureBackground.Color = Colors.White;
        plot.DataBackground.Color = Colors.White;
        plot.Axes.Color(Soft);
        plot.Grid.MajorLineColor = Color.FromHex("#d8dee4");
        plot.Title(chart.Title, 15);
        plot.Axes.Title.Label.ForeColor = Color.FromHex("#1b1f24");
        foreach (var axis in new IAxis[] { plot.Axes.Left, plot.Axes.Bottom })
        {
            axis.Label.FontSize = 13;
            axis.Label.Bold = false;
        }

        if (chart.Names.Count > 1)
        {
            plot.Legend.OutlineWidth = 0;
            plot.Legend.ShadowColor = Colors.Transparent;
            // Without an entry it would take the whole picture.
            plot.ShowLegend(Edge.Bottom);
        }

        if (s_font is not null) plot.Font.Set(s_font);
    }
}
