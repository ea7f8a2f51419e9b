using System.Buffers;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.Json;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax;

/// <summary>
/// Writes a <see cref="StatesFile"/> as the states come, in as many calls as one likes and without knowing their number.
/// Hidden vectors go straight to the disk; targets, domains and losses, 4 bytes each, are kept until the end.
/// </summary>
public sealed class StatesWriter
{
    private readonly Stream _stream;
    private readonly StatesWriterOptions _options;
    private readonly CancellationToken _cancellationToken;
    private readonly ArrayBufferWriter<byte> _targets = new(), _domains = new(), _losses = new();
    private byte[] _bytes = [];

    private StatesWriter(Stream stream, int hiddenSize, StatesWriterOptions options, CancellationToken cancellationToken)
    {
        _stream = stream;
        HiddenSize = hiddenSize;
        _options = options;
        _cancellationToken = cancellationToken;
    }

    /// <summary>The hidden size H.</summary>
    public int HiddenSize { get; }

    /// <summary>The number of states so far.</summary>
    public long Count { get; private set; }

    /// <summary>Writes a file, atomically: see <see cref="AtomicFile"/>.</summary>
    /// <param name="path">The file, which is replaced if it exists.</param>
    /// <param name="hiddenSize">The hidden size H, at least 1.</param>
    /// <param name="write">Adds the states.</param>
    /// <param name="options">What else it holds; null for hidden vectors in float32 and targets.</param>
    /// <param name="cancellationToken">Ends it, and leaves a file that was there as it was.</param>
    /// <exception cref="ArgumentException">An option is not as asked.</exception>
    /// <exception cref="InvalidOperationException">No state was added.</exception>
    /// <exception cref="IOException">The file cannot be written, or is a pipe or device.</exception>
    public static void Write(string path, int hiddenSize, Action<StatesWriter> write, StatesWriterOptions? options = null, CancellationToken cancellationToken = default)
    {
        options = Check(hiddenSize, write, options);
        AtomicFile.Write(path, stream =>
        {
            if (!stream.CanSeek) throw new IOException($"'{path}' is a pipe or a device, and the number of states, which is only known at the end, stands at the start of the file; name a regular file, or write to a stream.");
            WriteTo(stream, hiddenSize, write, options, cancellationToken);
        }, cancellationToken);
    }

    /// <inheritdoc cref="Write(string, int, Action{StatesWriter}, StatesWriterOptions, CancellationToken)"/>
    /// <summary>
    /// Writes to a stream, by way of a temporary file: the number of states stands first and is known last. Nothing is written to the
    /// stream before all states are there.
    /// </summary>
    /// <param name="stream">The stream, from where it stands. It need not seek, and stays open.</param>
    /// <param name="hiddenSize">The hidden size H, at least 1.</param>
    /// <param name="write">Adds the states.</param>
    /// <param name="options">What else it holds; null for hidden vectors in float32 and targets.</param>
    /// <param name="cancellationToken">Ends it; the stream may then hold a part.</param>
    /// <exception cref="IOException">The stream or the temporary file cannot be written.</exception>
    public static void Write(Stream stream, int hiddenSize, Action<StatesWriter> write, StatesWriterOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(stream);
        if (!stream.CanWrite) throw new ArgumentException("The stream cannot be written; open it for writing.", nameof(stream));
        options = Check(hiddenSize, write, options);
        using var kept = TemporaryFile.Create();
        WriteTo(kept, hiddenSize, write, options, cancellationToken);
        kept.Position = 0;
        var block = new byte[1 << 20];
        for (int count; (count = kept.Read(block)) > 0;)
        {
            cancellationToken.ThrowIfCancellationRequested();
            stream.Write(block, 0, count);
        }

        stream.Flush();
    }

    private static StatesWriterOptions Check(int hiddenSize, Action<StatesWriter> write, StatesWriterOptions? options)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(hiddenSize, 1);
        ArgumentNullException.ThrowIfNull(write);
        options ??= new StatesWriterOptions();
        if (options.Domains.Contains(null)) throw new ArgumentException("A domain has no name; give each its own.", nameof(options));
        if (options.Domains.Distinct().Count() < options.Domains.Count) throw new ArgumentException("A domain is named twice; give each its own name.", nameof(options));
        if (!Enum.IsDefined(options.Precision)) throw new ArgumentException($"There is no precision {options.Precision}.", nameof(options));
        return options;
    }

    private static void WriteTo(Stream stream, int hiddenSize, Action<StatesWriter> write, StatesWriterOptions options, CancellationToken cancellationToken)
    {
        var writer = new StatesWriter(stream, hiddenSize, options, cancellationToken);
        var header = writer.WriteRoomForHeader();
        write(writer);
        writer.Complete(header);
    }

    /// <summary>Adds states.</summary>
    /// <param name="hidden">The hidden vectors, [n, H].</param>
    /// <param name="targets">The token id that follows each, [n], not negative.</param>
    /// <param name="domains">The domain of each, [n], by its place among the names; empty where there are none.</param>
    /// <param name="losses">The loss of each, [n]; empty where there are none.</param>
    /// <exception cref="ArgumentException">Lengths disagree, or a value is not finite or out of range.</exception>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public void Add(ReadOnlySpan<float> hidden, ReadOnlySpan<int> targets, ReadOnlySpan<int> domains = default, ReadOnlySpan<float> losses = default)
    {
        _cancellationToken.ThrowIfCancellationRequested();
        if (hidden.Length != (long)targets.Length * HiddenSize)
            throw new ArgumentException(FormattableString.Invariant($"There are {hidden.Length} hidden values for {targets.Length} targets; {(long)targets.Length * HiddenSize} are expected."), nameof(hidden));
        CheckLength(domains.Length, _options.Domains.Count > 0, targets.Length, nameof(domains));
        CheckLength(losses.Length, _options.HasLosses, targets.Length, nameof(losses));
        CheckFinite(hidden, HiddenSize, nameof(hidden));
        CheckRange(hidden);
        CheckFinite(losses, 1, nameof(losses));
        foreach (var target in targets)
            if (target < 0) throw new ArgumentException(FormattableString.Invariant($"{target} is no token id; leave rows without a target out."), nameof(targets));
        foreach (var domain in domains)
            if ((uint)domain >= (uint)_options.Domains.Count) throw new ArgumentException(FormattableString.Invariant($"There is no domain {domain} among {_options.Domains.Count} names."), nameof(domains));

        // At most these many values are converted at a time.
        const int Piece = 1 << 16;
        for (var at = 0; at < hidden.Length; at += Piece) _stream.Write(Convert(hidden.Slice(at, Math.Min(Piece, hidden.Length - at))));
        _targets.Write(MemoryMarshal.AsBytes(targets));
        _domains.Write(MemoryMarshal.AsBytes(domains));
        _losses.Write(MemoryMarshal.AsBytes(losses));
        Count += targets.Length;
    }

    private static void CheckLength(int length, bool isExpected, int targets, string name)
    {
        var expected = isExpected ? targets : 0;
        if (length != expected) throw new ArgumentException(FormattableString.Invariant($"There are {length} values for {targets} targets, and {expected} are expected by the file's options."), name);
    }

    // Numbers as long as they can be leave room for those that are written at the end.
    private int WriteRoomForHeader()
    {
        var length = CreateHeader(long.MaxValue / (HiddenSize * (long)sizeof(float)) / 2).Length;
        length = (sizeof(ulong) + length + 63) & ~63;
        _stream.Write(new byte[length]);
        return length;
    }

    private void Complete(int headerLength)
    {
        if (Count == 0) throw new InvalidOperationException("No state was added, so there is no file to write.");
        foreach (var rest in new[] { _targets, _domains, _losses }) _stream.Write(rest.WrittenSpan);
        var header = new byte[headerLength];
        header.AsSpan().Fill((byte)' ');
        BitConverter.TryWriteBytes(header, (ulong)(headerLength - sizeof(ulong)));
        CreateHeader(Count).CopyTo(header, sizeof(ulong));
        _stream.Position = 0;
        _stream.Write(header);
        _stream.Position = _stream.Length;
    }

    private byte[] CreateHeader(long count)
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            WriteMetadata(json);
            var offset = 0L;
            WriteTensor(json, StatesTensors.Hidden, HiddenType, [count, HiddenSize], count * HiddenSize * HiddenBytes, ref offset);
            WriteTensor(json, StatesTensors.Targets, StatesTensors.Int32, [count], count * sizeof(int), ref offset);
            if (_options.Domains.Count > 0) WriteTensor(json, StatesTensors.Domain, StatesTensors.Int32, [count], count * sizeof(int), ref offset);
            if (_options.HasLosses) WriteTensor(json, StatesTensors.Loss, SafetensorsTypes.Float32, [count], count * sizeof(float), ref offset);
            json.WriteEndObject();
        }

        return buffer.ToArray();
    }

    private void WriteMetadata(Utf8JsonWriter json)
    {
        var strings = new SortedDictionary<string, string>(StringComparer.Ordinal);
        foreach (var (key, value) in _options.Metadata) strings.Add(key, value);
        if (_options.Domains.Count > 0) strings[StatesTensors.DomainNames] = JsonSerializer.Serialize(_options.Domains);
        if (strings.Count == 0) return;
        json.WriteStartObject("__metadata__");
        foreach (var (key, value) in strings) json.WriteString(key, value);
        json.WriteEndObject();
    }

    private static void WriteTensor(Utf8JsonWriter json, string name, string type, ReadOnlySpan<long> shape, long bytes, ref long offset)
    {
        json.WriteStartObject(name);
        json.WriteString("dtype", type);
        json.WriteStartArray("shape");
        foreach (var size in shape) json.WriteNumberValue(size);
        json.WriteEndArray();
        json.WriteStartArray("data_offsets");
        json.WriteNumberValue(offset);
        offset += bytes;
        json.WriteNumberValue(offset);
        json.WriteEndArray();
        json.WriteEndObject();
    }

    private string HiddenType => _options.Precision switch
    {
        StatesPrecision.Float32 => SafetensorsTypes.Float32,
        StatesPrecision.Float16 => SafetensorsTypes.Float16,
        _ => SafetensorsTypes.BFloat16,
    };

    private int HiddenBytes => FloatConversion.GetSize(HiddenType);

    private ReadOnlySpan<byte> Convert(ReadOnlySpan<float> values)
    {
        if (_options.Precision == StatesPrecision.Float32) return MemoryMarshal.AsBytes(values);
        if (_bytes.Length < values.Length * sizeof(ushort)) _bytes = new byte[values.Length * sizeof(ushort)];
        var bytes = _bytes.AsSpan(0, values.Length * sizeof(ushort));
        if (_options.Precision == StatesPrecision.Float16) ToHalf(values, MemoryMarshal.Cast<byte, Half>(bytes));
        else ToBFloat16(values, MemoryMarshal.Cast<byte, ushort>(bytes));
        return bytes;
    }

    private static void ToHalf(ReadOnlySpan<float> values, Span<Half> halves)
    {
        for (var i = 0; i < values.Length; i++) halves[i] = (Half)values[i];
    }

    // The upper half of a float32, to the nearest, ties to even.
    private static void ToBFloat16(ReadOnlySpan<float> values, Span<ushort> upper)
    {
        for (var i = 0; i < values.Length; i++)
        {
            var bits = BitConverter.SingleToUInt32Bits(values[i]);
            upper[i] = (ushort)((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
        }
    }

    // Before any of it is written: a caller who leaves out what is refused goes on with the rows behind.
    private void CheckRange(ReadOnlySpan<float> hidden)
    {
        // From the middle between a type's largest value and the next one, if it had it, values round to infinity.
        var (limit, remedy) = _options.Precision switch
        {
            StatesPrecision.Float16 => (65_520f, "float16's range; write the states in bfloat16 or float32"),
            StatesPrecision.BFloat16 => (BitConverter.UInt32BitsToSingle(0x7F7F_8000), "bfloat16's range; write the states in float32"),
            _ => (float.PositiveInfinity, ""),
        };
        foreach (var value in hidden)
            if (MathF.Abs(value) >= limit) throw new ArgumentException($"{value.ToString(CultureInfo.InvariantCulture)} is out of {remedy}.", nameof(hidden));
    }

    private void CheckFinite(ReadOnlySpan<float> values, int columns, string name)
    {
        var at = FiniteValues.IndexOfOther(values);
        if (at >= 0) throw new ArgumentException($"State {(Count + (at / columns)).ToString(CultureInfo.InvariantCulture)} holds {values[at].ToString(CultureInfo.InvariantCulture)}; only finite values can be written.", name);
    }
}
