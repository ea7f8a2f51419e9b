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
    private readonly Optimizer? _optimizer;
    private readonly SoftmaxIdentity? _identity;

    /// <summary>Describes a run without an adaptive softmax, or a part of one.</summary>
    /// <param name="parameters">The parameters, whose names must differ and not start with <c>optimizer.</c>.</param>
    /// <param name="optimizer">The optimizer that steps them, if its state belongs to the run.</param>
    /// <exception cref="ArgumentException">A name is used twice or is reserved.</exception>
    public Checkpoint(IEnumerable<Parameter> parameters, Optimizer? optimizer = null)
        : this(parameters, optimizer, identity: null)
    {
    }

    /// <summary>
    /// Describes a run with an adaptive softmax, whose fingerprint is saved and must agree when the run is restored.
    /// </summary>
    /// <param name="softmax">The adaptive softmax.</param>
    /// <param name="body">The parameters of the rest of the model, whose names must differ and not start with <c>optimizer.</c>.</param>
    /// <param name="optimizer">The optimizer that steps them, if its state belongs to the run.</param>
    /// <exception cref="ArgumentException">A name is used twice or is reserved.</exception>
    public Checkpoint(AdaptiveSoftmaxLayer softmax, IEnumerable<Parameter>? body = null, Optimizer? optimizer = null)
        : this([.. GetParameters(softmax), .. body ?? []], optimizer, softmax.Identity)
    {
    }

    internal Checkpoint(IEnumerable<Parameter> parameters, Optimizer? optimizer, SoftmaxIdentity? identity)
    {
        ArgumentNullException.ThrowIfNull(parameters);
        _parameters = [.. parameters];
        _optimizer = optimizer;
        _identity = identity;
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
    /// <exception cref="InvalidOperationException">The optimizer has state of a parameter that is not in the checkpoint.</exception>
    /// <exception cref="ObjectDisposedException">A parameter or the optimizer is disposed.</exception>
    /// <exception cref="IOException">The file cannot be written; a file that was there before is left as it was.</exception>
    public void Save(string path, WeightsFormat format = WeightsFormat.Safetensors)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        var content = new WeightsContent();
        if (format == WeightsFormat.Safetensors) content.AddMetadata("format", "pt");
        if (_identity is not null) content.AddMetadata(IdentityMetadata.Key, IdentityMetadata.From(_identity).ToJson());
        content.AddMetadata(TrainingMetadata.Key, new TrainingMetadata(Step, DescribeOptimizer()).ToJson());
        foreach (var (key, value) in Strings) content.AddMetadata(CheckpointNames.StringPrefix + key, value);
        foreach (var parameter in _parameters) content.Add(parameter, Prefix);
        AddOptimizerState(content);
        content.WriteFile(path, format);
    }

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
        using var reader = WeightsFile.Open(path);
        using var restore = new CheckpointRestore(reader, _parameters, _identity) { AcceptUnmarked = acceptUnmarked };
        restore.Check(allowOthers: false, _optimizer);
        restore.ReadStaged();
        restore.Commit(_optimizer);
        Step = restore.Step;
        Strings.Clear();
        foreach (var (key, value) in restore.Strings) Strings.Add(key, value);
    }

    private static IReadOnlyList<Parameter> GetParameters(AdaptiveSoftmaxLayer softmax)
    {
        ArgumentNullException.ThrowIfNull(softmax);
        return softmax.Parameters;
    }

    private OptimizerMetadata? DescribeOptimizer()
    {
        if (_optimizer is null) return null;
        ObjectDisposedException.ThrowIf(_optimizer.IsDisposed, _optimizer);
        var known = _parameters.ToHashSet();
        foreach (var parameter in _optimizer.SteppedParameters)
        {
            if (!known.Contains(parameter))
                throw new InvalidOperationException($"The optimizer has stepped '{parameter.Name}', which is not in the checkpoint, so the run could not be resumed from it; add the parameter.");
        }

        var steps = new Dictionary<string, long>();
        foreach (var parameter in _parameters)
        {
            if (_optimizer.FindState(parameter) is { } state) steps.Add(parameter.Name, state.Steps);
        }

        return new OptimizerMetadata(_optimizer.Kind, _optimizer.GetSettings(), _optimizer.StepCount, steps);
    }

    private unsafe void AddOptimizerState(WeightsContent content)
    {
        if (_optimizer is null) return;
        foreach (var parameter in _parameters)
        {
            if (_optimizer.FindState(parameter) is not { } state) continue;
            for (var i = 0; i < state.Buffers.Length; i++)
            {
                var name = CheckpointNames.OfState(parameter.Name, _optimizer.StateNames[i]);
                content.Add(name, WeightsContent.GetShape(parameter), state.Buffers[i].Pointer, parameter.Count);
            }
        }
    }
}
