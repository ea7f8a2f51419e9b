using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax;

/// <summary>The output layer of a model with a full softmax, by the names that common libraries give it.</summary>
internal static class DenseHead
{
    // The output layer, then the embeddings that it is tied to where it is not there.
    private static readonly string[] s_names = ["lm_head.weight", "output.weight", "embed_out.weight", "model.embed_tokens.weight", "transformer.wte.weight", "wte.weight", "gpt_neox.embed_in.weight"];

    /// <summary>How many of the names are output layers, and not embeddings that may be tied.</summary>
    private const int OutputNames = 3;

    /// <summary>Finds it.</summary>
    /// <param name="file">The model.</param>
    /// <param name="name">Its name; null to look for one.</param>
    /// <param name="isTied">Whether it is the model's embedding too, which stays.</param>
    /// <exception cref="WeightsFormatException">There is none, or it is no matrix.</exception>
    public static WeightsTensor Find(WeightsFile file, string? name, out bool isTied)
    {
        WeightsTensor? tensor = null;
        isTied = false;
        foreach (var candidate in name is null ? s_names : [name])
        {
            if (!file.TryGetTensor(candidate, out tensor)) continue;
            isTied = Array.IndexOf(s_names, candidate) >= OutputNames;
            break;
        }

        if (tensor is null)
            throw file.CreateFault(name, name is null ? $"It has no output layer under a known name ({string.Join(", ", s_names)})." : "It is not in the file.", "Name the tensor [vocabulary, hidden] of the output layer; adaptive-softmax inspect lists all.");
        if (tensor.Shape is not [> 1 and <= int.MaxValue, > 0 and <= int.MaxValue])
            throw file.CreateFault(tensor.Name, $"Its shape is {WeightsText.Shape(tensor.Shape)}, and an output layer is [vocabulary, hidden].", "Name the tensor of the output layer; adaptive-softmax inspect lists all.");
        return tensor;
    }

    /// <summary>Reads it, and its bias where it has one.</summary>
    public static SoftmaxWeights Read(WeightsFile file, WeightsTensor weight, bool isTied, CancellationToken cancellationToken)
    {
        var bias = FindBias(file, weight, isTied);
        var weights = new SoftmaxWeights(SoftmaxLayout.CreateFull((int)weight.Shape[1], (int)weight.Shape[0], bias is not null));
        try
        {
            file.Read(weight, weights.Head.Weight);
            SoftmaxWeights.CheckFinite(file, weight, weights.Head.Weight);
            cancellationToken.ThrowIfCancellationRequested();
            if (bias is null) return weights;
            file.Read(bias, weights.Head.Bias!);
            SoftmaxWeights.CheckFinite(file, bias, weights.Head.Bias!);
            return weights;
        }
        catch
        {
            weights.Dispose();
            throw;
        }
    }

    /// <summary>The bias beside an output layer, if there is one.</summary>
    public static WeightsTensor? FindBias(WeightsFile file, WeightsTensor weight, bool isTied)
    {
        var name = isTied || !weight.Name.EndsWith("weight", StringComparison.Ordinal) ? "lm_head.bias" : $"{weight.Name[..^"weight".Length]}bias";
        return file.TryGetTensor(name, out var bias) && bias.Shape is [var length] && length == weight.Shape[0] ? bias : null;
    }
}
