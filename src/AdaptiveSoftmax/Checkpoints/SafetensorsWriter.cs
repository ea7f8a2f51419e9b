using System.Buffers;
using System.Buffers.Binary;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace AdaptiveSoftmax;

/// <summary>Writes float32 tensors from native memory into a safetensors file of any size.</summary>
public sealed unsafe class SafetensorsWriter
{
    // Data starts at a multiple of this, so that a mapped file can be used in place by wide vector loads.
    private const int Alignment = 64;
    private const int WriteLength = 1 << 24;

    // Names and strings are for people's eyes, so nothing is escaped that JSON does not need escaped.
    private static readonly JsonWriterOptions s_options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private readonly List<Entry> _entries = [];
    private readonly HashSet<string> _names = [];
    private readonly SortedDictionary<string, string> _metadata = new(StringComparer.Ordinal);

    /// <summary>Writes parameters under their own names, atomically: see <see cref="Checkpoint.Save"/>.</summary>
    /// <param name="path">The file, which is replaced if it exists.</param>
    /// <param name="parameters">The parameters, whose names must differ.</param>
    /// <param name="metadata">Strings to save beside them.</param>
    /// <exception cref="ArgumentException">Two parameters have one name.</exception>
    /// <exception cref="IOException">The file cannot be written; a file that was there before is left as it was.</exception>
    public static void Write(string path, IEnumerable<Parameter> parameters, IReadOnlyDictionary<string, string>? metadata = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ArgumentNullException.ThrowIfNull(parameters);
        var writer = new SafetensorsWriter();
        foreach (var parameter in parameters) writer.Add(parameter);
        foreach (var (key, value) in metadata ?? new Dictionary<string, string>()) writer.AddMetadata(key, value);
        AtomicFile.Write(path, writer.WriteTo);
    }

    internal SafetensorsWriter()
    {
    }

    /// <summary>Adds a parameter's values under its name, with a prefix before it.</summary>
    internal void Add(Parameter parameter, string prefix = "") =>
        Add(prefix + parameter.Name, GetShape(parameter), parameter.ValuesPointer, parameter.Count);

    /// <summary>Adds a tensor whose memory must stay as it is until it is written.</summary>
    internal void Add(string name, IReadOnlyList<long> shape, float* values, long count)
    {
        CheckText(name);
        if (name == "__metadata__" || !_names.Add(name))
            throw new ArgumentException($"A file cannot hold two tensors named '{name}'; give every parameter a name of its own.", nameof(name));
        _entries.Add(new Entry(name, shape, values, count));
    }

    /// <summary>Adds a string.</summary>
    internal void AddMetadata(string key, string value)
    {
        CheckText(key);
        CheckText(value);
        _metadata.Add(key, value);
    }

    /// <summary>The shape of a parameter's tensor: [rows, columns], or [rows] for a vector.</summary>
    internal static IReadOnlyList<long> GetShape(Parameter parameter) =>
        parameter.IsVector ? [parameter.Rows] : [parameter.Rows, parameter.Columns];

    /// <summary>Writes header and data.</summary>
    internal void WriteTo(Stream stream)
    {
        var json = WriteHeader();
        var length = sizeof(ulong) + json.WrittenCount;
        var padding = (Alignment - (length % Alignment)) % Alignment;
        json.GetSpan(padding)[..padding].Fill((byte)' ');
        json.Advance(padding);
        if (json.WrittenCount > SafetensorsHeader.MaxLength)
            throw new InvalidOperationException($"The names and strings take {json.WrittenCount} bytes of header, more than the {SafetensorsHeader.MaxLength} that the format allows; save fewer strings.");
        Span<byte> prefix = stackalloc byte[sizeof(ulong)];
        BinaryPrimitives.WriteUInt64LittleEndian(prefix, (ulong)json.WrittenCount);
        stream.Write(prefix);
        stream.Write(json.WrittenSpan);
        foreach (var entry in _entries)
        {
            var bytes = entry.Count * sizeof(float);
            for (var done = 0L; done < bytes; done += WriteLength)
                stream.Write(new ReadOnlySpan<byte>((byte*)entry.Values + done, (int)Math.Min(WriteLength, bytes - done)));
        }
    }

    private ArrayBufferWriter<byte> WriteHeader()
    {
        var buffer = new ArrayBufferWriter<byte>();
        using var json = new Utf8JsonWriter(buffer, s_options);
        json.WriteStartObject();
        if (_metadata.Count > 0)
        {
            json.WriteStartObject("__metadata__");
            foreach (var (key, value) in _metadata) json.WriteString(key, value);
            json.WriteEndObject();
        }

        var offset = 0L;
        foreach (var entry in _entries)
        {
            json.WriteStartObject(entry.Name);
            json.WriteString("dtype", SafetensorsTypes.Float32);
            json.WriteStartArray("shape");
            foreach (var size in entry.Shape) json.WriteNumberValue(size);
            json.WriteEndArray();
            json.WriteStartArray("data_offsets");
            json.WriteNumberValue(offset);
            offset += entry.Count * sizeof(float);
            json.WriteNumberValue(offset);
            json.WriteEndArray();
            json.WriteEndObject();
        }

        json.WriteEndObject();
        json.Flush();
        return buffer;
    }

    // Half a surrogate pair has no UTF-8, so it would come back as another string.
    private static void CheckText(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        for (var i = 0; i < text.Length; i++)
        {
            if (!char.IsSurrogate(text[i])) continue;
            if (!char.IsSurrogatePair(text, i))
                throw new ArgumentException($"The string holds half a surrogate pair at index {i}, which UTF-8 cannot carry; encode such data, for example as Base64.", nameof(text));
            i++;
        }
    }

    private readonly struct Entry(string name, IReadOnlyList<long> shape, float* values, long count)
    {
        public string Name { get; } = name;

        public IReadOnlyList<long> Shape { get; } = shape;

        public float* Values { get; } = values;

        public long Count { get; } = count;
    }
}
