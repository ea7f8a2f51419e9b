using System.Globalization;

namespace AdaptiveSoftmax.Tool.Weights;

/// <summary>
/// Transformer-XL's softmax shares matrices and projections with the embedding. A file that holds each matrix once, as
/// safetensors does, may have them under the embedding's names alone.
/// </summary>
internal static class TiedEmbedding
{
    private const string Mark = "emb_layers.0.weight";

    // A model has one or two embeddings; a file that has many says nothing.
    private const int MaxEmbeddings = 8;
    private const int MaxClusters = 1000;

    /// <summary>What stands before the names of each embedding of a file.</summary>
    public static IReadOnlyList<string> FindEmbeddings(WeightsFile file) =>
        [.. file.Tensors.Select(tensor => tensor.Name).Where(name => name == Mark || name.EndsWith($".{Mark}", StringComparison.Ordinal)).Select(name => name[..^Mark.Length])];

    /// <summary>The softmax's tensors, with the embedding's in place of those it lacks.</summary>
    /// <param name="file">The file.</param>
    /// <param name="prefix">What stands before the softmax's names.</param>
    /// <param name="embeddings">What <see cref="FindEmbeddings"/> found in it.</param>
    /// <returns>The tensors; null where neither softmax nor embedding has the words' matrix.</returns>
    public static SourceTensors? Find(WeightsFile file, string prefix, IReadOnlyList<string> embeddings)
    {
        var tensors = new SourceTensors(file, prefix);
        if (FindNearest(embeddings, prefix) is { } embedding)
        {
            var layers = 0;
            while (file.TryGetTensor(Layer(embedding, layers), out _))
            {
                tensors.Tie(TransformerXlSource.Weight(layers), Layer(embedding, layers));
                layers++;
            }

            // With a div value of 1 there is one matrix, and one projection that any cluster may share.
            var projections = layers > 1 ? layers : CountClusters(file, prefix) + 1;
            for (var i = 0; i < projections; i++) tensors.Tie(TransformerXlSource.Projection(i), Projection(embedding, layers > 1 ? i : 0));
        }

        return tensors.Has(TransformerXlSource.Weight(0)) ? tensors : null;
    }

    // The embedding of the same model: nearest to the softmax in the tree of modules.
    private static string? FindNearest(IReadOnlyList<string> embeddings, string prefix)
    {
        if (embeddings.Count is 0 or > MaxEmbeddings) return null;
        var nearest = embeddings.GroupBy(name => name.AsSpan().CommonPrefixLength(prefix)).MaxBy(group => group.Key)!.ToList();
        return nearest.Count == 1 ? nearest[0] : null;
    }

    private static long CountClusters(WeightsFile file, string prefix) =>
        file.TryGetTensor(prefix + TransformerXlSource.Mark, out var rows) && rows.Shape is [var count, _] ? Math.Min(count, MaxClusters) : 0;

    private static string Layer(string prefix, int index) => string.Create(CultureInfo.InvariantCulture, $"{prefix}emb_layers.{index}.weight");

    private static string Projection(string prefix, int index) => string.Create(CultureInfo.InvariantCulture, $"{prefix}emb_projs.{index}");
}
