using System.Globalization;
using AdaptiveSoftmax.Tool.Terminal;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tool.Weights;

/// <summary>
/// Transformer-XL's <c>ProjectedAdaptiveLogSoftmax</c>: every cluster, the head too, has a projection [hidden, width] and a
/// bias a token. With a div value of 1 all clusters share one matrix and one bias.
/// </summary>
/// <param name="tensors">Its tensors.</param>
/// <param name="areRowsReversed">
/// Whether cluster i has row K − 1 − i of the cluster weight, as in the original for PyTorch, or row i, as in TensorFlow's
/// and Hugging Face's. The tensors do not tell.
/// </param>
internal sealed class TransformerXlSource(SourceTensors tensors, bool areRowsReversed) : SoftmaxSource(tensors)
{
    public const string Reversed = "transformer-xl";
    public const string InOrder = "transfo-xl";
    public const string Mark = "cluster_weight";

    private const string ClusterWeight = "cluster_weight";
    private const string ClusterBias = "cluster_bias";

    public override string Name => areRowsReversed ? Reversed : InOrder;

    public override string Description => "Transformer-XL's ProjectedAdaptiveLogSoftmax";

    private int Clusters => Tensors.GetMatrix(ClusterWeight).Rows;

    // One matrix for all clusters.
    private bool IsShared => Enumerable.Range(1, Clusters).All(cluster => !Tensors.Has(Weight(cluster)));

    private bool IsProjected => Tensors.Has(Projection(0));

    protected override IReadOnlyList<string> Parts { get; } = ["out_layers.", "out_projs.", "cluster_"];

    public override IReadOnlyList<string> Fill(ConvertedSoftmax target, ConvertOptions options)
    {
        var notes = new List<string>();
        foreach (var parameter in new[] { target.Head }.Concat(target.Layout.Tails.SelectMany(tail => new[] { target.Projection(tail.Index), target.Output(tail.Index) })))
        {
            for (var row = 0; row < parameter.Rows; row++) parameter.WritableRow(row).Clear();
        }

        using var shared = IsShared ? Tensors.Read(Weight(0)) : null;
        using var sharedBias = IsShared ? Tensors.Read(Bias(0)) : null;
        FillHead(target, shared, sharedBias, notes);
        foreach (var tail in target.Layout.Tails) FillTail(target, tail, shared, sharedBias, options.TailBias, notes);
        if (options.TailBias == TailBias.Input) notes.Add($"The hidden size grows by one to {target.Layout.HiddenSize}: append a 1 to each hidden vector.");
        return notes;
    }

    protected override SoftmaxLayout CreateLayout(ConvertOptions options)
    {
        var more = options.TailBias == TailBias.Input ? 1 : 0;
        var clusters = Clusters;
        var hidden = IsProjected ? Tensors.GetMatrix(Projection(0)).Rows : Tensors.GetMatrix(Weight(0)).Columns;
        int[] cutoffs, widths;
        int size;
        if (IsShared)
        {
            (size, var width) = Tensors.GetMatrix(Weight(0));
            cutoffs = [.. options.Cutoffs ?? throw new ToolException($"{Excerpt.Line(Tensors.File.FileName)}: the clusters of '{Excerpt.Name(Tensors.Prefix)}' share one matrix, which does not tell the cutoffs; give --cutoffs or --spec.")];
            if (cutoffs.Length != clusters) throw new ToolException($"{Excerpt.Line(Tensors.File.FileName)}: '{Excerpt.Name(Tensors.Prefix + ClusterWeight)}' has {clusters} tail clusters, and {cutoffs.Length} cutoffs are given.");
            widths = [.. cutoffs.Select(_ => width + more)];
        }
        else
        {
            var layers = Enumerable.Range(1, clusters).Select(i => Tensors.GetMatrix(Weight(i))).ToArray();
            (cutoffs, size) = GetCutoffs(Tensors.GetMatrix(Weight(0)).Rows, layers.Select(layer => layer.Rows));
            widths = [.. layers.Select(layer => layer.Columns + more)];
        }

        return SoftmaxLayout.Create(hidden + more, size, cutoffs, widths, options.HeadBias ?? true);
    }

    protected override IEnumerable<(string Name, long[][] Shapes)> GetNeeded(SoftmaxLayout layout, ConvertOptions options)
    {
        var more = options.TailBias == TailBias.Input ? 1 : 0;
        long hidden = layout.HiddenSize - more;
        for (var cluster = 0; cluster <= layout.TailCount; cluster++)
        {
            var width = IsProjected ? Tensors.GetMatrix(Weight(IsShared ? 0 : cluster)).Columns : hidden;
            if (cluster == 0)
            {
                yield return (ClusterWeight, [[layout.TailCount, width]]);
                yield return (ClusterBias, [[layout.TailCount]]);
            }

            if (cluster == 0 || !IsShared)
            {
                long size = IsShared ? layout.VocabularySize : cluster == 0 ? layout.ShortlistSize : layout.Tails[cluster - 1].Size;
                yield return (Weight(cluster), [[size, width]]);
                yield return (Bias(cluster), [[size]]);
            }

            if (IsProjected) yield return (Projection(cluster), [[hidden, width]]);
        }
    }

    // Its clusters are counted from the head on.
    protected override void CheckOther(string name, SoftmaxLayout layout, ConvertOptions options) =>
        throw Tensors.Fault(name, FormattableString.Invariant($"is no tensor of {Description} with {layout.TailCount} tail clusters, as many as '{ClusterWeight}' has rows, and would be lost. Save the model again with all of its tensors."));

    public static string Weight(int cluster) => string.Create(CultureInfo.InvariantCulture, $"out_layers.{cluster}.weight");

    private static string Bias(int cluster) => string.Create(CultureInfo.InvariantCulture, $"out_layers.{cluster}.bias");

    public static string Projection(int cluster) => string.Create(CultureInfo.InvariantCulture, $"out_projs.{cluster}");

    private void FillHead(ConvertedSoftmax target, Parameter? shared, Parameter? sharedBias, List<string> notes)
    {
        var layout = target.Layout;
        using var own = shared is null ? Tensors.Read(Weight(0)) : null;
        using var ownBias = shared is null ? Tensors.Read(Bias(0)) : null;
        using var clusters = Tensors.Read(ClusterWeight);
        using var clusterBias = Tensors.Read(ClusterBias);
        var words = shared ?? own!;

        using var rows = new Parameter("head", layout.HeadRows, words.Columns);
        var biases = new float[layout.HeadRows];
        for (var row = 0; row < layout.ShortlistSize; row++)
        {
            words.Row(row).CopyTo(rows.WritableRow(row));
            biases[row] = (sharedBias ?? ownBias!).Values[row];
        }

        for (var i = 0; i < layout.TailCount; i++)
        {
            var stored = areRowsReversed ? layout.TailCount - 1 - i : i;
            clusters.Row(stored).CopyTo(rows.WritableRow(layout.ShortlistSize + i));
            biases[layout.ShortlistSize + i] = clusterBias.Values[stored];
        }

        if (IsProjected)
        {
            using var projection = Tensors.Read(Projection(0));
            MatrixFolding.MultiplyRows(rows, projection, target.Head, firstRow: 0);
            notes.Add($"The head's projection [{projection.Rows}, {projection.Columns}] is multiplied into its weight, in double precision.");
        }
        else
        {
            MatrixFolding.CopyRows(rows, target.Head, firstRow: 0);
        }

        if (layout.HasHeadBias) target.HeadBias.Set(biases);
        else if (!biases.All(bias => bias == biases[0])) throw Tensors.Fault(Bias(0), $"and '{Excerpt.Name(Tensors.Prefix + ClusterBias)}' hold biases of the head, up to {Format(biases.Max(Math.Abs))}, and the spec has no head bias; set \"headBias\": true in it.");
    }

    private void FillTail(ConvertedSoftmax target, TailCluster tail, Parameter? shared, Parameter? sharedBias, TailBias mode, List<string> notes)
    {
        var cluster = tail.Cluster;
        var output = target.Output(tail.Index);
        using var own = shared is null ? Tensors.Read(Weight(cluster)) : null;
        using var ownBias = shared is null ? Tensors.Read(Bias(cluster)) : null;
        var (weight, first) = shared is null ? (own!, 0) : (shared, tail.Start);
        for (var row = 0; row < tail.Size; row++) weight.Row(first + row).CopyTo(output.WritableRow(row));

        var projection = target.Projection(tail.Index);
        if (IsProjected)
        {
            using var stored = Tensors.Read(Projection(cluster));
            MatrixFolding.Transpose(stored, projection);
        }
        else
        {
            for (var i = 0; i < weight.Columns; i++) projection.WritableRow(i)[i] = 1;
        }

        var bias = (sharedBias ?? ownBias!).Values.Slice(first, tail.Size);
        if (mode == TailBias.Input)
        {
            projection.WritableRow(tail.ProjectionWidth - 1)[^1] = 1;
            for (var row = 0; row < tail.Size; row++) output.WritableRow(row)[^1] = bias[row];
            return;
        }

        // The same number for every token of a cluster is cancelled by its softmax.
        var (low, high) = (float.PositiveInfinity, float.NegativeInfinity);
        foreach (var value in bias) (low, high) = (Math.Min(low, value), Math.Max(high, value));
        if (low == high) return;
        var name = Bias(shared is null ? cluster : 0);
        if (mode == TailBias.Refuse)
            throw Tensors.Fault(name, $"gives the tokens of tail cluster {tail.Index} biases from {Format(low)} to {Format(high)}, which a layer without them cannot hold. Keep them exactly with --tail-bias input, for a body that appends a 1 to its hidden vectors, or leave them out with --tail-bias drop, which changes log-probs of the cluster by up to {Format(high - low)}.");
        notes.Add($"'{Excerpt.Name(Tensors.Prefix + name)}': biases of tail cluster {tail.Index} from {Format(low)} to {Format(high)} are left out, which changes its tokens' log-probs by up to {Format(high - low)}.");
    }

    private static string Format(float value) => value.ToString("G4", CultureInfo.InvariantCulture);
}
