namespace AdaptiveSoftmax;

// In files and streams.
public sealed partial class QuantizedSoftmax
{
    /// <summary>
    /// Saves the weights as they are, with precisions, checksums and the fingerprint of sizes and vocabulary, in safetensors:
    /// for <c>LoadQuantized</c> of a generated class or of <see cref="DynamicAdaptiveSoftmax"/>. A file that is there already is
    /// replaced only by a complete one.
    /// </summary>
    /// <param name="path">The file.</param>
    /// <param name="prefix">What to put before each name.</param>
    /// <exception cref="IOException">The file cannot be written.</exception>
    /// <exception cref="ObjectDisposedException">The softmax is disposed.</exception>
    public void Save(string path, string prefix = "")
    {
        using var content = CreateContent(prefix);
        content.Write(path, WeightsFormat.Safetensors);
    }

    /// <inheritdoc cref="Save(string, string)"/>
    /// <summary>Saves the weights as they are, with precisions, checksums and the fingerprint, to a stream in safetensors.</summary>
    /// <param name="stream">The stream, from where it stands. It need not seek, and stays open.</param>
    /// <param name="prefix">What to put before each name.</param>
    /// <exception cref="IOException">The stream cannot be written.</exception>
    public void Save(Stream stream, string prefix = "")
    {
        using var content = CreateContent(prefix);
        content.Write(stream, WeightsFormat.Safetensors);
    }

    /// <inheritdoc cref="Save(string, string)"/>
    /// <summary>Saves the weights as they are, with precisions, checksums and the fingerprint, without holding on to the caller's thread.</summary>
    /// <param name="path">The file, which is replaced if it exists.</param>
    /// <param name="prefix">What to put before each name.</param>
    /// <param name="cancellationToken">Ends it between two tensors, and leaves the file as it was.</param>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public async Task SaveAsync(string path, string prefix = "", CancellationToken cancellationToken = default)
    {
        using var content = CreateContent(prefix);
        await content.WriteAsync(path, WeightsFormat.Safetensors, cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc cref="Save(Stream, string)"/>
    /// <summary>Saves the weights as they are, with precisions, checksums and the fingerprint, to a stream by its asynchronous methods alone.</summary>
    /// <param name="stream">The stream, from where it stands. It need not seek, and stays open.</param>
    /// <param name="prefix">What to put before each name.</param>
    /// <param name="cancellationToken">Ends it; what was written stays in the stream.</param>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public async Task SaveAsync(Stream stream, string prefix = "", CancellationToken cancellationToken = default)
    {
        using var content = CreateContent(prefix);
        await content.WriteAsync(stream, WeightsFormat.Safetensors, cancellationToken).ConfigureAwait(false);
    }

    private WeightsContent CreateContent(string prefix)
    {
        ArgumentNullException.ThrowIfNull(prefix);
        ThrowIfDisposed();
        return QuantizedContent.Create(Identity, Precision, _head, _tails, prefix, Leases.Take());
    }
}
