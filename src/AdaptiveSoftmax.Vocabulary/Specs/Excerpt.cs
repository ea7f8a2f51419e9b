using System.Globalization;
using System.Text;

namespace AdaptiveSoftmax.Vocabulary;

/// <summary>Makes text from a file fit for an error message: one line, short, nothing that a terminal obeys.</summary>
internal static class Excerpt
{
    private const int Longest = 40;

    /// <summary>The text in double quotes.</summary>
    public static string Quote(string text) => "\"" + Of(text, 0, text.Length) + "\"";

    /// <summary>A stretch of the text without quotes.</summary>
    public static string Of(string text, int start, int length)
    {
        var result = new StringBuilder();
        for (var i = start; i < start + length; i++)
        {
            if (i - start >= Longest)
            {
                result.Append('…');
                break;
            }

            Append(result, text, ref i, start + length);
        }

        return result.ToString();
    }

    /// <summary>One character: itself in single quotes where it can be seen, else its code.</summary>
    public static string Character(char c) => IsVisible(c) ? $"'{c}'" : Code(c);

    /// <summary>The first bytes of a token, escaped as in a token table.</summary>
    public static string Token(ReadOnlySpan<byte> token)
    {
        var result = new StringBuilder("\"");
        var shown = Math.Min(token.Length, Longest);
        foreach (var value in token.Slice(0, shown)) TokenEscapes.Append(result, value, isLast: false);
        if (shown < token.Length) result.Append('…');
        return result.Append('"').ToString();
    }

    private static void Append(StringBuilder result, string text, ref int i, int end)
    {
        var c = text[i];
        if (char.IsHighSurrogate(c) && i + 1 < end && char.IsLowSurrogate(text[i + 1]))
            result.Append(c).Append(text[++i]);
        else if (IsVisible(c) || c == ' ')
            result.Append(c);
        else
            result.Append(Code(c));
    }

    private static string Code(char c) => "U+" + ((int)c).ToString("X4", CultureInfo.InvariantCulture);

    private static bool IsVisible(char c) => char.GetUnicodeCategory(c) is not (
        UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.Surrogate or UnicodeCategory.PrivateUse or
        UnicodeCategory.OtherNotAssigned or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator or
        UnicodeCategory.SpaceSeparator);
}
