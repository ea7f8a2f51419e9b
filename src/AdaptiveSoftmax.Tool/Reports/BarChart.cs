namespace AdaptiveSoftmax.Tool.Reports;

/// <summary>Draws bars.</summary>
internal static class BarChart
{
    private const double Gap = 0.22;
    private const int MostLetters = 14;

    public static void Write(Markup markup, BarSection chart)
    {
        var scale = new ChartScale(chart.Series.SelectMany(series => series.Values), chart.IsLog, fromZero: true, ChartFrame.Bottom, ChartFrame.Top);
        ChartFrame.Begin(markup, chart.Title);
        ChartFrame.DrawY(markup, scale, chart.Unit);
        var room = (ChartFrame.Right - ChartFrame.Left) / Math.Max(1, chart.Categories.Count);
        var width = room * (1 - Gap) / Math.Max(1, chart.Series.Count);
        for (var category = 0; category < chart.Categories.Count; category++)
        {
            var left = ChartFrame.Left + (room * (category + (Gap / 2)));
            for (var series = 0; series < chart.Series.Count; series++)
            {
                var value = chart.Series[series].Values[category];
                if (double.IsNaN(value)) continue;
                var (from, to) = (scale.Base, scale.At(value));
                markup.Line($"<rect class=\"bar s{series % ChartFrame.Colours}\" x=\"{left + (series * width)}\" y=\"{Math.Min(from, to)}\" width=\"{Math.Max(1, width - 1)}\" height=\"{Math.Abs(from - to)}\"><title>{chart.Categories[category]}, {chart.Series[series].Name}: {ChartScale.Name(value)}</title></rect>");
            }

            var (name, x) = (chart.Categories[category], left + (room * (1 - Gap) / 2));
            var label = name.Length > MostLetters ? $"{name[..(MostLetters - 1)]}…" : name;
            var isNarrow = chart.Categories.Max(other => Math.Min(other.Length, MostLetters)) * 7 > room;
            if (isNarrow) markup.Line($"<text class=\"tick\" transform=\"translate({x} {ChartFrame.Bottom + 12}) rotate(-30)\" text-anchor=\"end\">{label}</text>");
            else markup.Line($"<text class=\"tick\" x=\"{x}\" y=\"{ChartFrame.Bottom + 18}\" text-anchor=\"middle\">{label}</text>");
        }

        ChartFrame.End(markup, [.. chart.Series.Select(series => series.Name)]);
    }
}
