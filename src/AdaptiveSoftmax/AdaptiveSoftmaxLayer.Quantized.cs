namespace AdaptiveSoftmax;

// Loading of small weights.
public abstract partial class AdaptiveSoftmaxLayer
{
    /// <summary>Loads small weights of a file for the vocabulary of a layer that was just created: what the generated <c>LoadQuantized</c> calls.</summary>
    /// <param name="vocabulary">The layer, whose own weights are not needed; it is disposed.</param>
    /// <param name="path">The file, or the index or the folder of a model in several.</param>
    /// <param name="mapping">Whether its pages become the weights.</param>
    /// <param name="acceptUnmarked">Whether to take weights without a fingerprint, on the caller's word.</param>
    /// <param name="prefix">What stands before each name in the file.</param>
    /// <exception cref="CheckpointMismatchException">The weights are of another vocabulary or other sizes, or not quantised; the message says which.</exception>
    /// <exception cref="WeightsFormatException">The file is damaged or of another format.</exception>
    /// <exception cref="IOException">The file cannot be read, or not be mapped.</exception>
    protected static QuantizedSoftmax LoadQuantized(AdaptiveSoftmaxLayer vocabulary, string path, MemoryMapping mapping, bool acceptUnmarked, string prefix)
    {
        ArgumentNullException.ThrowIfNull(vocabulary);
        using (vocabulary)
        {
            using var file = WeightsFile.Open(path, mapping);
            return vocabulary.ReadQuantized(file, mapping, acceptUnmarked, prefix, CancellationToken.None);
        }
    }

    /// <inheritdoc cref="LoadQuantized(AdaptiveSoftmaxLayer, string, MemoryMapping, bool, string)"/>
    /// <summary>Loads small weights of a stream for the vocabulary of a layer that was just created: what the generated <c>LoadQuantized</c> calls.</summary>
    /// <param name="vocabulary">The layer, whose own weights are not needed; it is disposed.</param>
    /// <param name="stream">The stream, from where it stands to its end. It stays open, and need not seek.</param>
    /// <param name="acceptUnmarked">Whether to take weights without a fingerprint, on the caller's word.</param>
    /// <param name="prefix">What stands before each name.</param>
    protected static QuantizedSoftmax LoadQuantized(AdaptiveSoftmaxLayer vocabulary, Stream stream, bool acceptUnmarked, string prefix)
    {
        ArgumentNullException.ThrowIfNull(vocabulary);
        using (vocabulary)
        {
            using var file = WeightsFile.Open(stream);
            return vocabulary.ReadQuantized(file, MemoryMapping.Off, acceptUnmarked, prefix, CancellationToken.None);
        }
    }

    /// <inheritdoc cref="LoadQuantized(AdaptiveSoftmaxLayer, Stream, bool, string)"/>
    /// <summary>Loads small weights of a stream, without holding on to the caller's thread: what the generated <c>LoadQuantizedAsync</c> calls.</summary>
    /// <param name="vocabulary">The layer, whose own weights are not needed; it is disposed.</param>
    /// <param name="stream">The stream, which is read by its asynchronous methods alone where it cannot seek.</param>
    /// <param name="acceptUnmarked">Whether to take weights without a fingerprint, on the caller's word.</param>
    /// <param name="prefix">What stands before each name.</param>
    /// <param name="cancellationToken">Ends it between two tensors.</param>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    protected static async Task<QuantizedSoftmax> LoadQuantizedAsync(AdaptiveSoftmaxLayer vocabulary, Stream stream, bool acceptUnmarked, string prefix, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(vocabulary);
        using (vocabulary)
        {
            using var file = await WeightsFile.OpenAsync(stream, cancellationToken).ConfigureAwait(false);
            return await Task.Run(() => vocabulary.ReadQuantized(file, MemoryMapping.Off, acceptUnmarked, prefix, cancellationToken), cancellationToken).ConfigureAwait(false);
        }
    }

    private QuantizedSoftmax ReadQuantized(WeightsFile file, MemoryMapping mapping, bool acceptUnmarked, string prefix, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(prefix);
        using var restore = new QuantizedRestore(file, Identity) { AcceptUnmarked = acceptUnmarked, Prefix = prefix, IsMapped = mapping == MemoryMapping.On };
        restore.Check();
        var (head, tails, screens) = restore.Read(cancellationToken);
        return new QuantizedSoftmax(this, head, tails, screens, restore.Precision, Options);
    }
}
