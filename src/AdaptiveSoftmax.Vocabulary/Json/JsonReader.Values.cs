using System.Globalization;
using System.Text;

namespace AdaptiveSoftmax.Vocabulary;

/// <summary>Strings, numbers and literals.</summary>
internal sealed partial class JsonReader
{
    private JsonNode? ReadString()
    {
        var start = _position;
        var value = new StringBuilder();
        for (_position++; !IsAtEnd && Current is not ('\n' or '\r'); _position++)
        {
            var c = Current;
            if (c == '"')
            {
                _position++;
                return new JsonNode(JsonKind.String, SpanFrom(start, _position - start)) { Text = value.ToString() };
            }

            if (c == '\\')
            {
                if (!TryReadEscape(value)) break;
            }
            else
            {
                if (c < ' ') Report(Here(1), $"The control character {Excerpt.Character(c)} stands in a string as it is.", $"Write it as \\u{(int)c:x4}, or remove it.");
                value.Append(c);
            }
        }

        Report(SpanFrom(start, _position - start), $"The string is not closed on its line.", $"End the string with a double quote; write a line end inside it as \\n.");
        return null;
    }

    // Starts on the backslash and ends on the escape's last character; false at the end of line or text.
    private bool TryReadEscape(StringBuilder value)
    {
        if (_position + 1 >= _text.Length || _text[_position + 1] is '\n' or '\r')
        {
            _position++;
            return false;
        }

        var escaped = _text[_position + 1];
        switch (escaped)
        {
            case '"' or '\\' or '/': value.Append(escaped); break;
            case 'b': value.Append('\b'); break;
            case 'f': value.Append('\f'); break;
            case 'n': value.Append('\n'); break;
            case 'r': value.Append('\r'); break;
            case 't': value.Append('\t'); break;
            case 'u':
                ReadUnicodeEscape(value);
                return true;
            default:
                _errors.Add(SpecErrorKind.BadEscape, Here(2),
                    $"A backslash before {Excerpt.Character(escaped)} is no JSON escape; there are \\\" \\\\ \\/ \\b \\f \\n \\r \\t and \\uXXXX.",
                    $"Write a backslash itself as \\\\, and a raw byte of a token through {{ \"bytes\": \"HH\" }}.");
                value.Append(escaped);
                break;
        }

        _position++;
        return true;
    }

    private void ReadUnicodeEscape(StringBuilder value)
    {
        var code = 0;
        var digits = 0;
        while (digits < 4 && _position + 2 + digits < _text.Length)
        {
            var digit = TokenEscapes.HexValue(_text[_position + 2 + digits]);
            if (digit < 0) break;
            code = (code << 4) | digit;
            digits++;
        }

        if (digits == 4)
        {
            value.Append((char)code);
        }
        else
        {
            _errors.Add(SpecErrorKind.BadEscape, Here(2 + digits),
                $"\\u is followed by {digits} hexadecimal digits; it needs 4.",
                $"Write the character's UTF-16 code with 4 digits, for example \\u00e9.");
        }

        _position += 1 + digits;
    }

    private JsonNode? ReadBareValue()
    {
        var start = _position;
        while (!IsAtEnd && IsBareCharacter(Current)) _position++;
        var span = SpanFrom(start, _position - start);
        if (span.Length == 0)
        {
            Report(Here(1), $"{DescribeCurrent()} stands where a value must.", $"{(Current == '\'' ? "Put strings in double quotes." : "Write a number, a string in double quotes, true, false, a list in [ ] or an object in { }.")}");
            return null;
        }

        var text = _text.Substring(start, span.Length);
        switch (text)
        {
            case "true" or "false": return new JsonNode(JsonKind.Boolean, span) { Text = text };
            case "null": return new JsonNode(JsonKind.Null, span) { Text = text };
        }

        if (JsonNumber.IsNumber(text)) return new JsonNode(JsonKind.Number, span) { Text = text };
        var looksLikeNumber = text[0] is '+' or '-' or '.' or (>= '0' and <= '9');
        if (looksLikeNumber)
            Report(span, $"{Excerpt.Of(text)} is not a JSON number.", $"Write digits with a leading '-' where negative, at most one '.', and no leading zeros or '+'.");
        else
            Report(span, $"{Excerpt.Of(text)} is not a JSON value.", $"Put strings in double quotes; write true, false and null in lower case.");
        return new JsonNode(JsonKind.Invalid, span);
    }

    private static bool IsBareCharacter(char c) => char.IsLetterOrDigit(c) || c is '+' or '-' or '.' or '_' or '$' or '#';
}

/// <summary>JSON's grammar of numbers, and exact whole numbers.</summary>
internal static class JsonNumber
{
    /// <summary>Whether a text is a number as JSON writes it.</summary>
    public static bool IsNumber(string text)
    {
        var i = text.Length > 0 && text[0] == '-' ? 1 : 0;
        var whole = SkipDigits(text, ref i);
        if (whole == 0 || (whole > 1 && text[i - whole] == '0')) return false;
        if (i < text.Length && text[i] == '.')
        {
            i++;
            if (SkipDigits(text, ref i) == 0) return false;
        }

        if (i < text.Length && text[i] is 'e' or 'E')
        {
            i++;
            if (i < text.Length && text[i] is '+' or '-') i++;
            if (SkipDigits(text, ref i) == 0) return false;
        }

        return i == text.Length;
    }

    /// <summary>
    /// The exact value of a JSON number that is whole, such as <c>512</c>, <c>512.0</c> or <c>5.12e2</c>.
    /// </summary>
    /// <returns>False where it is not whole. A magnitude beyond 64 bits is given as the greatest one.</returns>
    public static bool TryGetInteger(string text, out bool isNegative, out ulong magnitude)
    {
        isNegative = text[0] == '-';
        magnitude = 0;
        var exponentAt = text.IndexOfAny(['e', 'E']);
        var mantissa = exponentAt < 0 ? text : text.Substring(0, exponentAt);
        var point = mantissa.IndexOf('.');
        var digits = mantissa.Replace("-", "").Replace(".", "");
        // An exponent too long for a long is huge or tiny, and a million digits cannot make up for it.
        var exponent = exponentAt < 0 ? 0 : ParseExponent(text.Substring(exponentAt + 1));
        exponent -= point < 0 ? 0 : mantissa.Length - point - 1;
        var significant = digits.TrimEnd('0');
        exponent += digits.Length - significant.Length;
        significant = significant.TrimStart('0');
        if (significant.Length == 0) return true;
        if (exponent < 0) return false;
        if (significant.Length + exponent > 20)
        {
            magnitude = ulong.MaxValue;
            return true;
        }

        foreach (var digit in significant.PadRight(significant.Length + (int)exponent, '0'))
        {
            var next = (uint)(digit - '0');
            if (magnitude > (ulong.MaxValue - next) / 10)
            {
                magnitude = ulong.MaxValue;
                return true;
            }

            magnitude = (magnitude * 10) + next;
        }

        return true;
    }

    /// <summary>The value of a JSON number, infinite where it is too large for a double.</summary>
    public static double ToDouble(string text)
    {
        if (double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var value)) return value;
        return text[0] == '-' ? double.NegativeInfinity : double.PositiveInfinity;
    }

    private static long ParseExponent(string text)
    {
        const long Huge = long.MaxValue / 4;
        if (long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var exponent))
            return Math.Max(-Huge, Math.Min(Huge, exponent));
        return text[0] == '-' ? -Huge : Huge;
    }

    private static int SkipDigits(string text, ref int i)
    {
        var start = i;
        while (i < text.Length && text[i] is >= '0' and <= '9') i++;
        return i - start;
    }
}
