using System.Diagnostics.CodeAnalysis;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax;

/// <summary>
/// The output layer of a model in a file of weights, with one row for each token id: <c>lm_head.weight</c> of a Hugging Face
/// checkpoint, or the embeddings that it is tied to, whatever stands before these names.
/// </summary>
public sealed class DenseHead
{
    /// <summary>What helps where <see cref="TieFault"/> says something.</summary>
    internal const string TieRemedy = "Take a checkpoint of the whole model, with its output layer.";

    private const string Suffix = "weight";
    private const string OutputBias = "lm_head.bias";
    private const int MaximumShown = 8;

    private static readonly string[] s_outputs = ["lm_head.weight", "output.weight", "embed_out.weight", "output_layer.weight"];
    private static readonly string[] s_embeddings = ["embed_tokens.weight", "wte.weight", "embed_in.weight", "tok_embeddings.weight", "word_embeddings.weight", "shared.weight"];

    private DenseHead(WeightsTensor weight, WeightsTensor? bias, string prefix, bool isTied, ModelConfig config) =>
        (Weight, Bias, Prefix, IsTied, Config) = (weight, bias, prefix, isTied, config);

    /// <summary>The weight, [rows, hidden]; a row is a token id.</summary>
    public WeightsTensor Weight { get; }

    /// <summary>The bias, [rows]; null where there is none.</summary>
    public WeightsTensor? Bias { get; }

    /// <summary>What stands before the weight's known name, for example <c>model.language_model.</c>.</summary>
    public string Prefix { get; }

    /// <summary>Whether the weight is the model's embeddings too, since the file has no output layer of its own.</summary>
    public bool IsTied { get; }

    /// <summary>The rows. Models have more than their tokenizer has tokens, for a multiple of 64 or 128.</summary>
    public int Rows => (int)Weight.Shape[0];

    /// <summary>The hidden size.</summary>
    public int HiddenSize => (int)Weight.Shape[1];

    /// <summary>
    /// What the model multiplies logits by, as the <c>config.json</c> beside the file says (<c>logit_scale</c>, or one over
    /// <c>logits_scaling</c>); null where it says nothing.
    /// </summary>
    public double? LogitScale => Config.LogitScale;

    /// <summary>The cap of logits, as the <c>config.json</c> says (<c>final_logit_softcapping</c>); null where it says nothing.</summary>
    public double? LogitSoftCap => Config.LogitSoftCap;

    internal ModelConfig Config { get; }

    /// <summary>What is wrong where embeddings stand for an output layer that the configuration tells from them; null where nothing is.</summary>
    internal string? TieFault => IsTied && Config.IsTied == false
        ? $"the file has no output layer, and the config.json beside it says that '{Excerpt.Name(Weight.Name)}', its embeddings, are not tied to one"
        : null;

    /// <summary>Finds the output layer of a model.</summary>
    /// <param name="file">The model: a file, an index, or a folder, as <see cref="WeightsFile.Open(string)"/> takes them.</param>
    /// <param name="tensorName">The whole name of its weight; null to look for the usual ones.</param>
    /// <exception cref="WeightsFormatException">There is none, there are several, it is no matrix of floating-point numbers, or its bias is of another size.</exception>
    public static DenseHead Find(WeightsFile file, string? tensorName = null)
    {
        ArgumentNullException.ThrowIfNull(file);
        if (tensorName is null)
        {
            return FindOne(file) ?? throw file.CreateFault(
                null, $"It has no output layer under a known name ({string.Join(", ", s_outputs.Concat(s_embeddings))}, also behind a prefix).", "Name the tensor [vocabulary, hidden] of the output layer; adaptive-softmax inspect lists all.");
        }

        if (!file.TryGetTensor(tensorName, out var tensor))
            throw file.CreateFault(tensorName, "It is not in the file.", "Name the tensor [vocabulary, hidden] of the output layer; adaptive-softmax inspect lists all.");
        var embedding = s_embeddings.FirstOrDefault(name => IsNamed(tensorName, name));
        var known = embedding ?? s_outputs.FirstOrDefault(name => IsNamed(tensorName, name)) ?? tensorName;
        return Create(file, tensor, known, embedding is not null);
    }

    /// <summary>Finds the output layer of a model under one of the usual names.</summary>
    /// <param name="file">The model.</param>
    /// <param name="head">The output layer, if there is one.</param>
    /// <exception cref="WeightsFormatException">There are several, it is no matrix of floating-point numbers, or its bias is of another size.</exception>
    public static bool TryFind(WeightsFile file, [NotNullWhen(true)] out DenseHead? head)
    {
        ArgumentNullException.ThrowIfNull(file);
        head = FindOne(file);
        return head is not null;
    }

    private static DenseHead? FindOne(WeightsFile file)
    {
        foreach (var names in (string[][])[s_outputs, s_embeddings])
        {
            foreach (var name in names)
            {
                var found = file.Tensors.Where(tensor => IsNamed(tensor.Name, name)).Take(MaximumShown + 1).ToList();
                if (found.Count > 1)
                    throw file.CreateFault(null, $"It has several tensors that may be its output layer: {Excerpt.List(found, found.Count, tensor => tensor.Name)}.", "Name the one that is meant.");
                if (found.Count == 1) return Create(file, found[0], name, names == s_embeddings);
            }
        }

        return null;
    }

    private static DenseHead Create(WeightsFile file, WeightsTensor weight, string known, bool isTied)
    {
        if (weight.Shape is not [> 1 and <= int.MaxValue, > 0 and <= SoftmaxLayout.MaximumWidth])
            throw file.CreateFault(weight.Name, $"Its shape is {WeightsText.Shape(weight.Shape)}, and an output layer is [vocabulary, hidden].", "Name the tensor of the output layer; adaptive-softmax inspect lists all.");
        if (FloatConversion.GetSize(weight.Type) == 0) throw FloatConversion.UnknownType(file, weight);
        return new DenseHead(weight, FindBias(file, weight, isTied), weight.Name[..^known.Length], isTied, ModelConfig.Read(file));
    }

    private static WeightsTensor? FindBias(WeightsFile file, WeightsTensor weight, bool isTied)
    {
        WeightsTensor? bias;
        if (isTied || !weight.Name.EndsWith(Suffix, StringComparison.Ordinal))
        {
            // The embeddings stand deeper in a model than its output layer.
            bias = file.Tensors.Where(tensor => IsNamed(tensor.Name, OutputBias) && weight.Name.StartsWith(tensor.Name[..^OutputBias.Length], StringComparison.Ordinal)).MaxBy(tensor => tensor.Name.Length);
        }
        else
        {
            file.TryGetTensor($"{weight.Name[..^Suffix.Length]}bias", out bias);
        }

        if (bias is null || (bias.Shape is [var length] && length == weight.Shape[0])) return bias;
        throw file.CreateFault(
            bias.Name, FormattableString.Invariant($"Its shape is {WeightsText.Shape(bias.Shape)}, and the bias beside '{Excerpt.Name(weight.Name)}' has one number for each of its {weight.Shape[0]} rows."), "Take the bias of this weight, or leave it out of the file where the model has none.");
    }

    // Output layers of that name in a numbered layer are of attention, or of further heads.
    private static bool IsNamed(string tensor, string known)
    {
        if (!tensor.EndsWith(known, StringComparison.Ordinal)) return false;
        if (tensor.Length == known.Length) return true;
        if (tensor[^(known.Length + 1)] != '.') return false;
        foreach (var part in tensor.AsSpan(0, tensor.Length - known.Length).Split('.'))
        {
            var text = tensor.AsSpan()[part];
            if (!text.IsEmpty && !text.ContainsAnyExceptInRange('0', '9')) return false;
        }

        return true;
    }
}
