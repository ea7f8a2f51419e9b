using System.Text.Json;
using System.Text.Unicode;

namespace AdaptiveSoftmax;

/// <summary>
/// The JSON header of a safetensors file: reading it trusts nothing, neither sizes nor offsets nor text.
/// </summary>
internal sealed class SafetensorsHeader
{
    /// <summary>The largest header that the format allows, in bytes.</summary>
    public const int MaxLength = 100_000_000;

    private const string NotSafetensors = "Check that it is a safetensors file, and copy or save it again.";
    private const string Broken = "The file is damaged or was written by a faulty program; copy or save it again.";

    private readonly string _file;

    private SafetensorsHeader(string file) => _file = file;

    /// <summary>The caller's strings, the header's <c>__metadata__</c>.</summary>
    public Dictionary<string, string> Metadata { get; } = [];

    /// <summary>The tensors by name.</summary>
    public Dictionary<string, SafetensorsTensor> Tensors { get; } = [];

    /// <summary>Checks the length that stands in the first eight bytes.</summary>
    public static int CheckLength(string file, ulong length, long fileLength)
    {
        if (length > MaxLength)
            throw new SafetensorsFormatException(file, null, $"The first 8 bytes give a header of {length} bytes, more than the {MaxLength} that the format allows.", NotSafetensors);
        if ((long)length > fileLength - sizeof(ulong))
            throw new SafetensorsFormatException(file, null, $"The header should be {length} bytes, but the file ends {fileLength - sizeof(ulong)} bytes after its length.", "The file is cut short; copy or save it again.");
        return (int)length;
    }

    /// <summary>Reads and checks a header.</summary>
    /// <param name="file">The file's name, for messages.</param>
    /// <param name="json">The header's bytes.</param>
    /// <param name="dataLength">The bytes that follow the header.</param>
    /// <exception cref="SafetensorsFormatException">Anything in it is not as the format says.</exception>
    public static SafetensorsHeader Parse(string file, ReadOnlySpan<byte> json, long dataLength)
    {
        var header = new SafetensorsHeader(file);
        if (!Utf8.IsValid(json)) throw header.Fault(null, "The header is not UTF-8 text.", NotSafetensors);
        try
        {
            header.ReadMembers(json);
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException)
        {
            // The reader throws the second for an escape that is half a character.
            throw new SafetensorsFormatException(file, null, $"The header is not valid JSON: {exception.Message}", NotSafetensors, exception);
        }

        header.CheckOffsets(dataLength);
        return header;
    }

    private void ReadMembers(ReadOnlySpan<byte> json)
    {
        var reader = new Utf8JsonReader(json);
        if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject)
            throw Fault(null, "The header is not a JSON object.", NotSafetensors);
        var hasMetadata = false;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var name = reader.GetString()!;
            reader.Read();
            if (name == "__metadata__")
            {
                if (hasMetadata) throw Fault(null, "The header has __metadata__ twice.", Broken);
                hasMetadata = true;
                ReadMetadata(ref reader);
            }
            else
            {
                var tensor = ReadTensor(ref reader, name);
                if (!Tensors.TryAdd(name, tensor)) throw Fault(name, "The header lists it twice.", Broken);
            }
        }

        // Reading on to the end finds anything but white space behind the object.
        while (reader.Read())
        {
        }
    }

    private void ReadMetadata(ref Utf8JsonReader reader)
    {
        if (reader.TokenType != JsonTokenType.StartObject) throw Fault(null, "__metadata__ is not a JSON object.", Broken);
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var key = reader.GetString()!;
            reader.Read();
            if (reader.TokenType != JsonTokenType.String) throw Fault(null, $"The metadata '{key}' is not a string.", Broken);
            if (!Metadata.TryAdd(key, reader.GetString()!)) throw Fault(null, $"The metadata '{key}' is there twice.", Broken);
        }
    }

    private SafetensorsTensor ReadTensor(ref Utf8JsonReader reader, string name)
    {
        if (reader.TokenType != JsonTokenType.StartObject) throw Fault(name, "Its entry is not a JSON object.", Broken);
        string? type = null;
        long[]? shape = null;
        long[]? offsets = null;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var member = reader.GetString()!;
            reader.Read();
            switch (member)
            {
                case "dtype" when type is null && reader.TokenType == JsonTokenType.String:
                    type = reader.GetString()!;
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

    private long[] ReadNumbers(ref Utf8JsonReader reader, string name, string member)
    {
        if (reader.TokenType != JsonTokenType.StartArray) throw Fault(name, $"Its '{member}' is not an array.", Broken);
        var numbers = new List<long>();
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            if (reader.TokenType != JsonTokenType.Number || !reader.TryGetInt64(out var number) || number < 0)
                throw Fault(name, $"Its '{member}' holds something else than whole numbers from 0 to {long.MaxValue}.", Broken);
            numbers.Add(number);
        }

        return [.. numbers];
    }

    private SafetensorsTensor CheckSize(string name, string type, long[] shape, long[] offsets)
    {
        if (offsets.Length != 2 || offsets[0] > offsets[1])
            throw Fault(name, "Its 'data_offsets' are not a start and an end that follows it.", Broken);
        var bits = SafetensorsTypes.FindBits(type);
        if (bits == 0)
            throw Fault(name, $"Its type '{type}' is not one of {string.Join(", ", SafetensorsTypes.Known)}.", "Convert it to F32 before loading.");

        // 128 bits hold the product of two 63-bit numbers, so the check comes before anything can wrap.
        var count = shape.Contains(0) ? Int128.Zero : Int128.One;
        foreach (var size in shape)
        {
            count *= size;
            if (count > long.MaxValue) throw Fault(name, $"Its shape [{string.Join(", ", shape)}] has more values than 64 bits count.", Broken);
        }

        var bytes = offsets[1] - offsets[0];
        if (count * bits != (Int128)bytes * 8)
            throw Fault(name, $"Its shape [{string.Join(", ", shape)}] in {type} does not take the {bytes} bytes of its 'data_offsets'.", Broken);
        return new SafetensorsTensor(name, type, shape, (long)count, offsets[0], offsets[1]);
    }

    // The format wants the data covered without gaps, so tensors in order of their start must join end to end.
    private void CheckOffsets(long dataLength)
    {
        var ordered = Tensors.Values.OrderBy(tensor => tensor.Start).ThenBy(tensor => tensor.End);
        SafetensorsTensor? last = null;
        foreach (var tensor in ordered)
        {
            var end = last?.End ?? 0;
            if (tensor.End > dataLength)
                throw Fault(tensor.Name, $"It ends at byte {tensor.End} of the data, but the file holds only {dataLength}.", "The file is cut short; copy or save it again.");
            if (tensor.Start < end) throw Fault(tensor.Name, $"Its bytes from {tensor.Start} overlap those of '{last!.Name}', which end at {end}.", Broken);
            if (tensor.Start > end) throw Fault(tensor.Name, $"It starts at byte {tensor.Start} and leaves the bytes from {end} to no tensor.", Broken);
            last = tensor;
        }

        var covered = last?.End ?? 0;
        if (covered != dataLength)
            throw Fault(null, $"The tensors cover {covered} bytes, but {dataLength} follow the header.", Broken);
    }

    private SafetensorsFormatException Fault(string? tensor, string problem, string remedy) => new(_file, tensor, problem, remedy);
}
