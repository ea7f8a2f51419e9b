using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax;

/// <summary>Writes what drafts with a vocabulary of their own are made of.</summary>
public static unsafe class DraftFile
{
    /// <summary>The rows of the draft's output layer, [draft tokens, hidden].</summary>
    public const string HeadWeight = "lm_head.weight";

    private const string HeadBias = "lm_head.bias";

    /// <summary>
    /// Writes both maps, and the rows of the target's output layer for the draft's tokens, in the precision that they are stored
    /// in: safetensors, atomically.
    /// </summary>
    /// <param name="path">The file, which is replaced if it exists.</param>
    /// <param name="vocabulary">The draft's tokens.</param>
    /// <param name="model">The target's weights; null to write the maps alone.</param>
    /// <param name="head">The output layer among them; null with no model.</param>
    /// <param name="progress">Hears how many rows are read; null for nobody.</param>
    /// <param name="cancellationToken">Leaves a file that was there as it was.</param>
    /// <exception cref="CheckpointMismatchException">The output layer has no row for a token, or another number of rows than the maps say.</exception>
    /// <exception cref="WeightsFormatException">A row holds a value that is not finite, or the weights are damaged.</exception>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public static void Write(string path, DraftVocabulary vocabulary, WeightsFile? model = null, DenseHead? head = null, Action<int>? progress = null, CancellationToken cancellationToken = default) =>
        WithContent(vocabulary, model, head, progress, content => content.Write(path, WeightsFormat.Safetensors, cancellationToken), cancellationToken);

    /// <inheritdoc cref="Write(string, DraftVocabulary, WeightsFile?, DenseHead?, Action{int}?, CancellationToken)"/>
    /// <summary>Writes both maps, and the rows of the target's output layer for the draft's tokens, to a stream, in safetensors.</summary>
    /// <param name="stream">The stream, from where it stands. It need not seek, and stays open.</param>
    /// <param name="vocabulary">The draft's tokens.</param>
    /// <param name="model">The target's weights; null to write the maps alone.</param>
    /// <param name="head">The output layer among them; null with no model.</param>
    /// <param name="progress">Hears how many rows are read; null for nobody.</param>
    /// <param name="cancellationToken">Ends it before the stream is written.</param>
    /// <exception cref="IOException">The stream cannot be written.</exception>
    public static void Write(Stream stream, DraftVocabulary vocabulary, WeightsFile? model = null, DenseHead? head = null, Action<int>? progress = null, CancellationToken cancellationToken = default) =>
        WithContent(vocabulary, model, head, progress, content => content.Write(stream, WeightsFormat.Safetensors), cancellationToken);

    private static void WithContent(DraftVocabulary vocabulary, WeightsFile? model, DenseHead? head, Action<int>? progress, Action<WeightsContent> write, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(vocabulary);
        if (model is null != head is null) throw new ArgumentException("Give weights and the output layer among them, or neither.", nameof(head));
        var (offsets, isKnown) = (new long[vocabulary.Count], new byte[vocabulary.TargetSize]);
        for (var i = 0; i < offsets.Length; i++)
        {
            offsets[i] = vocabulary.Tokens[i] - i;
            isKnown[vocabulary.Tokens[i]] = 1;
        }

        using var rows = head is null ? null : new DraftRows(model!, head, vocabulary, progress, cancellationToken);
        fixed (long* toTarget = offsets)
        {
            fixed (byte* fromTarget = isKnown)
            {
                using var content = new WeightsContent();
                if (rows is not null) content.Add(HeadWeight, rows.Type, [vocabulary.Count, head!.HiddenSize], rows.Weight.Pointer, (long)vocabulary.Count * head.HiddenSize);
                if (rows?.Bias is { } bias) content.Add(HeadBias, [vocabulary.Count], bias.Pointer, vocabulary.Count);
                content.Add(DraftVocabulary.ToTarget, "I64", [vocabulary.Count], toTarget, vocabulary.Count);
                content.Add(DraftVocabulary.FromTarget, "BOOL", [vocabulary.TargetSize], fromTarget, vocabulary.TargetSize);
                content.AddMetadata("format", "pt");
                content.AddMetadata(vocabulary.Metadata.Key, vocabulary.Metadata.Json);
                write(content);
            }
        }
    }

    /// <summary>Writes the ids of the draft's tokens as <c>torch.save</c> writes a tensor of int64, which is SGLang's <c>--speculative-token-map</c>.</summary>
    /// <param name="path">The file, which is replaced if it exists.</param>
    /// <param name="vocabulary">The draft's tokens.</param>
    /// <param name="cancellationToken">Leaves a file that was there as it was.</param>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public static void WriteTokenMap(string path, DraftVocabulary vocabulary, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ArgumentNullException.ThrowIfNull(vocabulary);
        var ids = new long[vocabulary.Count];
        for (var i = 0; i < ids.Length; i++) ids[i] = vocabulary.Tokens[i];
        AtomicFile.Write(
            path,
            stream =>
            {
                fixed (long* values = ids)
                    PyTorchWriter.WriteTensorTo(stream, new WeightsContent.Entry("ids", "I64", [ids.Length], values, ids.Length), cancellationToken);
            },
            cancellationToken);
    }
}
