namespace AdaptiveSoftmax.Gpu;

/// <summary>
/// A <see cref="Checkpoint"/> of a run on a device: the same files, so that a run may go on where there is no device, or
/// the other way round.
/// </summary>
/// <remarks>Saving and restoring hold parameters and optimizer state on the host for their time.</remarks>
public sealed class GpuCheckpoint
{
    private readonly List<GpuParameter> _parameters;
    private readonly IReadOnlyList<GpuOptimizer> _optimizers;
    private readonly SoftmaxIdentity? _identity;

    /// <summary>Describes a run without an adaptive softmax, or a part of one.</summary>
    /// <param name="parameters">The parameters, whose names must differ and not start with <c>optimizer.</c>.</param>
    /// <param name="optimizers">All optimizers that step them, if their state belongs to the run.</param>
    /// <exception cref="ArgumentException">An optimizer stands there twice.</exception>
    public GpuCheckpoint(IEnumerable<GpuParameter> parameters, params IReadOnlyList<GpuOptimizer> optimizers)
    {
        ArgumentNullException.ThrowIfNull(parameters);
        ArgumentNullException.ThrowIfNull(optimizers);
        _parameters = [.. parameters.Distinct()];
        _optimizers = [.. optimizers];
        if (_optimizers.Distinct().Count() < _optimizers.Count)
            throw new ArgumentException("An optimizer stands there twice; name each once.", nameof(optimizers));
    }

    /// <summary>
    /// Describes a run with an adaptive softmax, whose fingerprint is saved and must agree when the run is restored.
    /// </summary>
    /// <param name="softmax">The adaptive softmax.</param>
    /// <param name="body">The parameters of the rest of the model, whose names must differ and not start with <c>optimizer.</c>.</param>
    /// <param name="optimizers">All optimizers that step them, if their state belongs to the run.</param>
    /// <exception cref="ArgumentException">An optimizer stands there twice.</exception>
    public GpuCheckpoint(GpuAdaptiveSoftmax softmax, IEnumerable<GpuParameter>? body = null, params IReadOnlyList<GpuOptimizer> optimizers)
        : this([.. GetParameters(softmax), .. body ?? []], optimizers) => _identity = softmax.Identity;

    /// <summary>The caller's count of steps, saved and restored.</summary>
    public long Step { get; set; }

    /// <summary>Strings of the caller's own, saved and restored; binary data must be encoded, for example as Base64.</summary>
    public IDictionary<string, string> Strings { get; private set; } = new Dictionary<string, string>();

    /// <summary>What stands in the file before each parameter's name.</summary>
    internal string Prefix { get; init; } = "";

    /// <inheritdoc cref="Checkpoint.Save(string, WeightsFormat)"/>
    public void Save(string path, WeightsFormat format = WeightsFormat.Safetensors)
    {
        using var host = Download();
        host.Checkpoint.Save(path, format);
    }

    /// <inheritdoc cref="Checkpoint.Save(Stream, WeightsFormat)"/>
    public void Save(Stream stream, WeightsFormat format = WeightsFormat.Safetensors)
    {
        using var host = Download();
        host.Checkpoint.Save(stream, format);
    }

    /// <inheritdoc cref="Checkpoint.SaveAsync(string, WeightsFormat, CancellationToken)"/>
    /// <summary>
    /// Copies the run to the host, which waits for the device, and saves it without holding on to the caller's thread. The
    /// run may go on meanwhile.
    /// </summary>
    public async Task SaveAsync(string path, WeightsFormat format = WeightsFormat.Safetensors, CancellationToken cancellationToken = default)
    {
        using var host = Download();
        await host.Checkpoint.SaveAsync(path, format, cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc cref="Checkpoint.SaveAsync(Stream, WeightsFormat, CancellationToken)"/>
    /// <summary>
    /// Copies the run to the host, which waits for the device, and saves it to a stream without holding on to the caller's
    /// thread. The run may go on meanwhile.
    /// </summary>
    public async Task SaveAsync(Stream stream, WeightsFormat format = WeightsFormat.Safetensors, CancellationToken cancellationToken = default)
    {
        using var host = Download();
        await host.Checkpoint.SaveAsync(stream, format, cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc cref="Checkpoint.Restore(string, bool)"/>
    public void Restore(string path, bool acceptUnmarked = false)
    {
        using var run = Stage();
        run.Checkpoint.Restore(path, acceptUnmarked);
        Take(run);
    }

    /// <inheritdoc cref="Checkpoint.Restore(Stream, bool)"/>
    public void Restore(Stream stream, bool acceptUnmarked = false)
    {
        using var run = Stage();
        run.Checkpoint.Restore(stream, acceptUnmarked);
        Take(run);
    }

    /// <inheritdoc cref="Checkpoint.RestoreAsync(string, bool, CancellationToken)"/>
    /// <remarks>
    /// Does not hold on to the caller's thread: the device gets the run from a thread of the pool. Nothing of the run, and
    /// nothing else of the accelerator, may be used until the task ends.
    /// </remarks>
    public async Task RestoreAsync(string path, bool acceptUnmarked = false, CancellationToken cancellationToken = default)
    {
        using var run = Stage();
        await run.Checkpoint.RestoreAsync(path, acceptUnmarked, cancellationToken).ConfigureAwait(false);
        Take(run);
    }

    /// <inheritdoc cref="Checkpoint.RestoreAsync(Stream, bool, CancellationToken)"/>
    /// <remarks>
    /// Does not hold on to the caller's thread: the device gets the run from a thread of the pool. Nothing of the run, and
    /// nothing else of the accelerator, may be used until the task ends. A stream that cannot seek is read by its asynchronous
    /// methods alone.
    /// </remarks>
    public async Task RestoreAsync(Stream stream, bool acceptUnmarked = false, CancellationToken cancellationToken = default)
    {
        using var run = Stage();
        await run.Checkpoint.RestoreAsync(stream, acceptUnmarked, cancellationToken).ConfigureAwait(false);
        Take(run);
    }

    // A run on the host that a file is read into.
    private HostRun Stage()
    {
        var host = new HostParameters(_parameters);
        var optimizers = new List<Optimizer>();
        try
        {
            foreach (var optimizer in _optimizers) optimizers.Add(optimizer.CreateHost());
            return new HostRun(new Checkpoint(host.Parameters, optimizers, _identity), host, optimizers);
        }
        catch
        {
            host.Dispose();
            optimizers.ForEach(optimizer => optimizer.Dispose());
            throw;
        }
    }

    // Only the device can fail here: what it is to hold has been read and checked.
    private void Take(HostRun run)
    {
        // Room for all new state comes first: a run that does not fit leaves the one that is there.
        var reserved = new List<Dictionary<GpuParameter, GpuOptimizerState>>();
        try
        {
            foreach (var (optimizer, source) in _optimizers.Zip(run.Optimizers)) reserved.Add(optimizer.Reserve(source, _parameters, run.Parameters.Parameters));
        }
        catch
        {
            foreach (var state in reserved.SelectMany(states => states.Values)) state.Dispose();
            throw;
        }

        for (var i = 0; i < reserved.Count; i++) _optimizers[i].FromHost(run.Optimizers[i], _parameters, run.Parameters.Parameters, reserved[i]);
        run.Parameters.Upload();
        Step = run.Checkpoint.Step;
        Strings = new Dictionary<string, string>(run.Checkpoint.Strings);
    }

    // A checkpoint without optimizers is one of weights alone.
    private void CheckOptimizers()
    {
        foreach (var parameter in _optimizers.Count == 0 ? [] : _parameters)
        {
            if (parameter.SteppedBy is GpuOptimizer { IsDisposed: false } other && !_optimizers.Contains(other))
                throw new InvalidOperationException($"'{parameter.Name}' was stepped by an optimizer that is not in the checkpoint, so the run could not be resumed from it; name all optimizers, or dispose of one that is not used any more.");
        }
    }

    private HostRun Download()
    {
        CheckOptimizers();
        var host = new HostParameters(_parameters);
        var optimizers = new List<Optimizer>();
        try
        {
            host.Download();
            foreach (var optimizer in _optimizers) optimizers.Add(optimizer.ToHost(_parameters, host.Parameters));
            var checkpoint = new Checkpoint(host.Parameters, optimizers, _identity) { Step = Step, Prefix = Prefix };
            foreach (var (key, value) in Strings) checkpoint.Strings.Add(key, value);
            return new HostRun(checkpoint, host, optimizers);
        }
        catch
        {
            host.Dispose();
            optimizers.ForEach(optimizer => optimizer.Dispose());
            throw;
        }
    }

    private static IReadOnlyList<GpuParameter> GetParameters(GpuAdaptiveSoftmax softmax)
    {
        ArgumentNullException.ThrowIfNull(softmax);
        return softmax.Parameters;
    }

    /// <summary>A run as it was on the device, on the host.</summary>
    private sealed record HostRun(Checkpoint Checkpoint, HostParameters Parameters, List<Optimizer> Optimizers) : IDisposable
    {
        public void Dispose()
        {
            Parameters.Dispose();
            Optimizers.ForEach(optimizer => optimizer.Dispose());
        }
    }
}
