using System.Globalization;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tool.Weights;

/// <summary>PyTorch's <c>nn.AdaptiveLogSoftmaxWithLoss</c>, which is this project's own layout.</summary>
internal sealed class PyTorchSource(SourceTensors tensors) : SoftmaxSource(tensors)
{
    public const string Layout = "pytorch";
    public const string Mark = "tail.0.1.weight";

    public override string Name => Layout;

    public override string Description => "PyTorch's AdaptiveLogSoftmaxWithLoss";

    protected override IReadOnlyList<string> Parts { get; } = ["head.", "tail."];

    public override IReadOnlyList<string> Fill(ConvertedSoftmax target, ConvertOptions options)
    {
        Tensors.ReadInto("head.weight", target.Head);
        var notes = new List<string>();
        if (target.Layout.HasHeadBias) Tensors.ReadInto("head.bias", target.HeadBias);
        for (var i = 0; i < target.Layout.TailCount; i++)
        {
            Tensors.ReadInto(GetProjection(i), target.Projection(i));
            Tensors.ReadInto(GetOutput(i), target.Output(i));
        }

        notes.AddRange(DescribeLeftOut());
        return notes;
    }

    protected override SoftmaxLayout CreateLayout(ConvertOptions options)
    {
        var (rows, hidden) = Tensors.GetMatrix("head.weight");
        var outputs = Enumerable.Range(0, Tensors.Count(GetOutput)).Select(i => Tensors.GetMatrix(GetOutput(i))).ToArray();
        if (rows <= outputs.Length) throw Tensors.Fault("head.weight", $"has {rows} rows, and {outputs.Length} of them are tail clusters.");
        var (cutoffs, size) = GetCutoffs(rows - outputs.Length, outputs.Select(output => output.Rows));
        return SoftmaxLayout.Create(hidden, size, cutoffs, [.. outputs.Select(output => output.Columns)], Tensors.Has("head.bias"));
    }

    protected override IEnumerable<(string Name, long[][] Shapes)> GetNeeded(SoftmaxLayout layout, ConvertOptions options)
    {
        yield return ("head.weight", [[layout.HeadRows, layout.HiddenSize]]);
        if (layout.HasHeadBias) yield return ("head.bias", [[layout.HeadRows]]);
        foreach (var tail in layout.Tails)
        {
            yield return (GetProjection(tail.Index), [[tail.ProjectionWidth, layout.HiddenSize]]);
            yield return (GetOutput(tail.Index), [[tail.Size, tail.ProjectionWidth]]);
        }
    }

    private static string GetProjection(int cluster) => string.Create(CultureInfo.InvariantCulture, $"tail.{cluster}.0.weight");

    private static string GetOutput(int cluster) => string.Create(CultureInfo.InvariantCulture, $"tail.{cluster}.1.weight");
}
