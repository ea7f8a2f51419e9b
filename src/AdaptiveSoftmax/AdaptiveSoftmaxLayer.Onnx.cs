namespace AdaptiveSoftmax;

// Export to other runtimes.
public abstract partial class AdaptiveSoftmaxLayer
{
    /// <summary>
    /// Writes the softmax as an ONNX model, which takes <c>hidden</c> [tokens, hidden size] of float32 for any number of tokens.
    /// Operators are those of opset 13; the vocabulary's fingerprint is in the model's metadata.
    /// </summary>
    /// <remarks>
    /// The weights are in the model up to the 2 GB that a file of ONNX may have, and past that in one beside it, named after the
    /// model and its own checksum, which must stay in the model's folder. Each file is replaced only by a complete one, and of the
    /// weights' name only what holds the same.
    /// </remarks>
    /// <param name="path">The model's file.</param>
    /// <param name="output">What the model computes.</param>
    /// <param name="externalData">Whether the weights go to a file beside the model whatever their size.</param>
    /// <param name="progress">Hears how many more bytes of weights are written, in all <c>Layout.ParameterBytes</c>; null for nobody.</param>
    /// <param name="cancellationToken">Ends it, and leaves a model that was there as it was.</param>
    /// <returns>The files that were written, the model first.</returns>
    /// <exception cref="ArgumentOutOfRangeException">There is no such output.</exception>
    /// <exception cref="DecodeException">A weight is not finite.</exception>
    /// <exception cref="IOException">A file cannot be written, or one of the weights' name holds something else.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    /// <exception cref="ObjectDisposedException">The layer is disposed.</exception>
    public IReadOnlyList<string> ExportOnnx(string path, OnnxOutput output = OnnxOutput.Greedy, bool externalData = false, Action<long>? progress = null, CancellationToken cancellationToken = default) =>
        ExportOnnx(path, output, externalData, OnnxFile.MaximumModelLength, progress, cancellationToken);

    /// <summary>Exports with another limit of one file.</summary>
    internal IReadOnlyList<string> ExportOnnx(string path, OnnxOutput output, bool externalData, long maximumLength, Action<long>? progress, CancellationToken cancellationToken)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        if (output is not (OnnxOutput.Greedy or OnnxOutput.LogProbs)) throw new ArgumentOutOfRangeException(nameof(output), output, "There is no such output of an ONNX model.");
        using var use = Leases.Take();
        CheckFiniteWeights();
        using var content = WeightsContent.From(Parameters, metadata: null);
        var ids = new long[Layout.VocabularySize];
        for (var slot = 0; slot < ids.Length; slot++) ids[slot] = TokenOf(slot);
        return OnnxFile.Write(path, Identity, ids, output, content.Entries, externalData, maximumLength, progress, cancellationToken);
    }
}
