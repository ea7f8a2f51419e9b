namespace AdaptiveSoftmax;

// Weights from the output layer of somebody else's model.
public abstract partial class AdaptiveSoftmaxLayer
{
    /// <summary>
    /// Takes over the output layer of a model, whose rows stand by token id, into a full softmax (<c>"softmax": "full"</c>), in
    /// float32, to be trained on. Rows that are no token's, as models have them for round sizes, are left out. If this throws,
    /// the weights are as they were. To decode alone, <c>LoadHead</c> keeps the values as they are stored, in half the memory.
    /// </summary>
    /// <param name="path">The model: a file, an index, or the folder of a Hugging Face checkpoint; only the output layer is read.</param>
    /// <param name="tensorName">The whole name of its weight, [rows, hidden]; null to look for the usual ones behind any prefix.</param>
    /// <param name="cancellationToken">Ends it, and leaves the weights as they were.</param>
    /// <returns>What was found.</returns>
    /// <exception cref="CheckpointMismatchException">The head has too few rows, another hidden size, or a bias that the class has not.</exception>
    /// <exception cref="WeightsFormatException">The file is damaged, has no output layer or several, or a value is not finite.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public DenseHead RestoreHead(string path, string? tensorName = null, CancellationToken cancellationToken = default)
    {
        ThrowIfDisposed();
        using var file = WeightsFile.Open(path);
        return RestoreHead(file, tensorName, cancellationToken);
    }

    /// <inheritdoc cref="RestoreHead(string, string, CancellationToken)"/>
    /// <param name="stream">The model, in one file, from where the stream stands to its end. It stays open; one that cannot seek is read into a temporary file.</param>
    /// <param name="tensorName">The whole name of its weight, [rows, hidden]; null to look for the usual ones behind any prefix.</param>
    /// <param name="cancellationToken">Ends it, and leaves the weights as they were.</param>
    /// <exception cref="IOException">The stream cannot be read.</exception>
    public DenseHead RestoreHead(Stream stream, string? tensorName = null, CancellationToken cancellationToken = default)
    {
        ThrowIfDisposed();
        using var file = WeightsFile.Open(stream);
        return RestoreHead(file, tensorName, cancellationToken);
    }

    private DenseHead RestoreHead(WeightsFile file, string? tensorName, CancellationToken cancellationToken)
    {
        var head = DenseHead.Find(file, tensorName);
        RestoreHead(file, head, TokenOf, cancellationToken);
        return head;
    }

    /// <summary>Takes over a head whose tokens are those that the caller says.</summary>
    internal unsafe void RestoreHead(WeightsFile file, DenseHead head, Func<int, int> tokenOf, CancellationToken cancellationToken)
    {
        var reader = new DenseHeadReader(file, head, Layout, tokenOf);
        using var weight = new NativeFloats(_head.Weight.Count);
        using var bias = new NativeFloats(_head.Bias?.Count ?? 0);
        reader.ReadWeight((slot, values, _) => new ReadOnlySpan<float>(values, Layout.HiddenSize).CopyTo(new Span<float>(weight.Pointer + ((long)slot * Layout.HiddenSize), Layout.HiddenSize)), cancellationToken);
        if (_head.Bias is not null) reader.ReadBias(bias.Pointer);
        using var use = Leases.Take();
        Commit(_head.Weight, weight);
        if (_head.Bias is not null) Commit(_head.Bias, bias);
        Migrations = null;

        static void Commit(Parameter parameter, NativeFloats values)
        {
            parameter.MarkChanged();
            Buffer.MemoryCopy(values.Pointer, parameter.KeptValuesPointer, parameter.Count * sizeof(float), parameter.Count * sizeof(float));
            parameter.ClearGradient();
        }
    }
}
