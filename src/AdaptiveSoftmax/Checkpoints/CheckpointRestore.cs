namespace AdaptiveSoftmax;

/// <summary>
/// One restoration in three phases: check the file against what it is loaded into, read all data to one side, and only
/// then change anything, by operations that cannot fail.
/// </summary>
internal sealed unsafe class CheckpointRestore(SafetensorsReader reader, IReadOnlyList<Parameter> parameters, SoftmaxIdentity? identity) : IDisposable
{
    private readonly List<SafetensorsTensor> _sources = [];
    private readonly List<NativeFloats> _staged = [];
    private TrainingMetadata? _training;
    private Optimizer? _restored;

    /// <summary>Whether weights without a fingerprint are taken.</summary>
    public bool AcceptUnmarked { get; init; }

    /// <summary>The caller's count of steps.</summary>
    public long Step => _training?.Step ?? 0;

    /// <summary>The caller's strings.</summary>
    public IEnumerable<KeyValuePair<string, string>> Strings =>
        from pair in reader.Metadata
        where pair.Key.StartsWith(Checkpoint.StringPrefix, StringComparison.Ordinal)
        select KeyValuePair.Create(pair.Key[Checkpoint.StringPrefix.Length..], pair.Value);

    /// <summary>Checks fingerprint, names and shapes.</summary>
    /// <param name="allowOthers">Whether the file may hold tensors of other parts of a model.</param>
    /// <param name="optimizer">The optimizer to restore, or null where the file's is not wanted.</param>
    public void Check(bool allowOthers, Optimizer? optimizer)
    {
        CheckIdentity();
        var differences = new List<string>();
        var wanted = new HashSet<string>();
        foreach (var parameter in parameters)
        {
            ObjectDisposedException.ThrowIf(parameter.IsDisposed, parameter);
            wanted.Add(parameter.Name);
            if (FindTensor(parameter.Name, parameter, differences) is { } tensor) _sources.Add(tensor);
        }

        if (!allowOthers)
        {
            foreach (var tensor in reader.Tensors)
            {
                if (!wanted.Contains(tensor.Name) && !tensor.Name.StartsWith(Checkpoint.OptimizerPrefix, StringComparison.Ordinal))
                    differences.Add($"the file's tensor '{tensor.Name}' belongs to no parameter");
            }
        }

        if (differences.Count > 0)
            throw new CheckpointMismatchException(reader.FileName, differences, "Load it into a model of the same parameters and sizes, or train this one anew.");
        if (reader.Metadata.TryGetValue(TrainingMetadata.Key, out var json)) _training = TrainingMetadata.Parse(reader.FileName, json);
        if (optimizer is null) return;
        ObjectDisposedException.ThrowIf(optimizer.IsDisposed, optimizer);
        CheckOptimizer(optimizer);
    }

    /// <summary>Reads all data into memory of its own.</summary>
    public void ReadStaged()
    {
        foreach (var tensor in _sources)
        {
            var staged = new NativeFloats(tensor.Count);
            _staged.Add(staged);
            reader.Read(tensor, staged.Pointer);
        }

        ReadOptimizerState();
    }

    /// <summary>Takes over what <see cref="ReadStaged"/> read.</summary>
    public void Commit(Optimizer? optimizer)
    {
        for (var i = 0; i < _staged.Count; i++)
        {
            var bytes = parameters[i].Count * sizeof(float);
            Buffer.MemoryCopy(_staged[i].Pointer, parameters[i].ValuesPointer, bytes, bytes);
            parameters[i].ZeroGradient();
        }

        if (_restored is not null) optimizer!.TakeFrom(_restored);
    }

    /// <summary>Releases what was read to one side.</summary>
    public void Dispose()
    {
        foreach (var staged in _staged) staged.Dispose();
        _restored?.Dispose();
    }

    private void CheckIdentity()
    {
        if (identity is null) return;
        if (!reader.Metadata.TryGetValue(IdentityMetadata.Key, out var json))
        {
            if (AcceptUnmarked) return;
            throw new CheckpointMismatchException(
                reader.FileName,
                ["it carries no fingerprint, so nothing says which token each of its rows belongs to"],
                "If its classes are known to be this vocabulary's slots in order, load it with acceptUnmarked: true.");
        }

        var differences = IdentityMetadata.Parse(reader.FileName, json).Compare(IdentityMetadata.From(identity));
        if (differences.Count > 0)
            throw new CheckpointMismatchException(reader.FileName, differences, "Build with the spec and token table that the weights were trained with, or train again with these.");
    }

    private SafetensorsTensor? FindTensor(string name, Parameter parameter, List<string> differences)
    {
        if (!reader.TryGetTensor(name, out var tensor))
        {
            differences.Add($"the file has no tensor '{name}'");
            return null;
        }

        var shape = SafetensorsWriter.GetShape(parameter);
        if (!tensor.Shape.SequenceEqual(shape))
        {
            differences.Add($"'{name}' is [{string.Join(", ", tensor.Shape)}] in the file, and [{string.Join(", ", shape)}] is needed");
            return null;
        }

        return tensor;
    }

    private void CheckOptimizer(Optimizer optimizer)
    {
        const string Remedy = "Restore into the kind of optimizer that was saved, or restore without an optimizer to start its state anew.";
        if (_training?.Optimizer is not { } saved)
            throw new CheckpointMismatchException(reader.FileName, ["the file has no optimizer state"], Remedy);
        if (saved.Kind != optimizer.Kind)
            throw new CheckpointMismatchException(reader.FileName, [$"its optimizer state is of '{saved.Kind}', and '{optimizer.Kind}' is to be restored"], Remedy);
        try
        {
            _restored = saved.Kind switch
            {
                "sgd" => Sgd.FromSettings(saved.Settings),
                "adagrad" => Adagrad.FromSettings(saved.Settings),
                _ => AdamW.FromSettings(saved.Settings),
            };
        }
        catch (Exception exception) when (exception is KeyNotFoundException or ArgumentException)
        {
            throw MetadataJson.Fault(reader.FileName, TrainingMetadata.Key, exception);
        }

        CheckOptimizerTensors(saved, Remedy);
    }

    private void CheckOptimizerTensors(OptimizerMetadata saved, string remedy)
    {
        var differences = new List<string>();
        var byName = parameters.ToDictionary(parameter => parameter.Name);
        foreach (var (name, steps) in saved.ParameterSteps)
        {
            if (!byName.TryGetValue(name, out var parameter))
            {
                differences.Add($"its optimizer state covers '{name}', which is no parameter here");
                continue;
            }

            if (steps < 0) differences.Add($"its optimizer state counts {steps} steps of '{name}'");
            foreach (var state in _restored!.StateNames)
                FindTensor(Checkpoint.GetStateName(name, state), parameter, differences);
        }

        if (differences.Count > 0) throw new CheckpointMismatchException(reader.FileName, differences, remedy);
    }

    private void ReadOptimizerState()
    {
        if (_restored is null) return;
        var saved = _training!.Optimizer!;
        _restored.StepCount = saved.StepCount;
        foreach (var parameter in parameters)
        {
            if (!saved.ParameterSteps.TryGetValue(parameter.Name, out var steps)) continue;
            var state = _restored.GetOrCreateState(parameter);
            state.Steps = steps;
            for (var i = 0; i < state.Buffers.Length; i++)
            {
                reader.TryGetTensor(Checkpoint.GetStateName(parameter.Name, _restored.StateNames[i]), out var tensor);
                reader.Read(tensor!, state.Buffers[i].Pointer);
            }
        }
    }
}
