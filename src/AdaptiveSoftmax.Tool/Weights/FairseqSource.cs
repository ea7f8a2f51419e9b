using System.Globalization;
using AdaptiveSoftmax.Tool.Terminal;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tool.Weights;

/// <summary>
/// fairseq's <c>AdaptiveSoftmax</c>. A dropout stands between a tail's layers. Where the embedding is tied, the head is a
/// product for the words, projected first if the embedding is narrower, and one for the clusters; projections may be
/// tied too, and are then stored transposed.
/// </summary>
internal sealed class FairseqSource(SourceTensors tensors) : SoftmaxSource(tensors)
{
    public const string Layout = "fairseq";
    public const string Mark = "tail.0.2.weight";

    private const string Words = "head.word_proj.weight";
    private const string WordProjection = "head.word_proj.0.weight";
    private const string ProjectedWords = "head.word_proj.1.weight";
    private const string Classes = "head.class_proj.weight";

    public override string Name => Layout;

    public override string Description => IsTied ? "fairseq's AdaptiveSoftmax, with a tied head" : "fairseq's AdaptiveSoftmax";

    private bool IsTied => Tensors.Has(Classes);

    private bool IsProjected => Tensors.Has(ProjectedWords);

    protected override IReadOnlyList<string> Parts { get; } = ["head.", "tail."];

    public override IReadOnlyList<string> Fill(ConvertedSoftmax target, ConvertOptions options)
    {
        var notes = new List<string>();
        FillHead(target, notes);
        for (var i = 0; i < target.Layout.TailCount; i++)
        {
            Tensors.ReadInto(GetOutput(i), target.Output(i));
            if (!IsTransposed(i, target.Projection(i)))
            {
                Tensors.ReadInto(GetProjection(i), target.Projection(i));
                continue;
            }

            using var stored = Tensors.Read(GetProjection(i));
            MatrixFolding.Transpose(stored, target.Projection(i));
        }

        notes.AddRange(DescribeLeftOut());
        return notes;
    }

    protected override IEnumerable<(string Name, long[][] Shapes)> GetNeeded(SoftmaxLayout layout, ConvertOptions options)
    {
        // In the first form of the layout a cluster's row stands one earlier, in place of the last word's.
        if (!Tensors.Has("version"))
            throw new ToolException($"{Excerpt.Line(Tensors.File.FileName)}: there is no tensor '{Excerpt.Name(Tensors.Prefix + "version")}', which tells fairseq's present layout from its first one, whose head fairseq itself no longer reads. If it was lost on the way, add it in Python: state['{Excerpt.Name(Tensors.Prefix + "version")}'] = torch.tensor([1])");
        long hidden = layout.HiddenSize;
        if (!IsTied)
        {
            yield return ("head.weight", [[layout.HeadRows, hidden]]);
        }
        else
        {
            yield return (Classes, [[layout.TailCount, hidden]]);
            var width = IsProjected ? Tensors.GetMatrix(ProjectedWords).Columns : hidden;
            yield return (IsProjected ? ProjectedWords : Words, [[layout.ShortlistSize, width]]);
            if (IsProjected) yield return (WordProjection, [[width, hidden]]);
        }

        foreach (var tail in layout.Tails)
        {
            yield return (GetProjection(tail.Index), [[tail.ProjectionWidth, hidden], [hidden, tail.ProjectionWidth]]);
            yield return (GetOutput(tail.Index), [[tail.Size, tail.ProjectionWidth]]);
        }
    }

    // Its modules have buffers without meaning, such as _float_tensor.
    protected override void CheckOther(string name, SoftmaxLayout layout, ConvertOptions options)
    {
        if (!name[(name.LastIndexOf('.') + 1)..].StartsWith('_')) base.CheckOther(name, layout, options);
    }

    protected override SoftmaxLayout CreateLayout(ConvertOptions options)
    {
        var outputs = Enumerable.Range(0, Tensors.Count(GetOutput)).Select(i => Tensors.GetMatrix(GetOutput(i))).ToArray();
        int hidden, shortlist;
        if (IsTied)
        {
            (var classes, hidden) = Tensors.GetMatrix(Classes);
            if (classes != outputs.Length) throw Tensors.Fault(Classes, $"has {classes} rows for {outputs.Length} tail clusters.");
            shortlist = Tensors.GetMatrix(IsProjected ? ProjectedWords : Words).Rows;
        }
        else
        {
            (var rows, hidden) = Tensors.GetMatrix("head.weight");
            shortlist = rows - outputs.Length;
            if (shortlist < 1) throw Tensors.Fault("head.weight", $"has {rows} rows, and {outputs.Length} of them are tail clusters.");
        }

        var (cutoffs, size) = GetCutoffs(shortlist, outputs.Select(output => output.Rows));
        return SoftmaxLayout.Create(hidden, size, cutoffs, [.. outputs.Select(output => output.Columns)]);
    }

    private static string GetProjection(int cluster) => string.Create(CultureInfo.InvariantCulture, $"tail.{cluster}.0.weight");

    private static string GetOutput(int cluster) => string.Create(CultureInfo.InvariantCulture, $"tail.{cluster}.2.weight");

    private void FillHead(ConvertedSoftmax target, List<string> notes)
    {
        if (!IsTied)
        {
            Tensors.ReadInto("head.weight", target.Head);
            return;
        }

        using var classes = Tensors.Read(Classes);
        using var words = Tensors.Read(IsProjected ? ProjectedWords : Words);
        if (IsProjected)
        {
            // Words times projection: the projection is [width, hidden].
            using var projection = Tensors.Read(WordProjection);
            using var transposed = new Parameter(WordProjection, projection.Columns, projection.Rows);
            MatrixFolding.Transpose(projection, transposed);
            MatrixFolding.MultiplyRows(words, transposed, target.Head, firstRow: 0);
            notes.Add($"The head's projection [{projection.Rows}, {projection.Columns}] is multiplied into its weight, in double precision.");
        }
        else
        {
            MatrixFolding.CopyRows(words, target.Head, firstRow: 0);
        }

        MatrixFolding.CopyRows(classes, target.Head, target.Layout.ShortlistSize);
    }

    // Tied projections are the embedding's, [hidden, width]. A square one looks the same both ways; if it is tied, the
    // embedding's own has every bit of it.
    private bool IsTransposed(int cluster, Parameter projection)
    {
        var name = GetProjection(cluster);
        var stored = Tensors.GetMatrix(name);
        if (projection.Rows != projection.Columns) return stored == (projection.Columns, projection.Rows);
        using var values = Tensors.Read(name);
        var ending = string.Create(CultureInfo.InvariantCulture, $"embeddings.{cluster + 1}.1.weight");
        foreach (var tensor in Tensors.File.Tensors)
        {
            if (!tensor.Name.EndsWith(ending, StringComparison.Ordinal) || !tensor.Shape.SequenceEqual([stored.Rows, stored.Columns])) continue;
            using var embedding = new SourceTensors(Tensors.File, "").Read(tensor.Name);
            if (values.Values.SequenceEqual(embedding.Values)) return true;
        }

        return false;
    }
}
