using System.Buffers;
using System.Buffers.Binary;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace AdaptiveSoftmax;

/// <summary>Writes float32 tensors from native memory into a safetensors file of any size.</summary>
public static class SafetensorsWriter
{
    // Data starts at a multiple of this, so that a mapped file can be used in place by wide vector loads.
    private const int Alignment = 64;

    // Names and strings are for people's eyes, so nothing is escaped that JSON does not need escaped.
    private static readonly JsonWriterOptions s_options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Writes parameters under their own names, atomically: see <see cref="Vocabulary.AtomicFile"/>.</summary>
    /// <param name="path">The file, which is replaced if it exists.</param>
    /// <param name="parameters">The parameters, whose names must differ.</param>
    /// <param name="metadata">Strings to save beside them.</param>
    /// <exception cref="ArgumentException">Two parameters have one name.</exception>
    /// <exception cref="IOException">The file cannot be written; a file that was there before is left as it was.</exception>
    public static void Write(string path, IEnumerable<Parameter> parameters, IReadOnlyDictionary<string, string>? metadata = null)
    {
        using var content = WeightsContent.From(parameters, metadata);
        content.Write(path, WeightsFormat.Safetensors);
    }

    /// <summary>Writes parameters under their own names to a stream, from where it stands. The stream stays open.</summary>
    /// <param name="stream">The stream, which need not seek.</param>
    /// <param name="parameters">The parameters, whose names must differ.</param>
    /// <param name="metadata">Strings to save beside them.</param>
    /// <exception cref="ArgumentException">Two parameters have one name, or the stream cannot be written.</exception>
    /// <exception cref="IOException">The stream cannot be written.</exception>
    public static void Write(Stream stream, IEnumerable<Parameter> parameters, IReadOnlyDictionary<string, string>? metadata = null)
    {
        using var content = WeightsContent.From(parameters, metadata);
        content.Write(stream, WeightsFormat.Safetensors);
    }

    /// <summary>Writes header and data.</summary>
    internal static void WriteTo(Stream stream, WeightsContent content, CancellationToken cancellationToken = default)
    {
        stream.Write(CreateHeader(content));
        foreach (var entry in InFile(content)) entry.ForEachChunk(stream.Write, cancellationToken);
    }

    /// <summary>All that stands before the data.</summary>
    internal static byte[] CreateHeader(WeightsContent content)
    {
        var json = WriteHeader(content);
        var length = sizeof(ulong) + json.WrittenCount;
        var padding = (Alignment - (length % Alignment)) % Alignment;
        json.GetSpan(padding)[..padding].Fill((byte)' ');
        json.Advance(padding);
        if (json.WrittenCount > SafetensorsHeader.MaxLength)
            throw new InvalidOperationException(FormattableString.Invariant($"The names and strings take {json.WrittenCount} bytes of header, more than the {SafetensorsHeader.MaxLength} that the format allows; save fewer strings."));
        var header = new byte[sizeof(ulong) + json.WrittenCount];
        BinaryPrimitives.WriteUInt64LittleEndian(header, (ulong)json.WrittenCount);
        json.WrittenSpan.CopyTo(header.AsSpan(sizeof(ulong)));
        return header;
    }

    // A file may have no gaps, so tensors of whole cache lines come first: these all begin with one, as large matrices do.
    // The rest follow by the size of their values, each at a multiple of its own.
    private static IEnumerable<WeightsContent.Entry> InFile(WeightsContent content) => content.Entries
        .OrderByDescending(entry => entry.ByteCount > 0 && entry.ByteCount % Alignment == 0 ? int.MaxValue : SafetensorsTypes.FindBits(entry.Type));

    // The header keeps the order that they were added in.
    internal static List<(WeightsContent.Entry Entry, long Offset)> Place(WeightsContent content)
    {
        var (offsets, offset) = (new Dictionary<string, long>(), 0L);
        foreach (var entry in InFile(content))
        {
            offsets.Add(entry.Name, offset);
            offset += entry.ByteCount;
        }

        return [.. content.Entries.Select(entry => (entry, offsets[entry.Name]))];
    }

    private static ArrayBufferWriter<byte> WriteHeader(WeightsContent content)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using var json = new Utf8JsonWriter(buffer, s_options);
        json.WriteStartObject();
        if (content.Metadata.Count > 0)
        {
            json.WriteStartObject("__metadata__");
            foreach (var (key, value) in content.Metadata) json.WriteString(key, value);
            json.WriteEndObject();
        }

        foreach (var (entry, offset) in Place(content))
        {
            json.WriteStartObject(entry.Name);
            json.WriteString("dtype", entry.Type);
            json.WriteStartArray("shape");
            foreach (var size in entry.Shape) json.WriteNumberValue(size);
            json.WriteEndArray();
            json.WriteStartArray("data_offsets");
            json.WriteNumberValue(offset);
            json.WriteNumberValue(offset + entry.ByteCount);
            json.WriteEndArray();
            json.WriteEndObject();
        }

        json.WriteEndObject();
        json.Flush();
        return buffer;
    }
}
