using System.Globalization;
using System.Text;

namespace ServerSample;

/// <summary>What comes from a client and goes into messages, logs or labels, which end up on terminals.</summary>
internal static class PrintableText
{
    private const int MostCharacters = 64;

    /// <summary>The first character that would do something instead of being seen: to a terminal, to a log, or to the order of the text. −1 where there is none.</summary>
    public static int FindUnprintable(string text)
    {
        var position = 0;
        foreach (var rune in text.EnumerateRunes())
        {
            if (!IsPrintable(rune)) return position;
            position += rune.Utf16SequenceLength;
        }

        return -1;
    }

    /// <summary>The text with what is not printable as <c>\u001b</c>.</summary>
    public static string Escape(string text)
    {
        if (FindUnprintable(text) < 0) return text;
        var escaped = new StringBuilder();
        foreach (var rune in text.EnumerateRunes())
        {
            if (IsPrintable(rune)) escaped.Append(rune);
            else escaped.Append(NameOf(rune));
        }

        return escaped.ToString();
    }

    /// <summary>The beginning of the text, as <see cref="Escape"/> writes it.</summary>
    public static string Quote(string text)
    {
        if (text.Length <= MostCharacters) return Escape(text);
        var length = char.IsHighSurrogate(text[MostCharacters - 1]) ? MostCharacters - 1 : MostCharacters;
        return Escape(text[..length]) + "…";
    }

    /// <summary>A character that is not printable, by its number.</summary>
    public static string NameOf(Rune rune) => string.Create(CultureInfo.InvariantCulture, $"{(rune.IsBmp ? "\\u" : "\\U")}{rune.Value.ToString(rune.IsBmp ? "x4" : "x8", CultureInfo.InvariantCulture)}");

    // Half of a surrogate pair comes as U+FFFD, which is printable.
    private static bool IsPrintable(Rune rune) => Rune.GetUnicodeCategory(rune)
        is not (UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator);
}
