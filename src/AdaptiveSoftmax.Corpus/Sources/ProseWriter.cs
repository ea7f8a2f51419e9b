using System.Text;

namespace AdaptiveSoftmax.Corpus;

/// <summary>Writes running text: white space collapses to one space, blocks stand on lines of their own.</summary>
internal sealed class ProseWriter
{
    private readonly StringBuilder _text = new();
    private bool _spacePending;

    /// <summary>Whether nothing has been written since <see cref="Clear"/>.</summary>
    public bool IsEmpty => _text.Length == 0;

    public void Clear()
    {
        _text.Clear();
        _spacePending = false;
    }

    public void Write(ReadOnlySpan<char> text)
    {
        while (!text.IsEmpty)
        {
            if (char.IsWhiteSpace(text[0]))
            {
                _spacePending = true;
                text = text.TrimStart();
                continue;
            }

            var length = 1;
            while (length < text.Length && !char.IsWhiteSpace(text[length])) length++;
            WriteWord(text[..length]);
            text = text[length..];
        }
    }

    /// <summary>Writes lines as they are, less the indentation that all of them share.</summary>
    public void WriteLines(string text)
    {
        var lines = text.ReplaceLineEndings("\n").Split('\n').Select(line => line.TrimEnd()).ToList();
        while (lines.Count > 0 && lines[0].Length == 0) lines.RemoveAt(0);
        while (lines.Count > 0 && lines[^1].Length == 0) lines.RemoveAt(lines.Count - 1);
        if (lines.Count == 0) return;
        var indentation = lines.Where(line => line.Length > 0).Min(line => line.Length - line.TrimStart().Length);
        BreakLine();
        foreach (var line in lines) _text.Append(line.AsSpan(Math.Min(indentation, line.Length))).Append('\n');
    }

    /// <summary>Ends the line, unless it is empty.</summary>
    public void BreakLine()
    {
        if (_text.Length > 0 && _text[^1] != '\n') _text.Append('\n');
        _spacePending = false;
    }

    /// <summary>The text without spaces and line ends around it.</summary>
    public override string ToString() => _text.ToString().Trim();

    private void WriteWord(ReadOnlySpan<char> word)
    {
        if (_spacePending && _text.Length > 0 && _text[^1] != '\n') _text.Append(' ');
        _spacePending = false;
        _text.Append(word);
    }
}
