using System.Globalization;
using Spectre.Console;

namespace LanguageModelSample;

/// <summary>The closing table: the adaptive softmax beside the full one.</summary>
internal sealed class ReportTable
{
    private readonly Table _table = new Table().Border(TableBorder.Rounded)
        .AddColumn("")
        .AddColumn(new TableColumn("adaptive").RightAligned())
        .AddColumn(new TableColumn("full").RightAligned())
        .AddColumn(new TableColumn("ratio").RightAligned());

    /// <summary>Adds a figure of both.</summary>
    public ReportTable Add(FormattableString name, string unit, double adaptive, double full)
    {
        _table.AddRow(Format(name), Value(adaptive, unit), Value(full, unit), Format($"{full / adaptive:N1} x"));
        return this;
    }

    /// <summary>Adds a figure of the adaptive softmax alone.</summary>
    public ReportTable Add(FormattableString name, double adaptive)
    {
        _table.AddRow(Format(name), Format($"{adaptive:N1}"), "", "");
        return this;
    }

    public void Write(IAnsiConsole console) => console.Write(_table);

    private static string Value(double value, string unit)
    {
        var digits = value switch { < 1 => 3, < 100 => 1, _ => 0 };
        return $"{value.ToString($"N{digits}", CultureInfo.InvariantCulture)} {unit}".TrimEnd();
    }

    private static string Format(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
