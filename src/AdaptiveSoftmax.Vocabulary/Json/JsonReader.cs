namespace AdaptiveSoftmax.Vocabulary;

/// <summary>
/// Reads JSON and keeps the position of everything. Slips whose meaning is clear (a comment, a trailing or missing
/// comma, a bad escape) are reported and read over, so that one reading finds as many faults as it can.
/// </summary>
internal sealed partial class JsonReader
{
    private const int MaximumDepth = 32;

    private readonly string _text;
    private readonly ErrorList _errors;
    private int _position;
    private int _line = 1;
    private int _lineStart;

    private JsonReader(string text, ErrorList errors)
    {
        _text = text;
        _errors = errors;
        if (text.Length > 0 && text[0] == '\uFEFF') _position = _lineStart = 1;
    }

    private bool IsAtEnd => _position >= _text.Length;

    private char Current => _text[_position];

    /// <summary>The value that the text holds, or null where it cannot be told; then there is an error.</summary>
    public static JsonNode? Read(string text, ErrorList errors) => new JsonReader(text, errors).ReadDocument();

    private JsonNode? ReadDocument()
    {
        SkipSpace();
        if (IsAtEnd)
        {
            Report(Here(0), $"The spec is empty.", $"Write a JSON object: {{ \"hiddenSize\": 512, \"vocabulary\": \"name.tokens\", \"cutoffs\": [2000, 10000] }}.");
            return null;
        }

        var value = ReadValue(0);
        if (value is null) return null;
        SkipSpace();
        if (!IsAtEnd) Report(Here(1), $"{DescribeCurrent()} stands after the end of the spec.", $"Remove everything after the last closing bracket, or balance the brackets.");
        return value;
    }

    private JsonNode? ReadValue(int depth)
    {
        SkipSpace();
        if (IsAtEnd)
        {
            Report(Here(0), $"The text ends where a value must stand.", $"Complete the file; it may have been cut off.");
            return null;
        }

        if (depth > MaximumDepth)
        {
            Report(Here(1), $"The brackets are nested more than {MaximumDepth} deep.", $"A spec needs no more than 3 levels; remove the nested value.");
            return null;
        }

        switch (Current)
        {
            case '{': return ReadObject(depth);
            case '[': return ReadArray(depth);
            case '"': return ReadString();
            default: return ReadBareValue();
        }
    }

    private JsonNode? ReadObject(int depth)
    {
        var node = new JsonNode(JsonKind.Object, Here(1));
        _position++;
        var comma = default(SourceSpan);
        while (true)
        {
            SkipSpace();
            if (IsAtEnd) return ReportUnclosed(node.Span, '}');
            if (Current == '}') return CloseAfter(comma, node);
            if (Current != '"')
            {
                Report(Here(1), $"{DescribeCurrent()} stands where a member's name must.", $"Write each member as \"name\": value, the name in double quotes.");
                return null;
            }

            var name = ReadString();
            if (name is null) return null;
            SkipSpace();
            if (IsAtEnd) return ReportUnclosed(node.Span, '}');
            if (Current != ':')
            {
                Report(Here(1), $"{DescribeCurrent()} stands where the colon after {Excerpt.Quote(name.Text)} must.", $"Write each member as \"name\": value.");
                return null;
            }

            _position++;
            var value = ReadValue(depth + 1);
            if (value is null) return null;
            node.Members.Add(new JsonMember(name.Text, name.Span, value));
            if (!TryReadComma(node.Span, '}', isNextPlausible: c => c == '"', out comma)) return null;
        }
    }

    private JsonNode? ReadArray(int depth)
    {
        var node = new JsonNode(JsonKind.Array, Here(1));
        _position++;
        var comma = default(SourceSpan);
        while (true)
        {
            SkipSpace();
            if (IsAtEnd) return ReportUnclosed(node.Span, ']');
            if (Current == ']') return CloseAfter(comma, node);
            var value = ReadValue(depth + 1);
            if (value is null) return null;
            node.Items.Add(value);
            if (!TryReadComma(node.Span, ']', isNextPlausible: c => c is '"' or '{' or '[' or '-' or (>= '0' and <= '9'), out comma)) return null;
        }
    }

    private JsonNode CloseAfter(SourceSpan comma, JsonNode node)
    {
        if (comma.Length > 0) Report(comma, $"A comma stands before the closing bracket.", $"Remove the comma; JSON has none after the last entry.");
        _position++;
        return node;
    }

    // False where reading cannot go on. Before the closing bracket the comma found has length 0.
    private bool TryReadComma(SourceSpan open, char close, Func<char, bool> isNextPlausible, out SourceSpan comma)
    {
        comma = default;
        SkipSpace();
        if (IsAtEnd)
        {
            ReportUnclosed(open, close);
            return false;
        }

        if (Current == close) return true;
        if (Current == ',')
        {
            comma = Here(1);
            _position++;
            return true;
        }

        if (isNextPlausible(Current))
        {
            Report(Here(1), $"A comma is missing before {DescribeCurrent()}.", $"Put a comma between two entries.");
            return true;
        }

        Report(Here(1), $"{DescribeCurrent()} stands where a comma or '{close}' must.", $"Put a comma between two entries and {Excerpt.Character(close)} after the last.");
        return false;
    }

    private JsonNode? ReportUnclosed(SourceSpan open, char close)
    {
        Report(open, $"This bracket is never closed: the text ends before its '{close}'.", $"Complete the file; it may have been cut off.");
        return null;
    }

    private void SkipSpace()
    {
        for (; !IsAtEnd; _position++)
        {
            switch (Current)
            {
                case ' ' or '\t': break;
                case '\n' or '\r': CountLine(); break;
                case '/' when _position + 1 < _text.Length && _text[_position + 1] is '/' or '*': SkipComment(); break;
                default: return;
            }
        }
    }

    // Ends on the comment's last character.
    private void SkipComment()
    {
        Report(Here(2), $"A comment stands in the spec; JSON has none.", $"Remove the comment.");
        var body = _position + 2;
        if (_text[_position + 1] == '/')
        {
            _position = Lines.EndOf(_text, body) - 1;
            return;
        }

        var end = _text.IndexOf("*/", body, StringComparison.Ordinal);
        var last = end < 0 ? _text.Length - 1 : end + 1;
        for (; _position < last; _position++)
        {
            if (Current is '\n' or '\r') CountLine();
        }

        // An unclosed comment may end in a line end, which nobody else will see.
        if (end < 0 && Current is '\n' or '\r') CountLine();
    }

    // Called on a line end; of a carriage return and a line feed only the second counts.
    private void CountLine()
    {
        if (Current == '\r' && _position + 1 < _text.Length && _text[_position + 1] == '\n') return;
        _line++;
        _lineStart = _position + 1;
    }

    private SourceSpan Here(int length) => SpanFrom(_position, Math.Min(length, _text.Length - _position));

    private SourceSpan SpanFrom(int start, int length) => new(start, length, _line, start - _lineStart + 1);

    private string DescribeCurrent() => Excerpt.Character(Current);

    private void Report(SourceSpan span, FormattableString message, FormattableString remedy) =>
        _errors.Add(SpecErrorKind.MalformedJson, span, message, remedy);
}
