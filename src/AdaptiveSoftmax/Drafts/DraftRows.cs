using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax;

/// <summary>The rows of an output layer for some tokens, as they are stored.</summary>
internal sealed unsafe class DraftRows : IDisposable
{
    private const int RowsPerReport = 256;

    /// <summary>Reads the rows.</summary>
    /// <exception cref="CheckpointMismatchException">The output layer has no row for a token, or another number of rows than the maps say.</exception>
    /// <exception cref="WeightsFormatException">A row holds a value that is not finite, or the file is damaged.</exception>
    public DraftRows(WeightsFile model, DenseHead head, DraftVocabulary vocabulary, Action<int>? progress, CancellationToken cancellationToken)
    {
        if (head.Rows != vocabulary.TargetSize)
        {
            throw new CheckpointMismatchException(
                model.FileName,
                [FormattableString.Invariant($"'{Excerpt.Name(head.Weight.Name)}' has {head.Rows} rows, and the maps are of a target with {vocabulary.TargetSize}")],
                "Make the maps with the number of rows of this output layer.");
        }

        // A dense softmax over these tokens alone.
        var layout = SoftmaxLayout.CreateFull(head.HiddenSize, vocabulary.Count, head.Bias is not null, head.LogitScale ?? 1, head.LogitSoftCap ?? double.PositiveInfinity);
        var reader = new DenseHeadReader(model, head, layout, number => vocabulary.Tokens[number]);
        Type = reader.Precision switch
        {
            WeightPrecision.BFloat16 => SafetensorsTypes.BFloat16,
            WeightPrecision.Float16 => SafetensorsTypes.Float16,
            _ => SafetensorsTypes.Float32,
        };
        var rowBytes = (long)head.HiddenSize * SafetensorsTypes.FindBits(Type) / 8;
        Weight = new NativeFloats(((rowBytes * vocabulary.Count) + sizeof(float) - 1) / sizeof(float));
        try
        {
            var read = 0;
            reader.ReadWeight(
                (number, values, stored) =>
                {
                    // What is wider than float32 is kept as that.
                    if (stored.Length != rowBytes) stored = new ReadOnlySpan<byte>(values, (int)rowBytes);
                    stored.CopyTo(new Span<byte>((byte*)Weight.Pointer + (number * rowBytes), (int)rowBytes));
                    if (++read % RowsPerReport == 0 || read == vocabulary.Count) progress?.Invoke(read);
                },
                cancellationToken);
            if (head.Bias is null) return;
            Bias = new NativeFloats(vocabulary.Count);
            reader.ReadBias(Bias.Pointer);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>The type of the rows, as safetensors names it.</summary>
    public string Type { get; }

    /// <summary>The rows, [tokens, hidden] of that type.</summary>
    public NativeFloats Weight { get; }

    /// <summary>The bias in float32, [tokens]; null where there is none.</summary>
    public NativeFloats? Bias { get; }

    public void Dispose()
    {
        Weight.Dispose();
        Bias?.Dispose();
    }
}
