using ScottPlot;

namespace AdaptiveSoftmax.Plots;

/// <summary>A chart of a report.</summary>
internal abstract record Chart(string Title)
{
    /// <summary>The names of its series.</summary>
    public abstract IReadOnlyList<string> Names { get; }

    /// <summary>Draws it on an empty plot.</summary>
    public abstract void Draw(Plot plot);
}

/// <summary>Bars side by side, a group for each category; a value that is null has none.</summary>
internal sealed record BarChart(string Title, string Unit, IReadOnlyList<string> Categories, IReadOnlyList<BarSeries> Series, bool IsLog) : Chart(Title)
{
    private const double Gap = 0.22;

    public override IReadOnlyList<string> Names => [.. Series.Select(series => series.Name)];

    public override void Draw(Plot plot)
    {
        var axis = new PlotAxis(Series.SelectMany(series => series.Values).OfType<double>(), IsLog, fromZero: true);
        var width = (1 - Gap) / Math.Max(1, Series.Count);
        for (var number = 0; number < Series.Count; number++)
        {
            var bars = new List<Bar>();
            for (var category = 0; category < Categories.Count; category++)
            {
                if (Series[number].Values[category] is not { } value || !axis.Has(value)) continue;
                bars.Add(new Bar
                {
                    Position = category + ((number - ((Series.Count - 1) / 2.0)) * width),
                    Value = axis.At(value),
                    ValueBase = axis.Base,
                    Size = width * 0.94,
                    FillColor = PlotStyle.ColourOf(number),
                    LineWidth = 0,
                });
            }

            var plotted = plot.Add.Bars(bars);
            if (Series.Count > 1) plotted.LegendText = Series[number].Name;
        }

        axis.Apply(plot.Axes.Left);
        plot.Axes.Left.Label.Text = Unit;
        plot.Axes.Bottom.TickGenerator = new ScottPlot.TickGenerators.NumericManual([.. Enumerable.Range(0, Categories.Count).Select(category => (double)category)], [.. Categories]);
        plot.Axes.Bottom.MajorTickStyle.Length = 0;
        plot.Axes.SetLimits(-0.5, Categories.Count - 0.5, axis.Low, axis.High);
    }
}

/// <summary>Bars of one colour.</summary>
internal sealed record BarSeries(string Name, IReadOnlyList<double?> Values);

/// <summary>Curves over two axes, and vertical lines with a word each.</summary>
internal sealed record LineChart(string Title, string XTitle, string YTitle, IReadOnlyList<LineSeries> Series, bool IsXLog, bool IsYLog, IReadOnlyList<Mark> Marks, bool HasDiagonal) : Chart(Title)
{
    public override IReadOnlyList<string> Names => [.. Series.Select(series => series.Name)];

    public override void Draw(Plot plot)
    {
        var points = Series.SelectMany(series => series.Points).ToArray();
        var x = new PlotAxis(points.Select(point => point.X).Concat(Marks.Select(mark => (double?)mark.X)).OfType<double>(), IsXLog, fromZero: false);
        var y = new PlotAxis(points.Select(point => point.Y).OfType<double>(), IsYLog, fromZero: true);
        if (HasDiagonal) plot.Add.Line(x.At(0), y.At(0), x.At(1), y.At(1)).LineStyle = new LineStyle(1, PlotStyle.Soft, LinePattern.Dotted);
        foreach (var mark in Marks)
        {
            var line = plot.Add.VerticalLine(x.At(mark.X), 1, PlotStyle.Soft, LinePattern.Dashed);
            line.LabelText = mark.Name;
            line.LabelOppositeAxis = true;
            line.LabelBackgroundColor = Colors.White;
            line.LabelFontColor = PlotStyle.Soft;
        }

        for (var number = 0; number < Series.Count; number++)
        {
            var drawn = Series[number].Points.Where(point => point is { X: { } px, Y: { } py } && x.Has(px) && y.Has(py)).ToArray();
            double[] xs = [.. drawn.Select(point => x.At(point.X!.Value))], ys = [.. drawn.Select(point => y.At(point.Y!.Value))];
            var curve = plot.Add.Scatter(xs, ys, PlotStyle.ColourOf(number));
            curve.LineWidth = 2.5f;
            curve.MarkerSize = Series[number].HasDots ? 8 : 0;
            if (Series.Count > 1) curve.LegendText = Series[number].Name;
        }

        x.Apply(plot.Axes.Bottom);
        y.Apply(plot.Axes.Left);
        plot.Axes.Bottom.Label.Text = XTitle;
        plot.Axes.Left.Label.Text = YTitle;
        plot.Axes.SetLimits(x.Low, x.High, y.Low, y.High);
    }
}

/// <summary>A curve.</summary>
internal sealed record LineSeries(string Name, IReadOnlyList<PlotPoint> Points, bool HasDots);

/// <summary>A point of a curve; null where a value is not finite.</summary>
internal sealed record PlotPoint(double? X, double? Y);

/// <summary>A vertical line with a word.</summary>
internal sealed record Mark(double X, string Name);
