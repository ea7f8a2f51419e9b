using System.Buffers.Binary;
using System.Text.Json;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax;

/// <summary>
/// The JSON header of a safetensors file: reading it trusts nothing, neither sizes nor offsets nor text, and takes no more
/// memory than what it says.
/// </summary>
internal sealed class SafetensorsHeader
{
    /// <summary>The largest header that the format allows, in bytes.</summary>
    public const int MaxLength = 100_000_000;

    private const string NotSafetensors = "Check that it is a safetensors file, and copy or save it again.";
    private const string Broken = "The file is damaged or was written by a faulty program; copy or save it again.";
    private const string CutShort = "The file is cut short; copy or save it again.";

    private const int KindWindow = 1 << 16;

    // What a header of the same names can be escaped to.
    private const int MaxNameBytes = 6 * WeightsLimits.NameLength;

    private readonly string _file;
    private readonly List<SafetensorsTensor> _ordered = [];

    private SafetensorsHeader(string file) => _file = file;

    /// <summary>The caller's strings, the header's <c>__metadata__</c>.</summary>
    public Dictionary<string, string> Metadata { get; } = [];

    /// <summary>The tensors by name.</summary>
    public Dictionary<string, SafetensorsTensor> Tensors { get; } = [];

    /// <summary>The tensors in the order of their data.</summary>
    public IReadOnlyList<SafetensorsTensor> Ordered => _ordered;

    /// <summary>The first byte of the data.</summary>
    public long DataStart { get; private init; }

    /// <summary>Reads and checks the header of a file.</summary>
    /// <exception cref="SafetensorsFormatException">Anything in it is not as the format says.</exception>
    public static SafetensorsHeader Read(WeightsBytes bytes)
    {
        var length = ReadLength(bytes);
        var header = new SafetensorsHeader(bytes.Name) { DataStart = sizeof(ulong) + length };
        try
        {
            header.ReadMembers(new JsonBytes(bytes, sizeof(ulong), length));
        }
        catch (InvalidDataException exception)
        {
            throw new SafetensorsFormatException(bytes.Name, null, $"The header cannot be read: {Excerpt.Message(exception.Message)}", NotSafetensors, exception);
        }
        catch (EndOfStreamException exception)
        {
            throw new SafetensorsFormatException(bytes.Name, null, "It ends before its header does.", CutShort, exception);
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException)
        {
            // The reader throws the second for an escape that is half a character.
            throw new SafetensorsFormatException(bytes.Name, null, $"The header is not valid JSON: {Excerpt.Message(exception.Message)}", NotSafetensors, exception);
        }

        header.CheckOffsets(bytes.Length - header.DataStart);
        return header;
    }

    private static int ReadLength(WeightsBytes bytes)
    {
        Span<byte> prefix = stackalloc byte[sizeof(ulong)];
        if (bytes.Length < prefix.Length || bytes.ReadAtLeast(prefix, 0) < prefix.Length)
            throw new SafetensorsFormatException(bytes.Name, null, $"It has {bytes.Length} bytes, fewer than the 8 of the header's length.", CutShort);
        var length = BinaryPrimitives.ReadUInt64LittleEndian(prefix);
        if (length > MaxLength || (long)length > bytes.Length - sizeof(ulong))
            CheckKind(bytes);
        if (length > MaxLength)
            throw new SafetensorsFormatException(bytes.Name, null, $"The first 8 bytes give a header of {length} bytes, more than the {MaxLength} that the format allows.", NotSafetensors);
        if ((long)length > bytes.Length - sizeof(ulong))
            throw new SafetensorsFormatException(bytes.Name, null, FormattableString.Invariant($"The header should be {length} bytes, but the file ends {bytes.Length - sizeof(ulong)} bytes after its length."), CutShort);
        return (int)length;
    }

    // The length of a header that is none says nothing to a user; what the file is instead may.
    private static void CheckKind(WeightsBytes bytes)
    {
        const string Remedy = "Give safetensors, or what torch.save wrote.";
        var start = new byte[(int)Math.Min(bytes.Length, KindWindow)];
        start = start[..bytes.ReadAtLeast(start, 0)];
        var kind = FileContent.Find(start, bytes.Length);
        if (kind is not (FileContentKind.Binary or FileContentKind.Safetensors))
            throw new SafetensorsFormatException(bytes.Name, null, $"It is no file of weights: it seems to be {FileContent.Describe(kind)}.", Remedy);
        if (ZipDirectory.FindLength(bytes) > 0)
            throw new SafetensorsFormatException(bytes.Name, null, "It seems to be a zip archive, such as torch.save writes, behind bytes that are none of it.", "Take off what was put before it, or copy or save it again.");
    }

    private void ReadMembers(JsonBytes reader)
    {
        if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject)
            throw Fault(null, "The header is not a JSON object.", NotSafetensors);
        var hasMetadata = false;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var name = ReadName(ref reader);
            reader.Read();
            if (name == "__metadata__")
            {
                if (hasMetadata) throw Fault(null, "The header has __metadata__ twice.", Broken);
                hasMetadata = true;
                ReadMetadata(ref reader);
                continue;
            }

            if (_ordered.Count == WeightsLimits.Tensors)
                throw Fault(null, $"The header lists more than the {WeightsLimits.Tensors} tensors that are read of one file.", "Save the tensors that are needed alone, or in several files with an index.");
            var tensor = ReadTensor(ref reader, name);
            if (!Tensors.TryAdd(name, tensor)) throw Fault(name, "The header lists it twice.", Broken);
            _ordered.Add(tensor);
        }

        // Reading on to the end finds anything but white space behind the object.
        while (reader.Read())
        {
        }
    }

    private string ReadName(ref JsonBytes reader)
    {
        if (reader.IsNoLongerThan(MaxNameBytes) && reader.GetString() is { Length: <= WeightsLimits.NameLength } name) return name;
        throw Fault(null, $"The header has a name of more than the {WeightsLimits.NameLength} characters that are read.", "Rename the tensor and save it again.");
    }

    private void ReadMetadata(ref JsonBytes reader)
    {
        // Programs that have none write null as well.
        if (reader.TokenType == JsonTokenType.Null) return;
        if (reader.TokenType != JsonTokenType.StartObject) throw Fault(null, "__metadata__ is not a JSON object.", Broken);
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            if (Metadata.Count == WeightsLimits.Strings) throw Fault(null, $"__metadata__ has more than the {WeightsLimits.Strings} strings that are read.", Broken);
            var key = reader.GetString();
            reader.Read();
            if (reader.TokenType != JsonTokenType.String) throw Fault(null, $"The metadata '{Excerpt.Name(key)}' is not a string.", Broken);
            if (!Metadata.TryAdd(key, reader.GetString())) throw Fault(null, $"The metadata '{Excerpt.Name(key)}' is there twice.", Broken);
        }
    }

    private SafetensorsTensor ReadTensor(ref JsonBytes reader, string name)
    {
        if (reader.TokenType != JsonTokenType.StartObject) throw Fault(name, "Its entry is not a JSON object.", Broken);
        string? type = null;
        long[]? shape = null;
        long[]? offsets = null;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var member = reader.IsNoLongerThan(MaxNameBytes) ? reader.GetString() : "";
            reader.Read();
            switch (member)
            {
                case "dtype" when type is null && reader.TokenType == JsonTokenType.String && reader.IsNoLongerThan(MaxNameBytes):
                    type = reader.GetString();
                    break;
                case "shape" when shape is null:
                    shape = ReadNumbers(ref reader, name, member);
                    break;
                case "data_offsets" when offsets is null:
                    offsets = ReadNumbers(ref reader, name, member);
                    break;
                case "dtype" or "shape" or "data_offsets":
                    throw Fault(name, $"Its '{member}' is there twice or not of the right kind.", Broken);
                default:
                    reader.Skip();
                    break;
            }
        }

        if (type is null || shape is null || offsets is null)
            throw Fault(name, "It needs 'dtype', 'shape' and 'data_offsets'.", Broken);
        return CheckSize(name, type, shape, offsets);
    }

    private long[] ReadNumbers(ref JsonBytes reader, string name, string member)
    {
        if (reader.TokenType != JsonTokenType.StartArray) throw Fault(name, $"Its '{member}' is not an array.", Broken);
        var numbers = new List<long>();
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            if (!reader.TryGetInt64(out var number) || number < 0)
                throw Fault(name, $"Its '{member}' holds something else than whole numbers from 0 to {long.MaxValue}.", Broken);
            if (numbers.Count == WeightsLimits.Dimensions)
                throw Fault(name, $"Its '{member}' holds more than {WeightsLimits.Dimensions} numbers, the most dimensions that are read.", "Reshape the tensor, or leave it out, and save it again.");
            numbers.Add(number);
        }

        return [.. numbers];
    }

    private SafetensorsTensor CheckSize(string name, string type, long[] shape, long[] offsets)
    {
        if (offsets.Length != 2 || offsets[0] > offsets[1])
            throw Fault(name, "Its 'data_offsets' are not a start and an end that follows it.", Broken);

        // 128 bits hold the product of two 63-bit numbers, so the check comes before anything can wrap.
        var count = shape.Contains(0) ? Int128.Zero : Int128.One;
        foreach (var size in shape)
        {
            count *= size;
            if (count > long.MaxValue) throw Fault(name, $"Its shape {WeightsText.Shape(shape)} has more values than 64 bits count.", Broken);
        }

        // A type that nobody here knows is one that nobody here asks for.
        var bits = SafetensorsTypes.FindBits(type);
        var bytes = offsets[1] - offsets[0];
        if (bits != 0 && count * bits != (Int128)bytes * 8)
            throw Fault(name, FormattableString.Invariant($"Its shape {WeightsText.Shape(shape)} in {type} does not take the {bytes} bytes of its 'data_offsets'."), Broken);
        return new SafetensorsTensor(name, type, shape, (long)count, offsets[0], offsets[1]);
    }

    // The format wants the data covered without gaps, so tensors in order of their start must join end to end.
    private void CheckOffsets(long dataLength)
    {
        _ordered.Sort((left, right) => left.Start != right.Start ? left.Start.CompareTo(right.Start) : left.End.CompareTo(right.End));
        SafetensorsTensor? last = null;
        foreach (var tensor in _ordered)
        {
            var end = last?.End ?? 0;
            if (tensor.End > dataLength)
                throw Fault(tensor.Name, FormattableString.Invariant($"It ends at byte {tensor.End} of the data, but the file holds only {dataLength}."), CutShort);
            if (tensor.Start < end) throw Fault(tensor.Name, FormattableString.Invariant($"Its bytes from {tensor.Start} overlap those of '{Excerpt.Name(last!.Name)}', which end at {end}."), Broken);
            if (tensor.Start > end) throw Fault(tensor.Name, FormattableString.Invariant($"It starts at byte {tensor.Start} and leaves the bytes from {end} to no tensor."), Broken);
            last = tensor;
        }

        var covered = last?.End ?? 0;
        if (covered != dataLength)
            throw Fault(null, FormattableString.Invariant($"The tensors cover {covered} bytes, but {dataLength} follow the header."), Broken);
    }

    private SafetensorsFormatException Fault(string? tensor, string problem, string remedy) => new(_file, tensor, problem, remedy);
}
