using System.Runtime.InteropServices;

namespace AdaptiveSoftmax;

/// <summary>The weights of an exported model as tensors of its graph: with their values, or with a place in a file beside it.</summary>
internal sealed class OnnxWeights
{
    // Pages of memory, so that a runtime may map each tensor.
    private const int Alignment = 4096;
    private const int RawDataField = 9;
    private const int ExternalDataField = 13;
    private const int LocationField = 14;
    private const int ExternalLocation = 1;

    private readonly IReadOnlyList<WeightsContent.Entry> _tensors;
    private readonly string? _fileName;

    /// <param name="tensors">The tensors.</param>
    /// <param name="fileName">The name of the file beside the model; null for one file.</param>
    public OnnxWeights(IReadOnlyList<WeightsContent.Entry> tensors, string? fileName) => (_tensors, _fileName) = (tensors, fileName);

    /// <summary>Adds all tensors to the main graph, where graphs inside it see them.</summary>
    public void AddTo(OnnxGraph graph)
    {
        var offset = 0L;
        foreach (var tensor in _tensors)
        {
            var start = offset;
            graph.AddInitializer(tensor.Name, OnnxType.Float, tensor.Shape, message =>
            {
                if (_fileName is null) message.Add(RawDataField, tensor);
                else AddPlace(message, start, tensor.ByteCount);
            });
            offset = Align(offset + tensor.ByteCount);
        }
    }

    /// <summary>Writes the file beside the model.</summary>
    public void WriteTo(Stream stream, Action<long>? written, CancellationToken cancellationToken) => ForEachChunk(
        stream.Write,
        chunk =>
        {
            stream.Write(chunk);
            written?.Invoke(chunk.Length);
        },
        cancellationToken);

    /// <summary>The checksum of the file beside the model.</summary>
    public uint Checksum(CancellationToken cancellationToken)
    {
        var crc = 0u;
        ForEachChunk(Take, Take, cancellationToken);
        return crc;

        void Take(ReadOnlySpan<byte> chunk) => crc = Crc32C.Append(crc, chunk);
    }

    /// <summary>The bytes of all values.</summary>
    public long ByteCount => _tensors.Sum(tensor => tensor.ByteCount);

    /// <summary>Adds a tensor of whole numbers with its values.</summary>
    public static string AddNumbers(OnnxGraph graph, string name, params ReadOnlySpan<long> values)
    {
        var bytes = MemoryMarshal.AsBytes(values).ToArray();
        return graph.AddInitializer(name, OnnxType.Int64, [values.Length], message => message.Add(RawDataField, bytes));
    }

    /// <summary>Adds one float with its value.</summary>
    public static string AddFloat(OnnxGraph graph, string name, float value) =>
        graph.AddInitializer(name, OnnxType.Float, [], message => message.Add(RawDataField, BitConverter.GetBytes(value)));

    private void ForEachChunk(WeightsContent.TakeChunk padding, WeightsContent.TakeChunk values, CancellationToken cancellationToken)
    {
        var offset = 0L;
        foreach (var tensor in _tensors)
        {
            padding(new byte[Align(offset) - offset]);
            tensor.ForEachChunk(values, cancellationToken);
            offset = Align(offset) + tensor.ByteCount;
        }
    }

    private void AddPlace(ProtobufMessage message, long offset, long length)
    {
        AddPair("location", _fileName!);
        AddPair("offset", offset.ToString(System.Globalization.CultureInfo.InvariantCulture));
        AddPair("length", length.ToString(System.Globalization.CultureInfo.InvariantCulture));
        message.Add(LocationField, ExternalLocation);

        void AddPair(string key, string value) => message.Add(ExternalDataField, new ProtobufMessage().Add(1, key).Add(2, value));
    }

    private static long Align(long offset) => (offset + Alignment - 1) / Alignment * Alignment;
}
