using System.Globalization;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax;

/// <summary>Writes a softmax as an ONNX model.</summary>
internal static class OnnxFile
{
    /// <summary>What a message of protocol buffers may take.</summary>
    public const long MaximumModelLength = int.MaxValue;

    private const int IrVersion = 7;
    private const int Opset = 13;
    private const string Producer = "AdaptiveSoftmax";

    /// <summary>Whether a file begins as those do that are written here.</summary>
    public static bool IsOwn(string path)
    {
        using var expected = new MemoryStream();
        CreateStart().WriteTo(expected, null, CancellationToken.None);
        var start = expected.ToArray();
        var found = new byte[start.Length];
        using var file = File.OpenRead(path);
        return file.ReadAtLeast(found, found.Length, throwOnEndOfStream: false) == found.Length && found.AsSpan().SequenceEqual(start);
    }

    /// <summary>Writes the model, and beside it the file of its weights where it has one.</summary>
    /// <param name="path">The model.</param>
    /// <param name="identity">The sizes and the vocabulary.</param>
    /// <param name="ids">The token ids by slot.</param>
    /// <param name="output">What the model computes.</param>
    /// <param name="tensors">The weights under PyTorch's names.</param>
    /// <param name="isExternal">Whether weights go to a file beside the model in any case.</param>
    /// <param name="maximumLength">The most bytes that a model may take before its weights go to a file beside it.</param>
    /// <param name="written">Hears of bytes of weights that are written.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <returns>The files, the model first.</returns>
    public static IReadOnlyList<string> Write(
        string path, SoftmaxIdentity identity, long[] ids, OnnxOutput output, IReadOnlyList<WeightsContent.Entry> tensors, bool isExternal, long maximumLength, Action<long>? written, CancellationToken cancellationToken)
    {
        var model = isExternal ? null : CreateModel(identity, ids, output, new OnnxWeights(tensors, fileName: null));
        if (model?.Length <= maximumLength)
        {
            AtomicFile.Write(path, stream => model.WriteTo(stream, written, cancellationToken), cancellationToken);
            return [path];
        }

        if (WriteTarget.Find(path).IsStream)
            throw new IOException(FormattableString.Invariant($"'{Excerpt.Line(path)}' is a device or a pipe, beside which no file with the weights can stand{(isExternal ? "" : FormattableString.Invariant($", and a model of {model!.Length} bytes is more than the {maximumLength} of one file"))}; name a file."));

        // Where links lead, since that is where the model will be. The name tells the values, so that no model ever meets those of
        // another, whenever writing ends.
        var target = WriteTarget.Find(path).Path;
        var checksum = new OnnxWeights(tensors, fileName: null).Checksum(cancellationToken);
        var fileName = string.Create(CultureInfo.InvariantCulture, $"{Path.GetFileName(target)}.{checksum:x8}.data");
        var data = Path.Combine(Path.GetDirectoryName(target)!, fileName);
        var weights = new OnnxWeights(tensors, fileName);
        if (!File.Exists(data)) AtomicFile.Write(data, stream => weights.WriteTo(stream, written, cancellationToken), cancellationToken);
        else if (Checksum(data, cancellationToken) == checksum) written?.Invoke(weights.ByteCount);
        else throw new IOException($"'{Excerpt.Line(data)}', where the weights of this model belong, is there and holds something else; move it away, or give the model another name.");
        AtomicFile.Write(path, stream => CreateModel(identity, ids, output, weights).WriteTo(stream, null, cancellationToken), cancellationToken);
        return [path, data];
    }

    private static uint Checksum(string path, CancellationToken cancellationToken)
    {
        var (crc, buffer) = (0u, new byte[1 << 20]);
        using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0);
        for (var count = Read(); count > 0; count = Read())
        {
            cancellationToken.ThrowIfCancellationRequested();
            crc = Crc32C.Append(crc, buffer.AsSpan(0, count));
        }

        return crc;

        int Read() => file.ReadAtLeast(buffer, buffer.Length, throwOnEndOfStream: false);
    }

    private static ProtobufMessage CreateModel(SoftmaxIdentity identity, long[] ids, OnnxOutput output, OnnxWeights weights)
    {
        var opset = new ProtobufMessage().Add(1, "").Add(2, Opset);
        var mark = new ProtobufMessage().Add(1, IdentityMetadata.Key).Add(2, IdentityMetadata.From(identity).ToJson());
        return CreateStart()
            .Add(7, OnnxSoftmax.Create(identity.Layout, ids, output, weights).Message)
            .Add(8, opset)
            .Add(14, mark);
    }

    private static ProtobufMessage CreateStart() => new ProtobufMessage().Add(1, IrVersion).Add(2, Producer);
}
