namespace AdaptiveSoftmax.Gpu;

/// <summary>
/// A <see cref="Checkpoint"/> of a run on a device: the same files, so that a run may go on where there is no device, or
/// the other way round.
/// </summary>
/// <remarks>Saving and restoring hold parameters and optimizer state on the host for their time.</remarks>
public sealed class GpuCheckpoint
{
    private readonly List<GpuParameter> _parameters;
    private readonly GpuOptimizer? _optimizer;
    private readonly SoftmaxIdentity? _identity;

    /// <summary>Describes a run without an adaptive softmax, or a part of one.</summary>
    /// <param name="parameters">The parameters, whose names must differ and not start with <c>optimizer.</c>.</param>
    /// <param name="optimizer">The optimizer that steps them, if its state belongs to the run.</param>
    public GpuCheckpoint(IEnumerable<GpuParameter> parameters, GpuOptimizer? optimizer = null)
    {
        ArgumentNullException.ThrowIfNull(parameters);
        _parameters = [.. parameters];
        _optimizer = optimizer;
    }

    /// <summary>
    /// Describes a run with an adaptive softmax, whose fingerprint is saved and must agree when the run is restored.
    /// </summary>
    /// <param name="softmax">The adaptive softmax.</param>
    /// <param name="body">The parameters of the rest of the model, whose names must differ and not start with <c>optimizer.</c>.</param>
    /// <param name="optimizer">The optimizer that steps them, if its state belongs to the run.</param>
    public GpuCheckpoint(GpuAdaptiveSoftmax softmax, IEnumerable<GpuParameter>? body = null, GpuOptimizer? optimizer = null)
        : this([.. GetParameters(softmax), .. body ?? []], optimizer) => _identity = softmax.Identity;

    /// <summary>The caller's count of steps, saved and restored.</summary>
    public long Step { get; set; }

    /// <summary>Strings of the caller's own, saved and restored; binary data must be encoded, for example as Base64.</summary>
    public IDictionary<string, string> Strings { get; private set; } = new Dictionary<string, string>();

    /// <summary>What stands in the file before each parameter's name.</summary>
    internal string Prefix { get; init; } = "";

    /// <inheritdoc cref="Checkpoint.Save"/>
    public void Save(string path, WeightsFormat format = WeightsFormat.Safetensors)
    {
        using var host = new HostParameters(_parameters);
        host.Download();
        using var optimizer = _optimizer?.ToHost(_parameters, host.Parameters);
        var checkpoint = new Checkpoint(host.Parameters, optimizer, _identity) { Step = Step, Prefix = Prefix };
        foreach (var (key, value) in Strings) checkpoint.Strings.Add(key, value);
        checkpoint.Save(path, format);
    }

    /// <inheritdoc cref="Checkpoint.Restore"/>
    public void Restore(string path, bool acceptUnmarked = false)
    {
        using var host = new HostParameters(_parameters);
        using var optimizer = _optimizer?.CreateHost();
        var checkpoint = new Checkpoint(host.Parameters, optimizer, _identity);
        checkpoint.Restore(path, acceptUnmarked);

        // From here on only the device can fail: what it is to hold has been read and checked.
        _optimizer?.FromHost(optimizer!, _parameters, host.Parameters);
        host.Upload();
        Step = checkpoint.Step;
        Strings = new Dictionary<string, string>(checkpoint.Strings);
    }

    private static IReadOnlyList<GpuParameter> GetParameters(GpuAdaptiveSoftmax softmax)
    {
        ArgumentNullException.ThrowIfNull(softmax);
        return softmax.Parameters;
    }
}
