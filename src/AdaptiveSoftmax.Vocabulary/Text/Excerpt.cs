using System.Globalization;
using System.Text;

namespace AdaptiveSoftmax.Vocabulary;

/// <summary>
/// Makes text from a file fit for a message: short, on one line, and nothing that a terminal obeys. Every reader of the
/// repository cuts and escapes here, so that no file decides how long a message gets or what it does to a terminal.
/// </summary>
internal static class Excerpt
{
    private const int Longest = 40;

    // Names are typed again by who reads them, so more of them is shown, and their end, which tells most apart.
    private const int LongestName = 120;
    private const int LastOfName = 40;

    private const int LongestList = 8;

    /// <summary>The text in double quotes.</summary>
    public static string Quote(string text) => "\"" + Of(text) + "\"";

    /// <summary>The text without quotes.</summary>
    public static string Of(string text) => Of(text, 0, text.Length);

    /// <summary>All of a text on one line, such as the path of a file that was written: nothing is cut.</summary>
    public static string Line(string? text) => Escape(text ?? "", keepsLines: false);

    /// <summary>A stretch of the text without quotes.</summary>
    public static string Of(string text, int start, int length)
    {
        var result = new StringBuilder();
        AppendFirst(result, text, start, length, Longest);
        return result.ToString();
    }

    /// <summary>A name, such as a tensor's or a file's, without quotes: of a very long one the beginning and the end.</summary>
    public static string Name(string name)
    {
        var result = new StringBuilder();
        if (name.Length <= LongestName)
        {
            AppendFirst(result, name, 0, name.Length, LongestName);
            return result.ToString();
        }

        AppendFirst(result, name, 0, name.Length, LongestName - LastOfName);
        AppendFirst(result, name, name.Length - LastOfName, LastOfName, LastOfName);
        return result.ToString();
    }

    /// <summary>The first items of a list with commas between them, and how many there are in all where that is more.</summary>
    /// <param name="items">The items. No more are asked for than are shown.</param>
    /// <param name="count">How many there are.</param>
    /// <param name="format">Writes an item; it is cut and escaped as a name.</param>
    public static string List<T>(IEnumerable<T> items, long count, Func<T, string> format)
    {
        var shown = string.Join(", ", items.Take(LongestList).Select(item => Name(format(item))));
        return count > LongestList ? shown + string.Format(CultureInfo.InvariantCulture, ", … ({0:N0} in all)", count) : shown;
    }

    /// <summary>One character: itself in single quotes where it can be seen, else its code.</summary>
    public static string Character(char c) => IsVisible(c) ? $"'{c}'" : "U+" + ((int)c).ToString("X4", CultureInfo.InvariantCulture);

    /// <summary>The first bytes of a token, escaped as in a token table.</summary>
    public static string Token(ReadOnlySpan<byte> token)
    {
        var result = new StringBuilder("\"");
        var shown = Math.Min(token.Length, Longest);
        foreach (var value in token.Slice(0, shown)) TokenEscapes.Append(result, value, isLast: false);
        if (shown < token.Length) result.Append('…');
        return result.Append('"').ToString();
    }

    /// <summary>
    /// A whole message with all its lines, whatever was put into it: for where messages reach a terminal. Only what a
    /// terminal would obey is changed.
    /// </summary>
    public static string Message(string text) => Escape(text, keepsLines: true);

    // Line ends and tabs are a message's own.
    private static string Escape(string text, bool keepsLines)
    {
        var result = new StringBuilder(text.Length);
        for (var i = 0; i < text.Length; i++)
        {
            var c = text[i];
            var isKept = keepsLines && (c is '\n' or '\t' || c == '\r' && i + 1 < text.Length && text[i + 1] == '\n');
            if (IsObeyed(c) && !isKept) AppendCode(result, c);
            else result.Append(c);
        }

        return result.ToString();
    }

    // Controls of both sets, and the marks that turn the direction of text around or end a line.
    private static bool IsObeyed(char c) =>
        CharUnicodeInfo.GetUnicodeCategory(c) is UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator;

    private static void AppendFirst(StringBuilder result, string text, int start, int length, int longest)
    {
        for (var i = start; i < start + length; i++)
        {
            if (i - start >= longest)
            {
                result.Append('…');
                break;
            }

            var c = text[i];
            if (char.IsHighSurrogate(c) && i + 1 < start + length && char.IsLowSurrogate(text[i + 1]))
                result.Append(c).Append(text[++i]);
            else if (IsVisible(c) || c == ' ')
                result.Append(c);
            else
                AppendCode(result, c);
        }
    }

    private static void AppendCode(StringBuilder result, char c) => result.Append("\\u").Append(((int)c).ToString("x4", CultureInfo.InvariantCulture));

    private static bool IsVisible(char c) => char.GetUnicodeCategory(c) is not (
        UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.Surrogate or UnicodeCategory.PrivateUse or
        UnicodeCategory.OtherNotAssigned or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator or
        UnicodeCategory.SpaceSeparator);
}
