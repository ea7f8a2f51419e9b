namespace AdaptiveSoftmax;

// Weights in files and streams.
public abstract partial class AdaptiveSoftmaxLayer
{
    /// <summary>
    /// Saves the weights with the fingerprint of sizes and vocabulary. A file that is there already is replaced only by a
    /// complete one.
    /// </summary>
    /// <remarks>Values that are not finite are saved as they are; <c>adaptive-softmax inspect</c> counts them.</remarks>
    /// <param name="path">The file.</param>
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
    /// <param name="format">The format, whatever the file's name.</param>
    /// <exception cref="IOException">The stream cannot be written.</exception>
    public void Save(Stream stream, string prefix = "", WeightsFormat format = WeightsFormat.Safetensors) => CreateCheckpoint(prefix).Save(stream, format);

    /// <inheritdoc cref="Save(string, string, WeightsFormat)"/>
    /// <summary>
    /// Saves the weights with the fingerprint of sizes and vocabulary, without holding on to the caller's thread. They must
    /// not change until the task ends. A file that is there already is replaced only by a complete one.
    /// </summary>
    /// <param name="path">The file, which is replaced if it exists.</param>
    /// <param name="prefix">What to put before each name.</param>
    /// <param name="format">The format, whatever the file's name.</param>
    /// <param name="cancellationToken">Ends it between two tensors, and leaves the file as it was.</param>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public Task SaveAsync(string path, string prefix = "", WeightsFormat format = WeightsFormat.Safetensors, CancellationToken cancellationToken = default) =>
        CreateCheckpoint(prefix).SaveAsync(path, format, cancellationToken);

    /// <inheritdoc cref="Save(Stream, string, WeightsFormat)"/>
    /// <summary>
    /// Saves the weights with the fingerprint of sizes and vocabulary to a stream, by its asynchronous methods alone and
    /// without holding on to the caller's thread. They must not change until the task ends.
    /// </summary>
    /// <param name="stream">The stream, from where it stands. It need not seek, and stays open.</param>
    /// <param name="prefix">What to put before each name.</param>
    /// <param name="format">The format, whatever the file's name.</param>
    /// <param name="cancellationToken">Ends it; what was written stays in the stream.</param>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public Task SaveAsync(Stream stream, string prefix = "", WeightsFormat format = WeightsFormat.Safetensors, CancellationToken cancellationToken = default) =>
        CreateCheckpoint(prefix).SaveAsync(stream, format, cancellationToken);

    /// <summary>
    /// Takes over the weights of a file, which may hold other parts of a model too. If this throws, the weights are as
    /// they were. Values of F64, F16 and BF16 are converted to float32.
    /// </summary>
    /// <param name="path">
    /// The file: safetensors, or a state dict that <c>torch.save</c> wrote, of which nothing is run; or the index of a model
    /// in several files, or its folder.
    /// </param>
    /// <param name="acceptUnmarked">
    /// Whether to take weights that carry no fingerprint, such as those that PyTorch wrote, on the caller's word that
    /// their classes are this vocabulary's slots. A layer without a vocabulary takes any weights of its sizes.
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
        ThrowIfDisposed();
        using var file = WeightsFile.Open(path);
        Restore(file, acceptUnmarked, prefix, CancellationToken.None);
    }

    /// <inheritdoc cref="Restore(string, bool, string)"/>
    /// <summary>
    /// Takes over the weights that a stream holds, which may hold other parts of a model too. If this throws, the weights
    /// are as they were.
    /// </summary>
    /// <param name="stream">
    /// The stream, from where it stands to its end, in either format. It stays open. One that cannot seek is read into a
    /// temporary file first.
    /// </param>
    /// <param name="acceptUnmarked">Whether to take weights without a fingerprint, on the caller's word.</param>
    /// <param name="prefix">What stands before each name.</param>
    public void Restore(Stream stream, bool acceptUnmarked = false, string prefix = "")
    {
        ArgumentNullException.ThrowIfNull(prefix);
        ThrowIfDisposed();
        using var file = WeightsFile.Open(stream);
        Restore(file, acceptUnmarked, prefix, CancellationToken.None);
    }

    /// <inheritdoc cref="Restore(string, bool, string)"/>
    /// <summary>
    /// Takes over the weights of a file without holding on to the caller's thread. The layer must not be used until the
    /// task ends; if it fails or is cancelled, the weights are as they were.
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
        ThrowIfDisposed();
        return Task.Run(() =>
        {
            using var file = WeightsFile.Open(path);
            Restore(file, acceptUnmarked, prefix, cancellationToken);
        }, cancellationToken);
    }

    /// <inheritdoc cref="Restore(Stream, bool, string)"/>
    /// <summary>
    /// Takes over the weights that a stream holds without holding on to the caller's thread. The layer must not be used
    /// until the task ends; if it fails or is cancelled, the weights are as they were.
    /// </summary>
    /// <param name="stream">
    /// The stream, from where it stands to its end, in either format. It stays open. One that cannot seek is read into a
    /// temporary file first, by its asynchronous methods alone.
    /// </param>
    /// <param name="acceptUnmarked">Whether to take weights without a fingerprint, on the caller's word.</param>
    /// <param name="prefix">What stands before each name.</param>
    /// <param name="cancellationToken">Ends it between two tensors.</param>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public async Task RestoreAsync(Stream stream, bool acceptUnmarked = false, string prefix = "", CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(prefix);
        ThrowIfDisposed();
        using var file = await WeightsFile.OpenAsync(stream, cancellationToken).ConfigureAwait(false);
        await Task.Run(() => Restore(file, acceptUnmarked, prefix, cancellationToken), cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Restores a layer that was just created, or disposes of it: what the generated <c>Load</c> calls.</summary>
    /// <param name="softmax">The layer.</param>
    /// <param name="restore">Restores it.</param>
    /// <returns>The layer.</returns>
    protected static T Restored<T>(T softmax, Action<AdaptiveSoftmaxLayer> restore)
        where T : AdaptiveSoftmaxLayer
    {
        ArgumentNullException.ThrowIfNull(softmax);
        ArgumentNullException.ThrowIfNull(restore);
        try
        {
            restore(softmax);
            return softmax;
        }
        catch
        {
            softmax.Dispose();
            throw;
        }
    }

    /// <summary>Restores a layer that was just created, or disposes of it: what the generated <c>LoadAsync</c> calls.</summary>
    /// <param name="softmax">The layer.</param>
    /// <param name="restore">Restores it.</param>
    /// <returns>The layer.</returns>
    protected static async Task<T> RestoredAsync<T>(T softmax, Func<AdaptiveSoftmaxLayer, Task> restore)
        where T : AdaptiveSoftmaxLayer
    {
        ArgumentNullException.ThrowIfNull(softmax);
        ArgumentNullException.ThrowIfNull(restore);
        try
        {
            await restore(softmax).ConfigureAwait(false);
            return softmax;
        }
        catch
        {
            softmax.Dispose();
            throw;
        }
    }

    /// <summary>Gives a layer that was just created the weights of a file, or disposes of it: what the generated <c>Load</c> calls.</summary>
    /// <param name="softmax">The layer, whose weights nobody uses yet.</param>
    /// <param name="path">The file.</param>
    /// <param name="mapping">Whether its pages become the weights.</param>
    /// <param name="acceptUnmarked">Whether to take weights without a fingerprint, on the caller's word.</param>
    /// <param name="prefix">What stands before each name in the file.</param>
    /// <returns>The layer.</returns>
    protected static T Loaded<T>(T softmax, string path, MemoryMapping mapping, bool acceptUnmarked, string prefix)
        where T : AdaptiveSoftmaxLayer => Restored(softmax, layer =>
        {
            ArgumentNullException.ThrowIfNull(prefix);
            using var file = WeightsFile.Open(path, mapping);
            layer.Restore(file, acceptUnmarked, prefix, CancellationToken.None, mapping);
        });

    private Checkpoint CreateCheckpoint(string prefix)
    {
        ArgumentNullException.ThrowIfNull(prefix);
        return new Checkpoint(Parameters, [], Identity, this) { Prefix = prefix };
    }

    /// <summary>What the file that the weights are from says of the migrations before it; null where there were none.</summary>
    internal string? Migrations { get; set; }

    private void Restore(WeightsFile file, bool acceptUnmarked, string prefix, CancellationToken cancellationToken, MemoryMapping mapping = MemoryMapping.Off)
    {
        using var restore = new CheckpointRestore(file, Parameters, Identity) { AcceptUnmarked = acceptUnmarked, Prefix = prefix, IsMapped = mapping == MemoryMapping.On };
        restore.Check(allowOthers: true, optimizers: []);
        restore.ReadStaged(cancellationToken);
        restore.Commit(optimizers: []);
        Migrations = file.Metadata.GetValueOrDefault(MigrationChain.Key);
        if (mapping == MemoryMapping.On) Leases.Watch(_parameters.Select(parameter => parameter.Map));
    }
}
