using System.Globalization;
using AdaptiveSoftmax.Vocabulary;
using Spectre.Console;

namespace AdaptiveSoftmax.Tool.Commands;

/// <summary>Shows a plan as a table of its clusters.</summary>
internal static class PlanTable
{
    public static void Write(IAnsiConsole console, ClusterPlan plan, int batchSize)
    {
        var layout = plan.Layout;
        var table = new Table { Border = console.Profile.Capabilities.Interactive ? TableBorder.Rounded : TableBorder.Ascii2 };
        table.AddColumn(new TableColumn("cluster").NoWrap());
        foreach (var title in new[] { "slots", "tokens", "coverage", "width", "parameters", "MB" }) table.AddColumn(new TableColumn(title).RightAligned().NoWrap());

        var headParameters = ((long)layout.HeadRows * layout.HiddenSize) + (layout.HasHeadBias ? layout.HeadRows : 0);
        AddRow(table, "head", 0, layout.ShortlistSize, plan.Coverage[0], layout.HiddenSize, headParameters);
        foreach (var tail in layout.Tails)
        {
            var parameters = (long)tail.ProjectionWidth * (layout.HiddenSize + tail.Size);
            AddRow(table, Text($"tail {tail.Index}"), tail.Start, tail.Size, plan.Coverage[tail.Cluster], tail.ProjectionWidth, parameters);
        }

        console.Write(table);
        var full = (long)layout.VocabularySize * layout.HiddenSize;
        console.Write(new Text(Text($"""
            Cutoffs: {string.Join(", ", plan.Cutoffs)}
            Parameters: {layout.ParameterCount:n0}, {(double)full / layout.ParameterCount:n1} times fewer than the full softmax's {full:n0}.
            Predicted training step with {batchSize:n0} targets: {plan.SpeedUp:n1} times faster than a full softmax.

            """)));
    }

    private static void AddRow(Table table, string name, int start, int size, double coverage, int width, long parameters) =>
        table.AddRow(
            name,
            Text($"{start}..{start + size - 1}"),
            Text($"{size:n0}"),
            Text($"{coverage * 100:n2} %"),
            Text($"{width:n0}"),
            Text($"{parameters:n0}"),
            Text($"{parameters * 4 / 1e6:n1}"));

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
