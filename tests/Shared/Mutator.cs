using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using System.Text.Json;

namespace AdaptiveSoftmax.Testing;

/// <summary>Damages sound inputs. The same seed does the same damage.</summary>
internal sealed class Mutator(int seed)
{
    private const int LongestSpan = 24;

    private static readonly long[] s_numbers =
    [
        0, 1, 2, -1, 3, 7, 255, 256, 1000, 65_535, 65_536, 16_777_217, int.MaxValue, int.MinValue, uint.MaxValue, (long)uint.MaxValue + 1,
        1L << 53, long.MaxValue, long.MinValue, long.MaxValue - 7,
    ];

    private static readonly string[] s_otherNumbers =
        ["-0", "0.5", "1.5", "1e-999", "1e308", "1e999", "-1e999", "18446744073709551616", "99999999999999999999999999999999", "01", "NaN", "Infinity", "0x10", "1,5"];

    private static readonly string[] s_values =
    [
        "null", "true", "false", "[]", "{}", "[[]]", "[null]", "{\"\":null}", "\"\"", "\" \"", "\"0\"", "\"-1\"", "\"\\u0000\"", "\"a\\u001b[2J\"", "\"\\ud800\"", "\"\\ud83d\\ude00\"", "\"é\"",
        "\"..\"", "\"a/b\"", "\"float32\"", "\"fffffffff\"", "\"ffffffff\"", "[0,0]", "[1,2,3,4,5,6,7,8,9]", "",
    ];

    private static readonly string[] s_names = ["\"\"", "\"a\"", "\"\\ud800\"", "\"\\u0000\"", "\"__proto__\"", "\"__metadata__\"", "\"$schema\"", "\"constructor\""];

    private readonly Random _random = new(seed);

    private HashSet<int> _places = [];
    private int _place;

    /// <summary>A number from 0 on, below another.</summary>
    public int Next(int count) => _random.Next(count);

    /// <summary>Any of some.</summary>
    public T Any<T>(IReadOnlyList<T> values) => values[_random.Next(values.Count)];

    /// <summary>Bytes with a few edits: flipped, cut, inserted, doubled, moved, numbers replaced.</summary>
    public byte[] Bytes(ReadOnlySpan<byte> sound)
    {
        var bytes = sound.ToArray();
        for (var edits = 1 + (_random.Next(4) * _random.Next(2)); edits > 0; edits--) bytes = Edit(bytes);
        return bytes;
    }

    /// <summary>Text with such edits, which may be no longer whole characters.</summary>
    public string Text(string sound) => Encoding.UTF8.GetString(Bytes(Encoding.UTF8.GetBytes(sound)));

    /// <summary>JSON with a few values and members replaced, left out, doubled, renamed, swapped or nested; sometimes with edits of its text.</summary>
    public string Json(string sound)
    {
        using var document = JsonDocument.Parse(sound);
        var count = CountValues(document.RootElement);
        _places = [.. Enumerable.Range(0, 1 + _random.Next(3)).Select(_ => _random.Next(count))];
        _place = 0;
        var text = new StringBuilder();
        Write(text, document.RootElement);
        return _random.Next(6) == 0 ? Text(text.ToString()) : text.ToString();
    }

    private byte[] Edit(byte[] bytes)
    {
        var start = _random.Next(bytes.Length + 1);
        var end = Math.Min(bytes.Length, start + _random.Next(LongestSpan));
        switch (_random.Next(10))
        {
            case 0 or 1 when start < bytes.Length:
                bytes[start] ^= (byte)(1 << _random.Next(8));
                return bytes;
            case 2 when start < bytes.Length:
                bytes[start] = Any<byte>([0, 1, 0x20, 0x22, 0x2C, 0x30, 0x5B, 0x7B, 0x7F, 0x80, 0xC3, 0xFF]);
                return bytes;
            case 3:
                return _random.Next(3) == 0 ? bytes[..start] : [.. bytes[..start], .. bytes[end..]];
            case 4:
                return [.. bytes[..start], .. Noise(), .. bytes[start..]];
            case 5:
                return [.. bytes[..end], .. bytes[start..end], .. bytes[end..]];
            case 6:
                var to = _random.Next(bytes.Length + 1);
                bytes.AsSpan(start, Math.Min(end - start, bytes.Length - to)).CopyTo(bytes.AsSpan(to));
                return bytes;
            case 7:
                return WithBinaryNumber(bytes, start);
            default:
                return WithWrittenNumber(bytes, start);
        }
    }

    private byte[] Noise()
    {
        var noise = new byte[1 + _random.Next(8)];
        if (_random.Next(3) == 0) Array.Fill(noise, Any<byte>([0, 0xFF, (byte)'[', (byte)'{', (byte)'(', (byte)'"']));
        else _random.NextBytes(noise);
        return noise;
    }

    private byte[] WithBinaryNumber(byte[] bytes, int start)
    {
        Span<byte> number = stackalloc byte[sizeof(long)];
        BinaryPrimitives.WriteInt64LittleEndian(number, Any(s_numbers));
        number = number[..Math.Min(Any([1, 2, 4, 8]), bytes.Length - start)];
        number.CopyTo(bytes.AsSpan(start));
        return bytes;
    }

    // The first number behind a place.
    private byte[] WithWrittenNumber(byte[] bytes, int place)
    {
        var start = bytes.AsSpan(place).IndexOfAnyInRange((byte)'0', (byte)'9') + place;
        if (start < place) return bytes;
        var length = bytes.AsSpan(start).IndexOfAnyExceptInRange((byte)'0', (byte)'9');
        return [.. bytes[..start], .. Encoding.ASCII.GetBytes(AnyNumber()), .. length < 0 ? [] : bytes[(start + length)..]];
    }

    private string AnyNumber() => _random.Next(3) == 0 ? Any(s_otherNumbers) : Any(s_numbers).ToString(CultureInfo.InvariantCulture);

    private static int CountValues(JsonElement value) => 1 + value.ValueKind switch
    {
        JsonValueKind.Object => value.EnumerateObject().Sum(member => CountValues(member.Value)),
        JsonValueKind.Array => value.EnumerateArray().Sum(CountValues),
        _ => 0,
    };

    private void Write(StringBuilder text, JsonElement value)
    {
        var isDamaged = _places.Contains(_place++);
        if (!isDamaged)
        {
            WriteWhole(text, value, isDamaged: false);
            return;
        }

        switch (_random.Next(8))
        {
            case 0 or 1:
                text.Append(AnyNumber());
                break;
            case 2:
                text.Append(Any(s_values));
                break;
            case 3:
                var depth = Any([1, 2, 70]);
                text.Append('[', depth);
                WriteWhole(text, value, isDamaged: false);
                text.Append(']', depth);
                break;
            case 4 when value.ValueKind is JsonValueKind.String:
                text.Append(JsonSerializer.Serialize(Text(value.GetString()!)));
                break;
            default:
                WriteWhole(text, value, isDamaged: true);
                break;
        }
    }

    private void WriteWhole(StringBuilder text, JsonElement value, bool isDamaged)
    {
        if (value.ValueKind is not (JsonValueKind.Object or JsonValueKind.Array))
        {
            text.Append(isDamaged ? AnyNumber() : value.GetRawText());
            return;
        }

        var isObject = value.ValueKind == JsonValueKind.Object;
        List<(string Name, JsonElement Value)> children = isObject
            ? [.. value.EnumerateObject().Select(member => (JsonSerializer.Serialize(member.Name), member.Value))]
            : [.. value.EnumerateArray().Select(item => ("", item))];
        if (isDamaged && children.Count > 0) Damage(children);
        text.Append(isObject ? '{' : '[');
        for (var i = 0; i < children.Count; i++)
        {
            if (i > 0) text.Append(',');
            if (isObject) text.Append(children[i].Name).Append(':');
            Write(text, children[i].Value);
        }

        text.Append(isObject ? '}' : ']');
    }

    private void Damage(List<(string Name, JsonElement Value)> children)
    {
        var (child, other) = (_random.Next(children.Count), _random.Next(children.Count));
        switch (_random.Next(6))
        {
            case 0:
                children.RemoveAt(child);
                break;
            case 1:
                children.Insert(other, children[child]);
                break;
            case 2:
                children[child] = (_random.Next(2) == 0 ? Any(s_names) : children[other].Name, children[child].Value);
                break;
            case 3:
                children.InsertRange(child, Enumerable.Repeat(children[child], 300));
                break;
            default:
                (children[child], children[other]) = ((children[child].Name, children[other].Value), (children[other].Name, children[child].Value));
                break;
        }
    }
}
