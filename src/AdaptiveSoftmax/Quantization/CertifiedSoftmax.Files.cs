namespace AdaptiveSoftmax;

// In files and streams.
public sealed partial class CertifiedSoftmax
{
    /// <summary>
    /// Saves the stored weights and, beside them, the smaller copies with their bounds, with checksums and the fingerprint of sizes and
    /// vocabulary, in safetensors: <c>LoadQuantized</c> of a generated class or of <see cref="DynamicAdaptiveSoftmax"/> loads or maps
    /// both, and its <see cref="QuantizedSoftmax.Certify"/> takes the copies instead of making them. A file that is there already is
    /// replaced only by a complete one.
    /// </summary>
    /// <param name="path">The file.</param>
    /// <param name="prefix">What to put before each name.</param>
    /// <exception cref="InvalidOperationException">The weights have changed since the copies were made.</exception>
    /// <exception cref="IOException">The file cannot be written.</exception>
    /// <exception cref="ObjectDisposedException">The decoder or its layer is disposed.</exception>
    public void Save(string path, string prefix = "")
    {
        using var content = CreateContent(prefix);
        content.Write(path, WeightsFormat.Safetensors);
    }

    /// <inheritdoc cref="Save(string, string)"/>
    /// <summary>Saves the stored weights and the smaller copies to a stream in safetensors.</summary>
    /// <param name="stream">The stream, from where it stands. It need not seek, and stays open.</param>
    /// <param name="prefix">What to put before each name.</param>
    /// <exception cref="IOException">The stream cannot be written.</exception>
    public void Save(Stream stream, string prefix = "")
    {
        using var content = CreateContent(prefix);
        content.Write(stream, WeightsFormat.Safetensors);
    }

    /// <inheritdoc cref="Save(string, string)"/>
    /// <summary>Saves the stored weights and the smaller copies without holding on to the caller's thread.</summary>
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
    /// <summary>Saves the stored weights and the smaller copies to a stream by its asynchronous methods alone.</summary>
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
        ThrowIfChanged();
        var use = Leases.Take();
        QuantizedCluster[] tails = [.. _tails.Select(tail => tail.Stored)];
        var precision = new QuantizationOptions { Head = _head.StoredPrecision, TailOverrides = [.. _tails.Select(tail => tail.StoredPrecision)] };
        return QuantizedContent.Create(Identity, precision, _head.Stored, tails, prefix, use, new CertifiedScreens(_head.Screens, [.. _tails.Select(tail => tail.Screens[0])]));
    }
}
