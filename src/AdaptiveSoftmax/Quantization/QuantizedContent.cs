namespace AdaptiveSoftmax;

/// <summary>Small weights as the content of a file.</summary>
internal static unsafe class QuantizedContent
{
    private const int ChunkLength = 1 << 30;

    /// <summary>Head and tails with their identity; the caller keeps their memory until it is written.</summary>
    /// <param name="identity">The sizes and the vocabulary.</param>
    /// <param name="precision">The precisions.</param>
    /// <param name="head">The head.</param>
    /// <param name="tails">The tails in slot order.</param>
    /// <param name="prefix">What to put before each name.</param>
    /// <param name="use">Keeps the memory; disposed with the content.</param>
    /// <param name="screens">The copies of a certified decoder, if they are saved as well.</param>
    public static WeightsContent Create(
        SoftmaxIdentity identity,
        QuantizationOptions precision,
        QuantizedCluster head,
        IReadOnlyList<QuantizedCluster> tails,
        string prefix,
        MemoryLease use,
        CertifiedScreens? screens = null) => WeightsContent.Fill(content =>
    {
        content.Keep(use);
        var checksums = new SortedDictionary<string, uint>(StringComparer.Ordinal);
        QuantizedMatrix[] matrices = [.. tails.Prepend(head).SelectMany(cluster => cluster.Matrices)];
        foreach (var (weight, matrix) in QuantizedTensors.Weights(identity.Layout, precision).Zip(matrices))
        {
            foreach (var (tensor, part) in QuantizedTensors.Of(weight.Precision, weight.Rows, weight.Columns).Zip(matrix.Parts)) Add(weight.Name, tensor, part);
        }

        if (head.Bias is { } bias) Add("head.bias", new QuantizedTensor("", SafetensorsTypes.Float32, [identity.Layout.HeadRows]), bias);
        var norms = new SortedDictionary<string, double>(StringComparer.Ordinal);
        if (screens is not null)
        {
            IReadOnlyList<RowScreen>[] clusters = [screens.Head, .. screens.Tails.Select(screen => new[] { screen })];
            foreach (var (weight, copies) in QuantizedTensors.Screened(identity.Layout).Zip(clusters))
            {
                foreach (var copy in copies)
                {
                    var tensors = QuantizedTensors.OfScreen(copy.Precision, weight.Rows, weight.Columns);
                    norms.Add(weight.Name + tensors[0].Suffix, copy.Errors.LargestNorm);
                    foreach (var (tensor, part) in tensors.Zip(copy.Parts)) Add(weight.Name, tensor, part);
                }
            }
        }

        content.AddMetadata(IdentityMetadata.Key, IdentityMetadata.From(identity).ToJson());
        content.AddMetadata(QuantizedMetadata.Key, new QuantizedMetadata(precision, checksums)
        {
            Screens = screens is null ? null : new ScreensMetadata([.. screens.Head.Select(screen => screen.Precision)], norms),
        }.ToJson(tails.Count));

        void Add(string weight, QuantizedTensor tensor, NativeFloats part)
        {
            content.Add(prefix + weight + tensor.Suffix, tensor.Type, tensor.Shape, part.Pointer, tensor.Count);
            checksums.Add(weight + tensor.Suffix, Checksum(part, tensor.ByteCount));
        }
    });

    /// <summary>The checksum of a tensor in memory.</summary>
    public static uint Checksum(NativeFloats part, long bytes)
    {
        var checksum = 0u;
        for (var done = 0L; done < bytes; done += ChunkLength)
            checksum = Crc32C.Append(checksum, new ReadOnlySpan<byte>((byte*)part.Pointer + done, (int)Math.Min(ChunkLength, bytes - done)));
        return checksum;
    }
}
