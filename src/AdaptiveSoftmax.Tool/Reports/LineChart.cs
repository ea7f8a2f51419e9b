namespace AdaptiveSoftmax.Tool.Reports;

/// <summary>Draws curves.</summary>
internal static class LineChart
{
    private const double RoomOfDigit = 7;

    public static void Write(Markup markup, LineSection chart)
    {
        var xs = chart.Series.SelectMany(series => series.Points.Select(point => point.X)).Concat(chart.Marks.Select(mark => mark.X));
        var ys = chart.Series.SelectMany(series => series.Points.Select(point => point.Y));
        var x = new ChartScale(xs, chart.IsXLog, fromZero: false, ChartFrame.Left, ChartFrame.Right);
        var y = new ChartScale(ys, chart.IsYLog, fromZero: true, ChartFrame.Bottom, ChartFrame.Top);
        ChartFrame.Begin(markup, chart.Title);
        ChartFrame.DrawY(markup, y, chart.YTitle);
        foreach (var tick in x.Ticks)
            markup.Line($"<line class=\"grid\" x1=\"{x.At(tick)}\" x2=\"{x.At(tick)}\" y1=\"{ChartFrame.Top}\" y2=\"{ChartFrame.Bottom}\"/><text class=\"tick\" x=\"{x.At(tick)}\" y=\"{ChartFrame.Bottom + 18}\" text-anchor=\"middle\">{ChartScale.Name(tick)}</text>");
        ChartFrame.DrawXTitle(markup, chart.XTitle);
        if (chart.HasDiagonal) markup.Line($"<line class=\"reference\" x1=\"{x.At(0)}\" y1=\"{y.At(0)}\" x2=\"{x.At(1)}\" y2=\"{y.At(1)}\"/>");
        DrawMarks(markup, chart, x);
        for (var series = 0; series < chart.Series.Count; series++) Draw(markup, chart, series, x, y);
        ChartFrame.End(markup, [.. chart.Series.Select(series => series.Name)]);
    }

    // Words that would lie on each other stand one below the other.
    private static void DrawMarks(Markup markup, LineSection chart, ChartScale x)
    {
        var (end, row) = (double.NegativeInfinity, 0);
        foreach (var (place, name) in chart.Marks.OrderBy(mark => mark.X))
        {
            var at = x.At(place);
            row = at < end ? row + 1 : 0;
            end = at + 8 + (name.Length * RoomOfDigit);
            var isRight = end > ChartFrame.Right;
            markup.Line($"<line class=\"mark\" x1=\"{at}\" x2=\"{at}\" y1=\"{ChartFrame.Top}\" y2=\"{ChartFrame.Bottom}\"/><text class=\"tick\" x=\"{(isRight ? at - 4 : at + 4)}\" y=\"{ChartFrame.Top + 10 + (row * 14)}\" text-anchor=\"{(isRight ? "end" : "start")}\">{name}</text>");
        }
    }

    private static void Draw(Markup markup, LineSection chart, int number, ChartScale x, ChartScale y)
    {
        var series = chart.Series[number];
        var points = series.Points.Where(point => double.IsFinite(point.X) && double.IsFinite(point.Y) && (!chart.IsXLog || point.X > 0) && (!chart.IsYLog || point.Y > 0)).ToArray();
        var path = string.Join(' ', points.Select(point => $"{Markup.Number(x.At(point.X))},{Markup.Number(y.At(point.Y))}"));
        markup.Line($"<polyline class=\"line s{number % ChartFrame.Colours}\" points=\"{new Verbatim(path)}\"/>");
        if (!series.HasDots) return;
        foreach (var (px, py) in points)
            markup.Line($"<circle class=\"dot s{number % ChartFrame.Colours}\" cx=\"{x.At(px)}\" cy=\"{y.At(py)}\" r=\"4\"><title>{series.Name}: {ChartScale.Name(px)}, {ChartScale.Name(py)}</title></circle>");
    }
}
