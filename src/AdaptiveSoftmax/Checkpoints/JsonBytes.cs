using System.Text.Json;
using System.Text.Unicode;

namespace AdaptiveSoftmax;

/// <summary>
/// Reads JSON from a stretch of a file through a small buffer, however long the stretch: what is read is all that takes
/// memory.
/// </summary>
internal ref struct JsonBytes
{
    private const int FirstLength = 1 << 16;

    private readonly WeightsBytes _bytes;
    private readonly long _end;
    private Utf8JsonReader _reader;
    private byte[] _buffer = new byte[FirstLength];
    private int _count;
    private int _checked;
    private long _next;

    /// <summary>Begins before the first token.</summary>
    /// <param name="bytes">The file.</param>
    /// <param name="start">The first byte.</param>
    /// <param name="length">The number of bytes, all of which must be there.</param>
    public JsonBytes(WeightsBytes bytes, long start, long length)
    {
        _bytes = bytes;
        _next = start;
        _end = start + length;
        Refill(used: 0, default);
    }

    /// <summary>The kind of the token.</summary>
    public readonly JsonTokenType TokenType => _reader.TokenType;

    /// <summary>Goes to the next token; false at the end.</summary>
    /// <exception cref="JsonException">It is not valid JSON.</exception>
    /// <exception cref="InvalidDataException">It is not UTF-8, or a token is longer than can be read.</exception>
    /// <exception cref="EndOfStreamException">The file has become shorter.</exception>
    public bool Read()
    {
        while (!_reader.Read())
        {
            if (_reader.IsFinalBlock) return false;
            Refill((int)_reader.BytesConsumed, _reader.CurrentState);
        }

        return true;
    }

    /// <summary>Goes to the end of the value whose first token was read.</summary>
    public void Skip()
    {
        if (TokenType is not (JsonTokenType.StartObject or JsonTokenType.StartArray)) return;
        for (var depth = _reader.CurrentDepth; Read() && _reader.CurrentDepth > depth;)
        {
        }
    }

    /// <summary>The string or the name.</summary>
    public readonly string GetString() => _reader.GetString()!;

    /// <summary>Whether the string or the name is no longer than so many bytes as they stand in the file.</summary>
    public readonly bool IsNoLongerThan(int length) => _reader.ValueSpan.Length <= length;

    /// <summary>The number, if it is a whole one of 64 bits.</summary>
    public readonly bool TryGetInt64(out long value)
    {
        value = 0;
        return TokenType == JsonTokenType.Number && _reader.TryGetInt64(out value);
    }

    private void Refill(int used, JsonReaderState state)
    {
        // What is left begins a token; one that fills the buffer needs a larger one.
        var left = _buffer.AsSpan(used, _count - used);
        if (used == 0 && _count == _buffer.Length)
        {
            if (_buffer.Length > Array.MaxLength / 2) throw new InvalidDataException("A string is longer than can be read.");
            var larger = new byte[_buffer.Length * 2];
            left.CopyTo(larger);
            _buffer = larger;
        }
        else
        {
            left.CopyTo(_buffer);
        }

        (_count, _checked) = (left.Length, _checked - used);
        var wanted = (int)Math.Min(_buffer.Length - _count, _end - _next);
        if (_bytes.ReadAtLeast(_buffer.AsSpan(_count, wanted), _next) < wanted) throw new EndOfStreamException();
        (_count, _next) = (_count + wanted, _next + wanted);
        var isLast = _next == _end;
        CheckText(isLast);
        _reader = new Utf8JsonReader(_buffer.AsSpan(0, _count), isLast, state);
    }

    // The reader looks at the bytes of a string only when it is asked for it.
    private void CheckText(bool isLast)
    {
        var whole = _count;
        if (!isLast)
        {
            // A character may be cut; it is left for the next time from its first byte on.
            while (whole > _checked && (_buffer[whole - 1] & 0xC0) == 0x80 && _count - whole < 3) whole--;
            if (whole > _checked && _buffer[whole - 1] >= 0xC0) whole--;
            else whole = _count;
        }

        if (!Utf8.IsValid(_buffer.AsSpan(_checked, whole - _checked))) throw new InvalidDataException("It is not UTF-8 text.");
        _checked = whole;
    }
}
