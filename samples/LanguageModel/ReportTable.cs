using System.Globalization;
using Spectre.Console;

namespace LanguageModelSample;

/// <summary>The closing table: the adaptive softmax beside the full one.</summary>
internal static class ReportTable
{
    /// <param name="console">Where the table goes.</param>
    /// <param name="comparison">Both softmaxes over equal steps.</param>
    /// <param name="memory">What <see cref="SoftmaxFigures.UsedBytes"/> are.</param>
    /// <param name="steps">The steps of the whole run.</param>
    /// <param name="perplexity">The perplexity after it.</param>
    public static void Write(IAnsiConsole console, Comparison comparison, string memory, long steps, double perplexity)
    {
        var (adaptive, full) = (comparison.Adaptive, comparison.Full);
        var table = new Table().Border(TableBorder.Rounded)
            .AddColumn("")
            .AddColumn(new TableColumn("adaptive").RightAligned())
            .AddColumn(new TableColumn("full").RightAligned())
            .AddColumn(new TableColumn("ratio").RightAligned());
        AddRow($"training step of {Trainer.BatchSize} tokens", "ms", 1, figures => figures.StepMilliseconds);
        AddRow($"held-out perplexity after {full.Steps} steps each", "", 1, figures => figures.Perplexity);
        table.AddRow(Format($"held-out perplexity after {steps:N0} steps"), Format($"{perplexity:N1}"), "", "");
        AddRow("weights, gradients, optimizer state of the layer", "MB", 1e6, figures => figures.LayerBytes);
        AddRow(memory, "MB", 1e6, figures => figures.UsedBytes);
        AddRow("greedy decoding of a token", "ms", 1e3, figures => figures.DecodeMicroseconds);
        console.Write(table);

        void AddRow(string name, string unit, double scale, Func<SoftmaxFigures, double> figure)
        {
            var (ours, theirs) = (figure(adaptive) / scale, figure(full) / scale);
            table.AddRow(name, Value(ours, unit), Value(theirs, unit), Format($"{theirs / ours:N1} x"));
        }
    }

    private static string Value(double value, string unit)
    {
        var digits = value switch { < 1 => 3, < 100 => 1, _ => 0 };
        return $"{value.ToString($"N{digits}", CultureInfo.InvariantCulture)} {unit}".TrimEnd();
    }

    private static string Format(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
