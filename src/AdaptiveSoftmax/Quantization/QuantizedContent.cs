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
    public static WeightsContent Create(SoftmaxIdentity identity, QuantizationOptions precision, QuantizedCluster head, IReadOnlyList<QuantizedCluster> tails, string prefix, MemoryLease use) => WeightsContent.Fill(content =>
    {
        content.Keep(use);
        var checksums = new SortedDictionary<string, uint>(StringComparer.Ordinal);
        QuantizedMatrix[] matrices = [.. tails.Prepend(head).SelectMany(cluster => cluster.Matrices)];
        foreach (var (weight, matrix) in QuantizedTensors.Weights(identity.Layout, precision).Zip(matrices))
        {
            foreach (var (tensor, part) in QuantizedTensors.Of(weight.Precision, weight.Rows, weight.Columns).Zip(matrix.Parts)) Add(weight.Name, tensor, part);
        }

        if (head.Bias is { } bias) Add("head.bias", new QuantizedTensor("", SafetensorsTypes.Float32, [identity.Layout.HeadRows]), bias);
        content.AddMetadata(IdentityMetadata.Key, IdentityMetadata.From(identity).ToJson());
        content.AddMetadata(QuantizedMetadata.Key, new QuantizedMetadata(precision, checksums).ToJson(tails.Count));

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
