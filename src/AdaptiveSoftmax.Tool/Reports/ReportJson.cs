using System.Text.Encodings.Web;
using System.Text.Json;

namespace AdaptiveSoftmax.Tool.Reports;

/// <summary>Writes a page's charts and tables as data, for whoever draws them otherwise.</summary>
internal static class ReportJson
{
    /// <summary>What tells such a file from others.</summary>
    public const string Generator = "\"generator\": \"adaptive-softmax\"";

    private static readonly JsonSerializerOptions s_options = new(JsonSerializerDefaults.Web)
    {
        WriteIndented = true,
        NewLine = "\n",
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    public static string Write(ReportPage page) => JsonSerializer.Serialize(new { Generator = "adaptive-softmax", page.Title, page.Lead, Sections = page.Sections.Select(Describe) }, s_options) + "\n";

    private static object Describe(ReportSection section) => section switch
    {
        BarSection bars => new { Kind = "bars", bars.Title, bars.Note, bars.Unit, bars.Categories, Series = bars.Series.Select(series => new { series.Name, Values = series.Values.Select(Finite) }), bars.IsLog },
        LineSection lines => new
        {
            Kind = "lines",
            lines.Title,
            lines.Note,
            lines.XTitle,
            lines.YTitle,
            Series = lines.Series.Select(series => new { series.Name, Points = series.Points.Select(point => new { X = Finite(point.X), Y = Finite(point.Y) }), series.HasDots }),
            lines.IsXLog,
            lines.IsYLog,
            Marks = lines.Marks.Select(mark => new { mark.X, mark.Name }),
            lines.HasDiagonal,
        },
        TableSection table => new { Kind = "table", table.Title, table.Note, table.Columns, table.Rows },
        _ => throw new NotSupportedException($"There is no way to write {section.GetType().Name}."),
    };

    // JSON has no NaN and no infinity.
    private static double? Finite(double value) => double.IsFinite(value) ? value : null;
}
