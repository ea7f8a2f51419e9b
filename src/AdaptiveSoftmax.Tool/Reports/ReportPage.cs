namespace AdaptiveSoftmax.Tool.Reports;

/// <summary>A page to look at: what a command found, as sections one below the other.</summary>
/// <param name="Title">What it is.</param>
/// <param name="Lead">A sentence or two that say what is compared with what.</param>
/// <param name="Sections">Charts and tables.</param>
internal sealed record ReportPage(string Title, string Lead, IReadOnlyList<ReportSection> Sections);

/// <summary>A part of a page.</summary>
/// <param name="Title">What it shows.</param>
/// <param name="Note">How to read it; empty for nothing.</param>
internal abstract record ReportSection(string Title, string Note);

/// <summary>A table of figures.</summary>
/// <param name="Title">What it shows.</param>
/// <param name="Note">How to read it; empty for nothing.</param>
/// <param name="Columns">The titles; those behind the first are of numbers.</param>
/// <param name="Rows">The cells.</param>
internal sealed record TableSection(string Title, string Note, IReadOnlyList<string> Columns, IReadOnlyList<IReadOnlyList<string>> Rows) : ReportSection(Title, Note);

/// <summary>Bars side by side, a group for each category.</summary>
/// <param name="Title">What it shows.</param>
/// <param name="Note">How to read it; empty for nothing.</param>
/// <param name="Unit">What the bars are, at the axis.</param>
/// <param name="Categories">The groups, from left to right.</param>
/// <param name="Series">The bars of each group, a value each; NaN for none.</param>
/// <param name="IsLog">Whether heights are logarithms; bars then start at the axis's lower end.</param>
internal sealed record BarSection(string Title, string Note, string Unit, IReadOnlyList<string> Categories, IReadOnlyList<BarSeries> Series, bool IsLog = false) : ReportSection(Title, Note);

/// <summary>Bars of one colour.</summary>
/// <param name="Name">What the legend calls them.</param>
/// <param name="Values">A value for each category.</param>
internal sealed record BarSeries(string Name, IReadOnlyList<double> Values);

/// <summary>Curves over two axes.</summary>
/// <param name="Title">What it shows.</param>
/// <param name="Note">How to read it; empty for nothing.</param>
/// <param name="XTitle">The horizontal axis.</param>
/// <param name="YTitle">The vertical axis.</param>
/// <param name="Series">The curves.</param>
internal sealed record LineSection(string Title, string Note, string XTitle, string YTitle, IReadOnlyList<LineSeries> Series) : ReportSection(Title, Note)
{
    public bool IsXLog { get; init; }

    public bool IsYLog { get; init; }

    /// <summary>Vertical lines with a word each, such as cutoffs.</summary>
    public IReadOnlyList<(double X, string Name)> Marks { get; init; } = [];

    /// <summary>Whether the line of equal values is drawn.</summary>
    public bool HasDiagonal { get; init; }
}

/// <summary>A curve.</summary>
/// <param name="Name">What the legend calls it.</param>
/// <param name="Points">Its points, ascending; those that are not finite are left out.</param>
/// <param name="HasDots">Whether each point is marked, and says its values.</param>
internal sealed record LineSeries(string Name, IReadOnlyList<(double X, double Y)> Points, bool HasDots = false);
