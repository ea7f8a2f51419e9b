using AdaptiveSoftmax.Tool.Terminal;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tool.Weights;

/// <summary>A full softmax in a file of weights: one matrix with a row for each token id, as Hugging Face's <c>lm_head.weight</c>.</summary>
internal static class DenseHead
{
    private static readonly string[] s_names = ["lm_head.weight", "output.weight", "embed_out.weight", "output_layer.weight"];

    /// <summary>The name of the matrix: as given, or one of those by which such heads are known; null where the file has none.</summary>
    public static string? Find(WeightsFile file, string? name)
    {
        if (name is not null) return file.TryGetTensor(name, out _) ? name : throw new ToolException($"{file.FileName} has no tensor '{Excerpt.Name(name)}'; adaptive-softmax inspect lists them.");
        var known = s_names.Where(candidate => file.TryGetTensor(candidate, out _)).ToArray();
        return known.Length == 0 ? null : known[0];
    }

    /// <summary>Reads it as a layer without tails whose slots are those of a table.</summary>
    /// <param name="file">The file.</param>
    /// <param name="name">The matrix, [ids, hidden]; a bias of the same module is read too.</param>
    /// <param name="table">The vocabulary.</param>
    /// <param name="options">How the layer runs.</param>
    /// <param name="unused">The rows that are no token's, as models have them for round sizes.</param>
    /// <exception cref="ToolException">It lacks rows, or is no matrix.</exception>
    public static DynamicAdaptiveSoftmax Read(WeightsFile file, string name, TokenTable table, AdaptiveSoftmaxOptions options, out int unused)
    {
        var tensors = new SourceTensors(file, "");
        var bias = name.EndsWith(".weight", StringComparison.Ordinal) ? $"{name[..^".weight".Length]}.bias" : "";
        var hasBias = bias.Length > 0 && tensors.Has(bias);
        using var source = tensors.Read(name);
        using var sourceBias = hasBias ? tensors.Read(bias) : null;
        var largest = 0;
        foreach (var id in table.Ids) largest = Math.Max(largest, id);
        if (largest >= source.Rows)
            throw tensors.Fault(name, FormattableString.Invariant($"has {source.Rows} rows, and the vocabulary's largest token id is {largest}: rows are token ids. Give the spec of this model's vocabulary."));
        unused = source.Rows - table.Count;
        var layer = new DynamicAdaptiveSoftmax(SoftmaxLayout.CreateFull(source.Columns, table.Count, hasBias), options: options);
        try
        {
            foreach (var parameter in layer.Parameters)
            {
                var from = parameter.IsVector ? sourceBias! : source;
                parameter.Edit(values =>
                {
                    for (var slot = 0; slot < table.Count; slot++)
                    {
                        if (parameter.IsVector) values[slot] = from.Values[table.GetId(slot)];
                        else from.Row(table.GetId(slot)).CopyTo(values.Slice(slot * source.Columns, source.Columns));
                    }
                });
            }

            return layer;
        }
        catch
        {
            layer.Dispose();
            throw;
        }
    }
}
