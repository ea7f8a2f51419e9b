namespace AdaptiveSoftmax.Vocabulary;

/// <summary>The rows of a token table while it is read: growing arrays, no object a token.</summary>
internal sealed class TokenRows
{
    private int[] _ids;
    private long[] _counts;
    private int[] _ends;
    private int[] _starts;
    private readonly byte[] _bytes;
    private readonly List<int> _skippedLines = [];
    private int _byteCount;

    public TokenRows(int textLength)
    {
        var capacity = (textLength / 16) + 16;
        _ids = new int[capacity];
        _counts = new long[capacity];
        _ends = new int[capacity + 1];
        _starts = new int[capacity];
        // A character of the text makes at most one byte of a token.
        _bytes = new byte[textLength];
    }

    public int Count { get; private set; }

    public ReadOnlySpan<int> Ids => new(_ids, 0, Count);

    public ReadOnlySpan<int> Offsets => new(_ends, 0, Count + 1);

    public ReadOnlySpan<byte> Bytes => new(_bytes, 0, _byteCount);

    public bool LastTwoAreInOrder =>
        Count < 2 || _ids[Count - 1] == _ids[Count - 2] && _counts[Count - 1] == _counts[Count - 2] ||
        TokenTable.IsInOrder(_counts[Count - 2], _ids[Count - 2], _counts[Count - 1], _ids[Count - 1]);

    public int GetId(int row) => _ids[row];

    public long GetCount(int row) => _counts[row];

    /// <summary>Where the row's line starts in the text.</summary>
    public int GetStart(int row) => _starts[row];

    /// <summary>The row's line, counted from 1.</summary>
    public int GetLine(int row) => row + 1 + _skippedLines.Count(start => start < _starts[row]);

    /// <summary>Notes a line that makes no row.</summary>
    public void Skip(int start) => _skippedLines.Add(start);

    public ReadOnlySpan<byte> GetToken(int row) => new(_bytes, _ends[row], _ends[row + 1] - _ends[row]);

    /// <summary>
    /// Reads the line at <paramref name="position"/> and moves to its line end. A line with anything wrong adds no
    /// row and leaves the position undefined: this path only has to be fast, another says what is wrong.
    /// </summary>
    public bool TryRead(string text, ref int position)
    {
        var start = position;
        if (!TryReadNumber(text, ref position, int.MaxValue, out var id)) return false;
        if (!TryReadNumber(text, ref position, long.MaxValue, out var count)) return false;
        var byteCount = _byteCount;
        if (!TryReadToken(text, ref position, ref byteCount)) return false;
        if (Count == _ids.Length) Grow();
        _ids[Count] = (int)id;
        _counts[Count] = (long)count;
        _starts[Count] = start;
        _byteCount = byteCount;
        Count++;
        _ends[Count] = byteCount;
        return true;
    }

    public TokenTable ToTable(TokenTableHeader header) => new(Ids.ToArray(), new ReadOnlySpan<long>(_counts, 0, Count).ToArray(), Offsets.ToArray(), Bytes.ToArray(), header.PinnedCount, header.KeptCount);

    // Digits without a leading zero, then a tab.
    private static bool TryReadNumber(string text, ref int position, ulong maximum, out ulong value)
    {
        var start = position;
        value = 0;
        var i = position;
        for (; i < text.Length; i++)
        {
            var digit = (uint)(text[i] - '0');
            if (digit > 9) break;
            value = (value * 10) + digit;
        }

        position = i + 1;
        // Nineteen digits cannot overflow an unsigned 64-bit number.
        var digits = i - start;
        return digits is > 0 and <= 19 && value <= maximum && (digits == 1 || text[start] != '0') && i < text.Length && text[i] == '\t';
    }

    private bool TryReadToken(string text, ref int position, ref int byteCount)
    {
        var bytes = _bytes;
        var last = '\0';
        for (var i = position; i < text.Length; i++)
        {
            var c = text[i];
            if (TokenEscapes.IsPlain(c))
            {
                bytes[byteCount++] = (byte)c;
                last = c;
            }
            else if (c == '\\' && i + 1 < text.Length && text[i + 1] == '\\')
            {
                bytes[byteCount++] = (byte)c;
                last = c;
                i++;
            }
            else if (c == '\\' && i + 3 < text.Length && text[i + 1] == 'x' && (TokenEscapes.HexValue(text[i + 2]) | TokenEscapes.HexValue(text[i + 3])) >= 0)
            {
                bytes[byteCount++] = (byte)((TokenEscapes.HexValue(text[i + 2]) << 4) | TokenEscapes.HexValue(text[i + 3]));
                last = '\\';
                i += 3;
            }
            else
            {
                position = i;
                return c is '\n' or '\r' && last != ' ';
            }
        }

        return false;
    }

    private void Grow()
    {
        var capacity = Count * 2;
        Array.Resize(ref _ids, capacity);
        Array.Resize(ref _counts, capacity);
        Array.Resize(ref _starts, capacity);
        Array.Resize(ref _ends, capacity + 1);
    }
}
