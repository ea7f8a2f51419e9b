namespace AdaptiveSoftmax.Gpu;

// Weights in files and on the host. The files are the same as the CPU's.
public abstract partial class GpuAdaptiveSoftmax
{
    /// <summary>
    /// Saves the weights with the fingerprint of sizes and vocabulary. A file that is there already is replaced only by a
    /// complete one.
    /// </summary>
    /// <param name="path">The file, which the CPU's layer reads as well.</param>
    /// <param name="prefix">
    /// What to put before each name, for example <c>decoder.softmax.</c> for a module of that name in a model of PyTorch's.
    /// </param>
    /// <param name="format">The file's format, whatever its name: safetensors, or a state dict for <c>torch.load</c>.</param>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public void Save(string path, string prefix = "", WeightsFormat format = WeightsFormat.Safetensors) => CreateCheckpoint(prefix).Save(path, format);

    /// <inheritdoc cref="Save(string, string, WeightsFormat)"/>
    /// <summary>Saves the weights with the fingerprint of sizes and vocabulary to a stream.</summary>
    /// <param name="stream">The stream, from where it stands. It need not seek, and stays open.</param>
    /// <param name="prefix">What to put before each name.</param>
    /// <param name="format">The format.</param>
    public void Save(Stream stream, string prefix = "", WeightsFormat format = WeightsFormat.Safetensors) => CreateCheckpoint(prefix).Save(stream, format);

    /// <inheritdoc cref="Save(string, string, WeightsFormat)"/>
    /// <summary>
    /// Copies the weights to the host, which waits for the device, and saves them without holding on to the caller's
    /// thread. The layer may go on meanwhile.
    /// </summary>
    /// <param name="path">The file, which the CPU's layer reads as well.</param>
    /// <param name="prefix">What to put before each name.</param>
    /// <param name="format">The format, whatever the file's name.</param>
    /// <param name="cancellationToken">Ends it between two tensors, and leaves the file as it was.</param>
    public Task SaveAsync(string path, string prefix = "", WeightsFormat format = WeightsFormat.Safetensors, CancellationToken cancellationToken = default) =>
        CreateCheckpoint(prefix).SaveAsync(path, format, cancellationToken);

    /// <inheritdoc cref="SaveAsync(string, string, WeightsFormat, CancellationToken)"/>
    /// <param name="stream">The stream, from where it stands, by its asynchronous methods alone. It stays open.</param>
    /// <param name="prefix">What to put before each name.</param>
    /// <param name="format">The format.</param>
    /// <param name="cancellationToken">Ends it; what was written stays in the stream.</param>
    public Task SaveAsync(Stream stream, string prefix = "", WeightsFormat format = WeightsFormat.Safetensors, CancellationToken cancellationToken = default) =>
        CreateCheckpoint(prefix).SaveAsync(stream, format, cancellationToken);

    /// <summary>
    /// Takes over the weights of a file, which may hold other parts of a model too. If this throws, the weights are as
    /// they were.
    /// </summary>
    /// <param name="path">
    /// The file, of the CPU's layer as well as of this: safetensors, or a state dict that <c>torch.save</c> wrote, of which
    /// nothing is run; or the index of a model in several files, or its folder.
    /// </param>
    /// <param name="acceptUnmarked">
    /// Whether to take weights that carry no fingerprint, such as those that PyTorch wrote, on the caller's word that
    /// their classes are this vocabulary's slots.
    /// </param>
    /// <param name="prefix">
    /// What stands before each name in the file, for example <c>decoder.softmax.</c>.
    /// </param>
    /// <exception cref="CheckpointMismatchException">The weights are of another vocabulary or other sizes; the message says which.</exception>
    /// <exception cref="WeightsFormatException">The file is damaged, of another format, or holds a value that float32 cannot.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public void Restore(string path, bool acceptUnmarked = false, string prefix = "")
    {
        ArgumentNullException.ThrowIfNull(prefix);
        CheckUsable();
        using var file = WeightsFile.Open(path);
        Restore(file, acceptUnmarked, prefix, CancellationToken.None);
    }

    /// <inheritdoc cref="Restore(string, bool, string)"/>
    /// <param name="stream">
    /// The stream, from where it stands to its end. It stays open. One that cannot seek is read into a temporary file first.
    /// </param>
    /// <param name="acceptUnmarked">Whether to take weights without a fingerprint, on the caller's word.</param>
    /// <param name="prefix">What stands before each name.</param>
    public void Restore(Stream stream, bool acceptUnmarked = false, string prefix = "")
    {
        ArgumentNullException.ThrowIfNull(prefix);
        CheckUsable();
        using var file = WeightsFile.Open(stream);
        Restore(file, acceptUnmarked, prefix, CancellationToken.None);
    }

    /// <inheritdoc cref="Restore(string, bool, string)"/>
    /// <summary>
    /// Takes over the weights of a file without holding on to the caller's thread: the device gets them from a thread of the
    /// pool. Neither the layer nor its accelerator may be used until the task ends; if it fails or is cancelled, the weights
    /// are as they were.
    /// </summary>
    /// <param name="path">The file.</param>
    /// <param name="acceptUnmarked">Whether to take weights without a fingerprint, on the caller's word.</param>
    /// <param name="prefix">What stands before each name.</param>
    /// <param name="cancellationToken">Ends it between two tensors.</param>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public Task RestoreAsync(string path, bool acceptUnmarked = false, string prefix = "", CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ArgumentNullException.ThrowIfNull(prefix);
        CheckUsable();
        return Task.Run(() =>
        {
            using var file = WeightsFile.Open(path);
            Restore(file, acceptUnmarked, prefix, cancellationToken);
        }, cancellationToken);
    }

    /// <inheritdoc cref="Restore(Stream, bool, string)"/>
    /// <summary>
    /// Takes over the weights that a stream holds without holding on to the caller's thread: the device gets them from a thread
    /// of the pool. Neither the layer nor its accelerator may be used until the task ends; if it fails or is cancelled, the
    /// weights are as they were.
    /// </summary>
    /// <param name="stream">
    /// The stream, from where it stands to its end. It stays open. One that cannot seek is read into a temporary file first, by
    /// its asynchronous methods alone.
    /// </param>
    /// <param name="acceptUnmarked">Whether to take weights without a fingerprint, on the caller's word.</param>
    /// <param name="prefix">What stands before each name.</param>
    /// <param name="cancellationToken">Ends it between two tensors.</param>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public async Task RestoreAsync(Stream stream, bool acceptUnmarked = false, string prefix = "", CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(prefix);
        CheckUsable();
        using var file = await WeightsFile.OpenAsync(stream, cancellationToken).ConfigureAwait(false);
        await Task.Run(() => Restore(file, acceptUnmarked, prefix, cancellationToken), cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Takes over the weights of a layer on the host, bit by bit.</summary>
    /// <param name="source">A layer of the same class.</param>
    /// <exception cref="ArgumentException">It has other sizes or another vocabulary.</exception>
    public void CopyFrom(AdaptiveSoftmaxLayer source)
    {
        ArgumentNullException.ThrowIfNull(source);
        CheckIdentity(source, Identity);
        for (var i = 0; i < _parameters.Length; i++) _parameters[i].CopyFrom(source.Parameters[i]);
        foreach (var parameter in _parameters) parameter.ZeroGradient();
    }

    /// <summary>Gives the weights to a layer on the host, bit by bit. Waits for the device.</summary>
    /// <param name="destination">A layer of the same class.</param>
    /// <exception cref="ArgumentException">It has other sizes or another vocabulary.</exception>
    public void CopyTo(AdaptiveSoftmaxLayer destination)
    {
        ArgumentNullException.ThrowIfNull(destination);
        CheckIdentity(destination, destination.Identity);
        for (var i = 0; i < _parameters.Length; i++) _parameters[i].CopyTo(destination.Parameters[i]);
        foreach (var parameter in destination.Parameters) parameter.ZeroGradient();
    }

    private GpuCheckpoint CreateCheckpoint(string prefix)
    {
        ArgumentNullException.ThrowIfNull(prefix);
        CheckUsable();
        return new GpuCheckpoint(this) { Prefix = prefix };
    }

    private void Restore(WeightsFile file, bool acceptUnmarked, string prefix, CancellationToken cancellationToken)
    {
        using var host = new HostParameters(_parameters);
        using var restore = new CheckpointRestore(file, host.Parameters, Identity) { AcceptUnmarked = acceptUnmarked, Prefix = prefix };
        restore.Check(allowOthers: true, optimizers: []);
        restore.ReadStaged(cancellationToken);
        restore.Commit(optimizers: []);
        host.Upload();
    }

    // A layer without a vocabulary takes any weights of its sizes, as it does from files.
    private void CheckIdentity(AdaptiveSoftmaxLayer host, SoftmaxIdentity destination)
    {
        CheckUsable();
        if (!host.Layout.Equals(Layout) || (destination.Fingerprint.Length > 0 && host.Identity.Fingerprint != Identity.Fingerprint))
            throw new ArgumentException($"The layer on the host has {(host.Layout.Equals(Layout) ? "another vocabulary" : "other sizes")}; weights fit a layer of the same class.", nameof(host));
    }
}
