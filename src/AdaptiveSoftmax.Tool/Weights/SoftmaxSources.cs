using AdaptiveSoftmax.Tool.Terminal;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tool.Weights;

/// <summary>Finds the adaptive softmax of a file by the names of its tensors.</summary>
internal static class SoftmaxSources
{
    private const int MaxShown = 8;

    /// <summary>The values of <c>--from</c>.</summary>
    public static string[] Names { get; } = [PyTorchSource.Layout, FairseqSource.Layout, TransformerXlSource.Reversed, TransformerXlSource.InOrder];

    /// <summary>All there are in a file, in the order of its tensors; Transformer-XL's as if its rows stood in order.</summary>
    public static IReadOnlyList<SoftmaxSource> FindAll(WeightsFile file)
    {
        var found = new List<SoftmaxSource>();
        var embeddings = TiedEmbedding.FindEmbeddings(file);
        foreach (var name in file.Tensors.Select(tensor => tensor.Name))
        {
            if (TryGetPrefix(name, FairseqSource.Mark) is { } fairseq) found.Add(new FairseqSource(new SourceTensors(file, fairseq)));
            else if (TryGetPrefix(name, PyTorchSource.Mark) is { } pytorch && file.TryGetTensor(pytorch + "head.weight", out _)) found.Add(new PyTorchSource(new SourceTensors(file, pytorch)));
            else if (TryGetPrefix(name, TransformerXlSource.Mark) is { } xl && TiedEmbedding.Find(file, xl, embeddings) is { } tensors) found.Add(new TransformerXlSource(tensors, areRowsReversed: false));
        }

        return found;
    }

    /// <summary>Whether a file holds an adaptive softmax and nothing else, so that another may take its place.</summary>
    public static bool IsSoftmaxAlone(string path)
    {
        try
        {
            using var file = WeightsFile.Open(path);
            var found = FindAll(file);
            if (found is not [PyTorchSource source]) return false;
            var prefix = source.Tensors.Prefix;
            return file.Tensors.All(tensor => tensor.Name.StartsWith($"{prefix}head.", StringComparison.Ordinal) || tensor.Name.StartsWith($"{prefix}tail.", StringComparison.Ordinal));
        }
        catch (WeightsFormatException)
        {
            return false;
        }
    }

    /// <summary>The one that is meant.</summary>
    /// <param name="file">The file.</param>
    /// <param name="from">The layout by name, or null to let the tensors tell.</param>
    /// <param name="prefix">What stands before its names, or null where the file has one alone.</param>
    /// <exception cref="ToolException">There is none, or it is not clear which; the message says what to give.</exception>
    public static SoftmaxSource Choose(WeightsFile file, string? from, string? prefix)
    {
        var all = FindAll(file);
        var found = all.Where(source => (prefix is null || source.Tensors.Prefix == prefix) && (from is null || IsOfKind(source, from))).ToArray();
        if (found.Length == 1) return Resolve(found[0], from);
        if (found.Length > 1)
            throw new ToolException($"{Excerpt.Line(file.FileName)} has {found.Length} adaptive softmaxes, at {Join(found)}; say which with --prefix.");
        if (all.Count == 0)
            throw new ToolException($"{Excerpt.Line(file.FileName)} has no adaptive softmax: none of its {file.Tensors.Count} tensors ends with {FairseqSource.Mark}, with {PyTorchSource.Mark} beside a head.weight, or with {TransformerXlSource.Mark} beside an out_layers.0.weight or an embedding's emb_layers.0.weight. adaptive-softmax inspect lists them.");
        throw new ToolException($"{Excerpt.Line(file.FileName)} has no adaptive softmax{(from is null ? "" : $" of {from}")}{(prefix is null ? "" : $" at '{Excerpt.Name(prefix)}'")}; it has {Join(all)}.");
    }

    private static SoftmaxSource Resolve(SoftmaxSource source, string? from) => source switch
    {
        TransformerXlSource when from is null => throw new ToolException($"{Excerpt.Line(source.Tensors.File.FileName)} is of Transformer-XL, whose two versions store the clusters' rows in opposite orders under the same names; give --from {TransformerXlSource.Reversed} for the original in PyTorch, or --from {TransformerXlSource.InOrder} for Hugging Face's, which is TensorFlow's."),
        TransformerXlSource => new TransformerXlSource(source.Tensors, from == TransformerXlSource.Reversed),
        _ => source,
    };

    private static bool IsOfKind(SoftmaxSource source, string from) => source is TransformerXlSource ? from is TransformerXlSource.Reversed or TransformerXlSource.InOrder : source.Name == from;

    private static string Join(IReadOnlyCollection<SoftmaxSource> sources) => string.Join(", ", sources.Take(MaxShown).Select(source => $"'{Excerpt.Name(source.Tensors.Prefix)}' ({source.Description})")) + (sources.Count > MaxShown ? ", …" : "");

    private static string? TryGetPrefix(string name, string mark) =>
        name == mark || name.EndsWith($".{mark}", StringComparison.Ordinal) ? name[..^mark.Length] : null;
}
