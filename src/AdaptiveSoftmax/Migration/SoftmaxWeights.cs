using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax;

/// <summary>Head and tails of a layout, without a vocabulary.</summary>
internal sealed class SoftmaxWeights : IDisposable
{
    public SoftmaxWeights(SoftmaxLayout layout)
    {
        Layout = layout;
        Head = new HeadLayer<MatrixShape>(new MatrixShape(layout.HeadRows, layout.HiddenSize), layout.HasHeadBias);
        Tails =
        [
            .. layout.Tails.Select(tail => new TailLayer<MatrixShape, MatrixShape>(
                tail.Index, new MatrixShape(tail.ProjectionWidth, layout.HiddenSize), new MatrixShape(tail.Size, tail.ProjectionWidth))),
        ];
    }

    public SoftmaxLayout Layout { get; }

    public HeadLayer Head { get; }

    public IReadOnlyList<TailLayer> Tails { get; }

    /// <summary>All weights under PyTorch's names.</summary>
    public IEnumerable<Parameter> Parameters =>
        [Head.Weight, .. Head.Bias is null ? [] : new[] { Head.Bias }, .. Tails.SelectMany(tail => new[] { tail.Projection, tail.Output })];

    /// <summary>The head's row of a tail.</summary>
    public int GateOf(int tail) => Layout.ShortlistSize + tail;

    /// <summary>Reads weights under PyTorch's names.</summary>
    /// <exception cref="CheckpointMismatchException">One is missing or has another shape.</exception>
    /// <exception cref="WeightsFormatException">The file is damaged, or a value is not finite.</exception>
    public static SoftmaxWeights Read(WeightsFile file, string prefix, SoftmaxLayout layout, CancellationToken cancellationToken)
    {
        var weights = new SoftmaxWeights(layout);
        try
        {
            var differences = new List<string>();
            var tensors = weights.Parameters.Select(parameter => (parameter, tensor: CheckpointRestore.FindTensor(file, prefix + parameter.Name, parameter, differences))).ToList();
            if (weights.Head.Bias is null && file.TryGetTensor($"{prefix}head.bias", out _)) differences.Add("the file has a head bias, and the spec has none");
            if (differences.Count > 0) throw new CheckpointMismatchException(file.FileName, differences, FindRemedy(file, prefix, weights));
            foreach (var (parameter, tensor) in tensors)
            {
                cancellationToken.ThrowIfCancellationRequested();
                file.Read(tensor!, parameter);
                CheckFinite(file, tensor!, parameter);
            }

            return weights;
        }
        catch
        {
            weights.Dispose();
            throw;
        }
    }

    public void Dispose()
    {
        Head.Dispose();
        foreach (var tail in Tails) tail.Dispose();
    }

    // A file may hold several such layers, or the one under another prefix than the one given.
    private static string FindRemedy(WeightsFile file, string prefix, SoftmaxWeights weights)
    {
        const string Spec = "Give the spec that the weights were trained with, and with a prefix what stands before their names.";
        var head = weights.Head.Weight.Name;
        string[] prefixes =
        [
            .. file.Tensors.Select(tensor => tensor.Name)
                .Where(name => name.EndsWith(head, StringComparison.Ordinal) && !name.StartsWith(CheckpointNames.OptimizerPrefix, StringComparison.Ordinal))
                .Select(name => name[..^head.Length])
                .Where(other => other != prefix && (other.Length == 0 || other.EndsWith('.')) && weights.Parameters.All(parameter => CheckpointRestore.FindTensor(file, other + parameter.Name, parameter, []) is not null))
                .Order(StringComparer.Ordinal),
        ];
        return prefixes.Length switch
        {
            0 => Spec,
            1 when prefixes[0].Length == 0 => "The file has all of them without a prefix; give none.",
            _ => $"The file has all of them under the prefix {string.Join(" or ", prefixes.Take(4).Select(other => $"'{Excerpt.Name(other)}'"))}; give it as the prefix.",
        };
    }

    /// <summary>Refuses values that are not finite, which would spoil every row that they are mixed with.</summary>
    internal static void CheckFinite(WeightsFile file, WeightsTensor tensor, Parameter parameter)
    {
        for (var row = 0; row < parameter.Rows; row++)
        {
            if (FiniteValues.IndexOfOther(parameter.Row(row)) >= 0)
                throw file.CreateFault(tensor.Name, FormattableString.Invariant($"Row {row} holds a value that is not finite."), "Migrate a checkpoint from before it appeared; adaptive-softmax inspect counts such values.");
        }
    }
}
