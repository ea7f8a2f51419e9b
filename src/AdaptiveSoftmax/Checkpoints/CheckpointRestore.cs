using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax;

/// <summary>
/// One restoration in three phases: check the file against what it is loaded into, read all data to one side, and only
/// then change anything, by operations that cannot fail.
/// </summary>
internal sealed unsafe class CheckpointRestore(WeightsFile file, IReadOnlyList<Parameter> parameters, SoftmaxIdentity? identity) : IDisposable
{
    private readonly List<WeightsTensor> _sources = [];
    private readonly List<NativeFloats> _staged = [];
    private TrainingMetadata? _training;
    private OptimizerRestore? _optimizers;

    /// <summary>Whether weights without a fingerprint are taken.</summary>
    public bool AcceptUnmarked { get; init; }

    /// <summary>What stands in the file before each parameter's name.</summary>
    public string Prefix { get; init; } = "";

    /// <summary>Whether the parameters, which nobody uses yet, take the file's own memory.</summary>
    public bool IsMapped { get; init; }

    /// <summary>The caller's count of steps.</summary>
    public long Step => _training?.Step ?? 0;

    /// <summary>The caller's strings.</summary>
    public IEnumerable<KeyValuePair<string, string>> Strings =>
        from pair in file.Metadata
        where pair.Key.StartsWith(CheckpointNames.StringPrefix, StringComparison.Ordinal)
        select KeyValuePair.Create(pair.Key[CheckpointNames.StringPrefix.Length..], pair.Value);

    /// <summary>Checks fingerprint, names and shapes.</summary>
    /// <param name="allowOthers">Whether the file may hold tensors of other parts of a model.</param>
    /// <param name="optimizers">The optimizers to restore, or none where the file's are not wanted.</param>
    public void Check(bool allowOthers, IReadOnlyList<Optimizer> optimizers)
    {
        CheckIdentity();
        var differences = new List<string>();
        var wanted = new HashSet<string>();
        foreach (var parameter in parameters)
        {
            ObjectDisposedException.ThrowIf(parameter.IsDisposed, parameter);
            var name = Prefix + parameter.TensorName;
            wanted.Add(name);
            if (FindTensor(file, name, parameter, differences) is { } tensor) _sources.Add(tensor);
        }

        // Without its bias a head gives other probabilities; that must not go unnoticed.
        var bias = $"{Prefix}head.bias";
        if (identity is not null && !wanted.Contains(bias) && file.TryGetTensor(bias, out _))
            differences.Add($"the file has a tensor '{bias}', and the class has no head bias");

        if (!allowOthers)
        {
            foreach (var tensor in file.Tensors)
            {
                if (!wanted.Contains(tensor.Name) && !tensor.Name.StartsWith(CheckpointNames.OptimizerPrefix, StringComparison.Ordinal))
                    differences.Add($"the file's tensor '{Excerpt.Name(tensor.Name)}' belongs to no parameter");
            }
        }

        if (file.Metadata.ContainsKey(CheckpointNames.QuantizedKey) && _sources.FirstOrDefault(source => FloatConversion.GetSize(source.Type) == 0) is { } small)
            differences.Add($"'{Excerpt.Name(small.Name)}' is {Excerpt.Name(small.Type)} of a quantised softmax in the file, and a layer has floating-point weights");
        if (differences.Count > 0)
            throw new CheckpointMismatchException(file.FileName, differences, FindRemedy());
        if (file.Metadata.TryGetValue(TrainingMetadata.Key, out var json)) _training = TrainingMetadata.Parse(file, json);
        if (optimizers.Count > 0) _optimizers = new OptimizerRestore(file, parameters, _training?.Optimizers ?? [], optimizers);
    }

    /// <summary>Reads all data into memory of its own; cancellation is looked at before each tensor.</summary>
    public void ReadStaged(CancellationToken cancellationToken = default)
    {
        for (var i = 0; i < _sources.Count; i++)
        {
            var tensor = _sources[i];
            cancellationToken.ThrowIfCancellationRequested();
            if (IsMapped)
            {
                _staged.Add(MapFloats(tensor));
                continue;
            }

            var staged = new NativeFloats(parameters[i].Count);
            _staged.Add(staged);
            file.Read(tensor, parameters[i].FirstValue, parameters[i].Count, staged.Pointer);
        }

        _optimizers?.Read();
    }

    /// <summary>Takes over what <see cref="ReadStaged"/> read: all of it, or nothing where something was disposed of meanwhile.</summary>
    /// <exception cref="ObjectDisposedException">A parameter or an optimizer is disposed; nothing has changed.</exception>
    public void Commit(IReadOnlyList<Optimizer> optimizers)
    {
        var uses = new List<MemoryLease>();
        try
        {
            foreach (var parameter in parameters) uses.Add(parameter.Use());
            foreach (var optimizer in optimizers) uses.Add(optimizer.Use());
            for (var i = 0; IsMapped && i < _staged.Count; i++) parameters[i].Adopt(_staged[i]);
            if (IsMapped) _staged.Clear();
            for (var i = 0; i < _staged.Count; i++)
            {
                parameters[i].MarkChanged();
                var bytes = parameters[i].Count * sizeof(float);
                Buffer.MemoryCopy(_staged[i].Pointer, parameters[i].KeptValuesPointer, bytes, bytes);
                parameters[i].ClearGradient();
            }

            _optimizers?.Commit(optimizers);
        }
        finally
        {
            foreach (var use in uses) use.Dispose();
        }
    }

    /// <summary>Releases what was read to one side.</summary>
    public void Dispose()
    {
        foreach (var staged in _staged) staged.Dispose();
        _optimizers?.Dispose();
    }

    private NativeFloats MapFloats(WeightsTensor tensor)
    {
        if (tensor.Type != SafetensorsTypes.Float32)
            throw file.CreateFault(tensor.Name, $"Its type is {Excerpt.Name(tensor.Type)}, and weights that a layer uses where they stand in a file are F32.", "Load it without mapping, and save it anew to map it; or save a quantised copy, and map that.");
        return file.Map(tensor);
    }

    private void CheckIdentity()
    {
        if (identity is null) return;
        var weights = file.Metadata.TryGetValue(IdentityMetadata.Key, out var json) ? IdentityMetadata.Parse(file, json) : null;
        IdentityMetadata.Check(file.FileName, weights, identity, AcceptUnmarked, "Build with the spec and token table that the weights were trained with, or train again with these.");
    }

    // Most often the weights are there, under a module's name.
    private string FindRemedy()
    {
        const string General = "Load it into a model of the same parameters and sizes, or train this one anew.";
        if (file.Metadata.ContainsKey(CheckpointNames.QuantizedKey)) return "Load it with LoadQuantized, or restore the layer that it was made of.";

        // What fairseq and Transformer-XL have and PyTorch's module has not.
        if (identity is not null && file.Tensors.Any(tensor => tensor.Name.EndsWith("tail.0.2.weight", StringComparison.Ordinal) || tensor.Name.EndsWith("cluster_weight", StringComparison.Ordinal)))
            return "It has another library's layout: convert it with `adaptive-softmax convert`.";
        if (parameters.Count == 0 || file.TryGetTensor(Prefix + parameters[0].Name, out _)) return General;
        var first = parameters[0].Name;
        if (file.Tensors.Select(tensor => tensor.Name).FirstOrDefault(name => name == first || name.EndsWith($".{first}", StringComparison.Ordinal)) is { } found)
            return $"The file has '{Excerpt.Name(found)}': load with prefix: \"{Excerpt.Name(found[..^first.Length])}\".";
        return General;
    }

    /// <summary>A tensor with a parameter's shape; null, and a difference more, where there is none.</summary>
    internal static WeightsTensor? FindTensor(WeightsFile file, string name, Parameter parameter, List<string> differences)
    {
        if (!file.TryGetTensor(name, out var tensor))
        {
            differences.Add($"the file has no tensor '{Excerpt.Name(name)}'");
            return null;
        }

        var shape = WeightsContent.GetShape(parameter);
        if (!tensor.Shape.SequenceEqual(shape))
        {
            differences.Add($"'{Excerpt.Name(name)}' is {WeightsText.Shape(tensor.Shape)} in the file, and {WeightsText.Shape(shape)} is needed");
            return null;
        }

        return tensor;
    }
}
