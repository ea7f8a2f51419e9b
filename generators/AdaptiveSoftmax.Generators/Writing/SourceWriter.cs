using Microsoft.CodeAnalysis.Text;

namespace AdaptiveSoftmax.Generators;

/// <summary>Writes indented source with line feeds, whatever the line ends of the templates.</summary>
internal sealed class SourceWriter
{
    private const string HexDigits = "0123456789ABCDEF";

    private readonly List<char[]> _chunks = [];
    private char[] _chunk = [];
    private int _used;
    private int _indentation;

    /// <summary>Writes lines, each with the indentation of the blocks that are open. Empty lines stay empty.</summary>
    public void WriteLines(string lines)
    {
        for (var start = 0; start <= lines.Length;)
        {
            var end = lines.IndexOf('\n', start);
            if (end < 0) end = lines.Length;
            var length = end > start && lines[end - 1] == '\r' ? end - start - 1 : end - start;
            if (length > 0) Indent();
            for (var i = 0; i < length; i++) Write(lines[start + i]);
            Write('\n');
            start = end + 1;
        }
    }

    /// <summary>Writes an empty line.</summary>
    public void WriteLine() => Write('\n');

    /// <summary>Writes a header and opens its block.</summary>
    public void OpenBlock(string header)
    {
        WriteLines(header);
        WriteLines("{");
        _indentation++;
    }

    /// <summary>Closes the last block that was opened.</summary>
    public void CloseBlock()
    {
        _indentation--;
        WriteLines("}");
    }

    /// <summary>Opens a region.</summary>
    public void OpenRegion(string topic) => WriteLines($"#region {topic}\n");

    /// <summary>Closes a region.</summary>
    public void CloseRegion() => WriteLines("#endregion");

    /// <summary>Writes one line with text before and after, and between them bytes as the characters of a string literal.</summary>
    public void WriteStringLiteral(string before, byte[] bytes, string after)
    {
        Indent();
        Write(before);
        Write('"');
        for (var i = 0; i < bytes.Length; i += 2)
            WriteEscaped((char)(bytes[i] | (i + 1 < bytes.Length ? bytes[i + 1] << 8 : 0)));
        Write('"');
        Write(after);
        Write('\n');
    }

    /// <summary>Writes a list of 64-bit numbers that hold bytes in little-endian order, eight a line.</summary>
    public void WriteNumbers(byte[] bytes)
    {
        for (var start = 0; start < bytes.Length; start += 8)
        {
            if (start % 64 == 0) Indent();
            Write("0x");
            for (var i = 7; i >= 0; i--)
            {
                var value = start + i < bytes.Length ? bytes[start + i] : 0;
                Write(HexDigits[value >> 4]);
                Write(HexDigits[value & 15]);
            }

            // Without the suffix each number would be converted, which takes the compiler several times as long.
            Write("UL,");
            Write(start % 64 == 56 || start + 8 >= bytes.Length ? '\n' : ' ');
        }
    }

    /// <summary>The text written so far; nothing may be written afterwards.</summary>
    public SourceText ToText() => new ChunkedText(_chunks, _chunks.Count == 0 ? 0 : ((_chunks.Count - 1) * ChunkedText.ChunkSize) + _used);

    // Letters of ASCII stand for themselves and zeros are short; all else is escaped, so that no tool that
    // normalises, strips or re-encodes text can change a table. Lone surrogates would not even survive a file.
    private void WriteEscaped(char value)
    {
        switch (value)
        {
            case '\0':
                Write('\\');
                Write('0');
                break;
            case >= ' ' and <= '~' and not ('"' or '\\'):
                Write(value);
                break;
            default:
                Write('\\');
                Write('u');
                Write(HexDigits[value >> 12]);
                Write(HexDigits[(value >> 8) & 15]);
                Write(HexDigits[(value >> 4) & 15]);
                Write(HexDigits[value & 15]);
                break;
        }
    }

    private void Indent()
    {
        for (var i = 0; i < _indentation * 4; i++) Write(' ');
    }

    private void Write(string text)
    {
        foreach (var value in text) Write(value);
    }

    private void Write(char value)
    {
        if (_used == _chunk.Length)
        {
            _chunk = new char[ChunkedText.ChunkSize];
            _chunks.Add(_chunk);
            _used = 0;
        }

        _chunk[_used++] = value;
    }
}
