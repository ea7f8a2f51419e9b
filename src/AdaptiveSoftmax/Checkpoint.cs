using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax;

/// <summary>
/// All of a training run that must survive it: parameters, optimizer state, step, and strings of the caller's own, in
/// one file. A run that is restored from it goes on to the same bits as one that was never interrupted.
/// </summary>
/// <remarks>
/// Tensors carry PyTorch's state-dict names; optimizer state is <c>optimizer.{parameter}.{state}</c> with PyTorch's names
/// of states. Gradients are not saved: save after a step. Whatever else decides how the run goes on, such as the position
/// in the text and the state of a random generator, belongs into <see cref="Strings"/>.
/// </remarks>
public sealed class Checkpoint
{
    private readonly List<Parameter> _parameters;
    private readonly IReadOnlyList<Optimizer> _optimizers;
    private readonly SoftmaxIdentity? _identity;
    private readonly AdaptiveSoftmaxLayer? _softmax;

    /// <summary>Describes a run without an adaptive softmax, or a part of one.</summary>
    /// <param name="parameters">
    /// The parameters, whose names must differ and not start with <c>optimizer.</c>; one that several layers share may stand
    /// there several times.
    /// </param>
    /// <param name="optimizers">All optimizers that step them, if their state belongs to the run.</param>
    /// <exception cref="ArgumentException">A name is used twice or is reserved, or an optimizer stands there twice.</exception>
    public Checkpoint(IEnumerable<Parameter> parameters, params IReadOnlyList<Optimizer> optimizers)
        : this(parameters, optimizers, identity: null)
    {
    }

    /// <summary>
    /// Describes a run with an adaptive softmax, whose fingerprint is saved and must agree when the run is restored.
    /// </summary>
    /// <param name="softmax">The adaptive softmax.</param>
    /// <param name="body">
    /// The parameters of the rest of the model, whose names must differ and not start with <c>optimizer.</c>; those that it
    /// shares with the softmax may be among them.
    /// </param>
    /// <param name="optimizers">All optimizers that step them, if their state belongs to the run.</param>
    /// <exception cref="ArgumentException">A name is used twice or is reserved, or an optimizer stands there twice.</exception>
    public Checkpoint(AdaptiveSoftmaxLayer softmax, IEnumerable<Parameter>? body = null, params IReadOnlyList<Optimizer> optimizers)
        : this([.. GetParameters(softmax), .. body ?? []], optimizers, softmax.Identity, softmax)
    {
    }

    internal Checkpoint(IEnumerable<Parameter> parameters, IReadOnlyList<Optimizer> optimizers, SoftmaxIdentity? identity, AdaptiveSoftmaxLayer? softmax = null)
    {
        ArgumentNullException.ThrowIfNull(parameters);
        ArgumentNullException.ThrowIfNull(optimizers);
        _parameters = [.. parameters.Distinct()];
        _optimizers = [.. optimizers];
        _identity = identity;
        _softmax = softmax;
        if (_optimizers.Distinct().Count() < _optimizers.Count)
            throw new ArgumentException("An optimizer stands there twice; name each once.", nameof(optimizers));
        var names = new HashSet<string>();
        foreach (var parameter in _parameters)
        {
            if (parameter.Name.StartsWith(CheckpointNames.OptimizerPrefix, StringComparison.Ordinal))
                throw new ArgumentException($"The parameter name '{parameter.Name}' starts with '{CheckpointNames.OptimizerPrefix}', which is kept for optimizer state; rename it.", nameof(parameters));
            if (!names.Add(parameter.Name))
                throw new ArgumentException($"Two parameters are named '{parameter.Name}'; give each a name of its own.", nameof(parameters));
        }
    }

    /// <summary>What stands in the file before each parameter's name.</summary>
    internal string Prefix { get; init; } = "";

    /// <summary>The caller's count of steps, saved and restored.</summary>
    public long Step { get; set; }

    /// <summary>Strings of the caller's own, saved and restored; binary data must be encoded, for example as Base64.</summary>
    public IDictionary<string, string> Strings { get; } = new Dictionary<string, string>();

    /// <summary>
    /// Saves the run by <see cref="AtomicFile"/>: whenever the process is killed, the file is complete, either the old one
    /// or the new one.
    /// </summary>
    /// <param name="path">The file, which is replaced if it exists.</param>
    /// <param name="format">The file's format, whatever its name.</param>
    /// <exception cref="InvalidOperationException">
    /// The run could not be resumed from the file: an optimizer has state or a group of a parameter that is not in the
    /// checkpoint, or a parameter was stepped by an optimizer that is not.
    /// </exception>
    /// <exception cref="ObjectDisposedException">A parameter or the optimizer is disposed.</exception>
    /// <exception cref="IOException">The file cannot be written; a file that was there before is left as it was.</exception>
    public void Save(string path, WeightsFormat format = WeightsFormat.Safetensors)
    {
        using var content = CreateContent(format);
        content.Write(path, format);
    }

    /// <inheritdoc cref="Save(string, WeightsFormat)"/>
    /// <summary>Saves the run to a stream.</summary>
    /// <param name="stream">The stream, from where it stands. It need not seek, and stays open.</param>
    /// <param name="format">The format, whatever the file's name.</param>
    /// <exception cref="IOException">The stream cannot be written.</exception>
    public void Save(Stream stream, WeightsFormat format = WeightsFormat.Safetensors)
    {
        using var content = CreateContent(format);
        content.Write(stream, format);
    }

    /// <inheritdoc cref="Save(string, WeightsFormat)"/>
    /// <summary>
    /// Saves the run without holding on to the caller's thread. Nothing of it may change until the task ends.
    /// </summary>
    /// <param name="path">The file, which is replaced if it exists.</param>
    /// <param name="format">The format, whatever the file's name.</param>
    /// <param name="cancellationToken">Ends it between two tensors, and leaves the file as it was.</param>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public Task SaveAsync(string path, WeightsFormat format = WeightsFormat.Safetensors, CancellationToken cancellationToken = default) =>
        WriteAsync(format, content => content.WriteAsync(path, format, cancellationToken));

    /// <inheritdoc cref="Save(Stream, WeightsFormat)"/>
    /// <summary>
    /// Saves the run to a stream, by its asynchronous methods alone and without holding on to the caller's thread. Nothing
    /// of it may change until the task ends.
    /// </summary>
    /// <param name="stream">The stream, from where it stands. It need not seek, and stays open.</param>
    /// <param name="format">The format, whatever the file's name.</param>
    /// <param name="cancellationToken">Ends it; what was written stays in the stream.</param>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public Task SaveAsync(Stream stream, WeightsFormat format = WeightsFormat.Safetensors, CancellationToken cancellationToken = default) =>
        WriteAsync(format, content => content.WriteAsync(stream, format, cancellationToken));

    // What is wrong with the arguments is said at once, and the memory is kept until the task ends.
    private Task WriteAsync(WeightsFormat format, Func<WeightsContent, Task> write)
    {
        var content = CreateContent(format);
        try
        {
            return EndAsync(write(content), content);
        }
        catch
        {
            content.Dispose();
            throw;
        }

        static async Task EndAsync(Task written, WeightsContent content)
        {
            using (content) await written.ConfigureAwait(false);
        }
    }

    /// <summary>What a file has of the run; of tensors that other processes have the rest of, the parts that are here.</summary>
    internal WeightsContent CreateContent(WeightsFormat format) => WeightsContent.Fill(content =>
    {
        if (format == WeightsFormat.Safetensors) content.AddMetadata("format", "pt");
        if (_identity is not null) content.AddMetadata(IdentityMetadata.Key, IdentityMetadata.From(_identity).ToJson());
        content.AddMetadata(TrainingMetadata.Key, new TrainingMetadata(Step, DescribeOptimizers()).ToJson());
        if (_softmax?.Migrations is { } migrations) content.AddMetadata(MigrationChain.Key, migrations);
        foreach (var (key, value) in Strings) content.AddMetadata(CheckpointNames.StringPrefix + key, value);
        foreach (var parameter in _parameters) content.Add(parameter, Prefix);
        foreach (var optimizer in _optimizers) AddState(optimizer, content);
    });

    /// <summary>
    /// Restores the run. Everything is checked and read before anything changes: if this throws, parameters, optimizer,
    /// step and strings are as they were. Afterwards no parameter has a gradient, and the optimizer has the saved
    /// hyperparameters, learning rate included.
    /// </summary>
    /// <param name="path">The file.</param>
    /// <param name="acceptUnmarked">
    /// Whether to take weights that carry no fingerprint, such as those that PyTorch wrote, on the caller's word that
    /// their classes are this vocabulary's slots.
    /// </param>
    /// <exception cref="CheckpointMismatchException">The file is of another model, vocabulary or optimizer.</exception>
    /// <exception cref="WeightsFormatException">The file is damaged or of another format.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public void Restore(string path, bool acceptUnmarked = false)
    {
        using var file = WeightsFile.Open(path);
        Restore(file, acceptUnmarked, CancellationToken.None);
    }

    /// <inheritdoc cref="Restore(string, bool)"/>
    /// <param name="stream">
    /// The stream, from where it stands to its end, in either format. It stays open. One that cannot seek is read into a
    /// temporary file first.
    /// </param>
    /// <param name="acceptUnmarked">Whether to take weights without a fingerprint, on the caller's word.</param>
    public void Restore(Stream stream, bool acceptUnmarked = false)
    {
        using var file = WeightsFile.Open(stream);
        Restore(file, acceptUnmarked, CancellationToken.None);
    }

    /// <inheritdoc cref="Restore(string, bool)"/>
    /// <remarks>Does not hold on to the caller's thread. Nothing of the run may be used until the task ends.</remarks>
    /// <param name="path">The file.</param>
    /// <param name="acceptUnmarked">Whether to take weights without a fingerprint, on the caller's word.</param>
    /// <param name="cancellationToken">Ends it between two tensors, and leaves all as it was.</param>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public Task RestoreAsync(string path, bool acceptUnmarked = false, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        return Task.Run(() =>
        {
            using var file = WeightsFile.Open(path);
            Restore(file, acceptUnmarked, cancellationToken);
        }, cancellationToken);
    }

    /// <inheritdoc cref="Restore(Stream, bool)"/>
    /// <remarks>
    /// Does not hold on to the caller's thread. Nothing of the run may be used until the task ends. A stream that cannot seek
    /// is read by its asynchronous methods alone.
    /// </remarks>
    /// <param name="stream">The stream, from where it stands to its end. It stays open.</param>
    /// <param name="acceptUnmarked">Whether to take weights without a fingerprint, on the caller's word.</param>
    /// <param name="cancellationToken">Ends it between two tensors, and leaves all as it was.</param>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public async Task RestoreAsync(Stream stream, bool acceptUnmarked = false, CancellationToken cancellationToken = default)
    {
        using var file = await WeightsFile.OpenAsync(stream, cancellationToken).ConfigureAwait(false);
        await Task.Run(() => Restore(file, acceptUnmarked, cancellationToken), cancellationToken).ConfigureAwait(false);
    }

    private void Restore(WeightsFile file, bool acceptUnmarked, CancellationToken cancellationToken)
    {
        using var restore = new CheckpointRestore(file, _parameters, _identity) { AcceptUnmarked = acceptUnmarked };
        restore.Check(allowOthers: false, _optimizers);
        restore.ReadStaged(cancellationToken);
        restore.Commit(_optimizers);
        _softmax?.Migrations = file.Metadata.GetValueOrDefault(MigrationChain.Key);
        Step = restore.Step;
        Strings.Clear();
        foreach (var (key, value) in restore.Strings) Strings.Add(key, value);
    }

    private static IReadOnlyList<Parameter> GetParameters(AdaptiveSoftmaxLayer softmax)
    {
        ArgumentNullException.ThrowIfNull(softmax);
        return softmax.Parameters;
    }

    private List<OptimizerMetadata> DescribeOptimizers()
    {
        CheckOptimizers();
        return [.. _optimizers.Select(optimizer => new OptimizerMetadata(
            optimizer.Kind,
            optimizer.Settings,
            optimizer.StepCount,
            _parameters.Where(parameter => optimizer.FindState(parameter) is not null).DistinctBy(parameter => parameter.TensorName).ToDictionary(parameter => parameter.TensorName, parameter => optimizer.FindState(parameter)!.Steps),
            [.. optimizer.Groups.Select(group => new GroupMetadata([.. group.Parameters.Select(parameter => parameter.TensorName).Distinct()], group.LearningRateFactor, group.WeightDecay))]))];
    }

    private void CheckOptimizers()
    {
        var known = _parameters.ToHashSet();
        foreach (var optimizer in _optimizers)
        {
            ObjectDisposedException.ThrowIf(optimizer.IsDisposed, optimizer);
            foreach (var parameter in optimizer.SteppedParameters.Concat(optimizer.Groups.SelectMany(group => group.Parameters)))
            {
                if (!known.Contains(parameter))
                    throw new InvalidOperationException($"The optimizer has stepped '{parameter.Name}' or has a group of it, and it is not in the checkpoint, so the run could not be resumed from it; add the parameter.");
            }
        }

        // A checkpoint without optimizers is one of weights alone.
        foreach (var parameter in _optimizers.Count == 0 ? [] : _parameters)
        {
            if (parameter.SteppedBy is Optimizer { IsDisposed: false } other && !_optimizers.Contains(other))
                throw new InvalidOperationException($"'{parameter.Name}' was stepped by an optimizer '{other.Kind}' that is not in the checkpoint, so the run could not be resumed from it; name all optimizers, or dispose of one that is not used any more.");
            if (_optimizers.Count(optimizer => optimizer.FindState(parameter) is not null) > 1)
                throw new InvalidOperationException($"Two optimizers of the checkpoint have stepped '{parameter.Name}', and a file holds one state of it; step it by one.");
        }
    }

    private unsafe void AddState(Optimizer optimizer, WeightsContent content)
    {
        content.Keep(optimizer.Use());
        var buffers = optimizer.State;
        foreach (var parameter in _parameters)
        {
            if (optimizer.FindState(parameter) is not { } state) continue;
            for (var i = 0; i < state.Buffers.Length; i++)
                content.Add(CheckpointNames.OfState(parameter.TensorName, buffers[i].Name), parameter, state.Buffers[i].Pointer);
        }
    }
}
