using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax;

/// <summary>Writes the file that weights were migrated in: new weights of the softmax, all else as it was.</summary>
internal sealed unsafe class MigratedFile : IDisposable
{
    private readonly WeightsFile _file;
    private readonly string _prefix;
    private readonly List<NativeFloats> _memory = [];

    public MigratedFile(WeightsFile file, string prefix) => (_file, _prefix) = (file, prefix);

    /// <summary>Tensors that do not go on, by name.</summary>
    public HashSet<string> Replaced { get; } = [];

    /// <summary>Input embeddings that were migrated; they are released with this.</summary>
    public MigratedEmbeddings Embeddings { get; set; } = new([], []);

    /// <summary>Writes it, atomically.</summary>
    /// <param name="path">The file.</param>
    /// <param name="origins">The target's parameters, and where their rows come from.</param>
    /// <param name="sourceParameters">The source's parameters.</param>
    /// <param name="definition">The target.</param>
    /// <param name="step">What was done.</param>
    /// <param name="cancellationToken">Ends it and leaves a file that was there as it was.</param>
    public void Write(string path, IReadOnlyList<ParameterOrigin> origins, IReadOnlyList<Parameter> sourceParameters, SoftmaxDefinition definition, MigrationStep step, CancellationToken cancellationToken)
    {
        var softmax = sourceParameters;
        origins = [.. origins, .. Embeddings.Origins];
        sourceParameters = [.. sourceParameters, .. Embeddings.Sources];
        using var content = WeightsContent.Fill(content =>
        {
            foreach (var origin in origins) content.Add(origin.Target, Embeddings.Origins.Contains(origin) ? "" : _prefix);
            var states = AddStates(content, origins, sourceParameters);
            foreach (var tensor in _file.Tensors)
            {
                if (Replaced.Contains(tensor.Name) || states.Contains(tensor.Name) || softmax.Any(parameter => tensor.Name == _prefix + parameter.Name) || IsEmbedding(tensor.Name)) continue;
                AddOther(content, tensor);
            }

            var identity = new SoftmaxIdentity(definition.Layout, definition.Fingerprint, definition.VocabularyFingerprint);
            content.AddMetadata(IdentityMetadata.Key, IdentityMetadata.From(identity).ToJson());
            content.AddMetadata(MigrationChain.Key, MigrationChain.Write([.. MigrationChain.Read(_file), step]));
            foreach (var (key, value) in _file.Metadata)
            {
                if (key is not (IdentityMetadata.Key or MigrationChain.Key or TrainingMetadata.Key)) content.AddMetadata(key, value);
            }

            if (_file.Metadata.TryGetValue(TrainingMetadata.Key, out var json)) content.AddMetadata(TrainingMetadata.Key, Rename(TrainingMetadata.Parse(_file, json), origins, sourceParameters).ToJson());
        });
        content.Write(path, WeightsFormat.Safetensors, cancellationToken);
    }

    public void Dispose()
    {
        foreach (var memory in _memory) memory.Dispose();
        Embeddings.Dispose();
    }

    private bool IsEmbedding(string name) => Embeddings.Sources.Any(source => source.Name == name) || Embeddings.Origins.Any(origin => origin.Target.Name == name);

    // State of rows that kept their meaning goes along, and the others start from zero. Returns what it was made of.
    private HashSet<string> AddStates(WeightsContent content, IReadOnlyList<ParameterOrigin> origins, IReadOnlyList<Parameter> sourceParameters)
    {
        var used = new HashSet<string>();
        foreach (var parameter in sourceParameters)
        {
            foreach (var tensor in StatesOf(parameter)) used.Add(tensor.Name);
        }

        foreach (var origin in origins)
        {
            foreach (var tensor in StatesOf(origin.Source))
            {
                var state = tensor.Name[CheckpointNames.OfState(origin.Source.Name, "").Length..];
                var memory = new NativeFloats(origin.Target.Count);
                _memory.Add(memory);
                if (origin.Rows.Any(row => row >= 0)) CopyRows(tensor, origin, memory);
                content.Add(CheckpointNames.OfState(origin.Target.Name, state), WeightsContent.GetShape(origin.Target), memory.Pointer, memory.Count);
            }
        }

        return used;
    }

    private void CopyRows(WeightsTensor tensor, ParameterOrigin origin, NativeFloats memory)
    {
        using var old = new NativeFloats(tensor.Count);
        _file.Read(tensor, old.Pointer);
        var (from, to) = (origin.Source.Columns, origin.Target.Columns);
        for (var row = 0; row < origin.Rows.Length; row++)
        {
            if (origin.Rows[row] < 0) continue;
            new ReadOnlySpan<float>(old.Pointer + ((long)origin.Rows[row] * from), Math.Min(from, to)).CopyTo(new Span<float>(memory.Pointer + ((long)row * to), to));
        }
    }

    private IEnumerable<WeightsTensor> StatesOf(Parameter source)
    {
        var start = CheckpointNames.OfState(source.Name, "");
        return _file.Tensors.Where(tensor => tensor.Name.StartsWith(start, StringComparison.Ordinal) && tensor.Shape.SequenceEqual(WeightsContent.GetShape(source)));
    }

    private void AddOther(WeightsContent content, WeightsTensor tensor)
    {
        if (_file.CanCopyBytes(tensor))
        {
            content.AddCopy(_file, tensor);
            return;
        }

        if (FloatConversion.GetSize(tensor.Type) == 0)
            throw _file.CreateFault(tensor.Name, $"Its type is {Excerpt.Name(tensor.Type)}, and it cannot be carried over from {_file.Format}.", "Save the model as safetensors first, or without this tensor.");
        var memory = new NativeFloats(tensor.Count);
        _memory.Add(memory);
        _file.Read(tensor, memory.Pointer);
        content.Add(tensor.Name, tensor.Shape, memory.Pointer, memory.Count);
    }

    private static TrainingMetadata Rename(TrainingMetadata training, IReadOnlyList<ParameterOrigin> origins, IReadOnlyList<Parameter> sourceParameters)
    {
        var old = sourceParameters.Select(parameter => parameter.Name).ToHashSet();
        return training with { Optimizers = [.. training.Optimizers.Select(RenameIn)] };

        OptimizerMetadata RenameIn(OptimizerMetadata optimizer)
        {
            var steps = optimizer.ParameterSteps.Where(pair => !old.Contains(pair.Key)).ToDictionary();
            foreach (var origin in origins)
            {
                if (optimizer.ParameterSteps.TryGetValue(origin.Source.Name, out var count)) steps.Add(origin.Target.Name, count);
            }

            return optimizer with
            {
                ParameterSteps = steps,
                Groups = [.. optimizer.Groups.Select(group => group with
                {
                    Parameters = [.. group.Parameters.Where(name => !old.Contains(name)), .. origins.Where(origin => group.Parameters.Contains(origin.Source.Name)).Select(origin => origin.Target.Name)],
                })],
            };
        }
    }
}
