using System.Globalization;
using AdaptiveSoftmax.Tool.Terminal;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tool.Commands;

/// <summary>Shows a plan as a table of its clusters.</summary>
internal static class PlanTable
{
    public static void Write(ToolConsole console, ClusterPlan plan, int batchSize)
    {
        var layout = plan.Layout;
        var table = new ToolTable("cluster", "slots", "tokens", "coverage", "width", "parameters", "MB");
        AddRow(table, "head", 0, layout.ShortlistSize, plan.Coverage[0], layout.HiddenSize, layout.HeadParameterCount);
        foreach (var tail in layout.Tails)
            AddRow(table, Text($"tail {tail.Index}"), tail.Start, tail.Size, plan.Coverage[tail.Cluster], tail.ProjectionWidth, layout.GetTailParameterCount(tail.Index));

        table.Write(console.Output);
        var full = (long)layout.VocabularySize * layout.HiddenSize;
        console.WriteLine(Text($"Cutoffs: {string.Join(", ", plan.Cutoffs)}"));
        console.WriteLine(Text($"Parameters: {layout.ParameterCount:n0}, {(double)full / layout.ParameterCount:n1} times fewer than the full softmax's {full:n0}."));
        console.WriteLine(Text($"Predicted training step with {batchSize:n0} targets: {plan.SpeedUp:n1} times faster than a full softmax."));
    }

    private static void AddRow(ToolTable table, string name, int start, int size, double coverage, int width, long parameters) =>
        table.AddRow(
            name,
            Text($"{start}..{(long)start + size - 1}"),
            Text($"{size:n0}"),
            Text($"{coverage * 100:n2} %"),
            Text($"{width:n0}"),
            Text($"{parameters:n0}"),
            Text($"{parameters * 4 / 1e6:n1}"));

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
