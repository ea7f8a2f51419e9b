using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace AdaptiveSoftmax.Corpus;

/// <summary>The pre-tokenizers of a <c>tokenizer.json</c>.</summary>
internal static class JsonSplits
{
    private const string Gpt2 = @"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

    // What \w is there: .NET has fewer marks and no letter numbers in it.
    private const string Words = @"[\p{L}\p{M}\p{Nd}\p{Nl}\p{Pc}\u200c\u200d\u24b6-\u24e9]+|[^\p{L}\p{M}\p{Nd}\p{Nl}\p{Pc}\u200c\u200d\u24b6-\u24e9\s]+";

    private const string Punctuation = @"[!-/:-@\[-`{-~\p{P}]";

    /// <summary>Byte by byte, the character that stands for it in byte-level models.</summary>
    public static string ByteCharacters { get; } = CreateByteCharacters();

    public static IEnumerable<Func<string, SegmentStart, IEnumerable<string>>> Read(JsonElement splits)
    {
        foreach (var part in JsonParts.Flatten(splits, "pretokenizers"))
        {
            yield return JsonParts.TypeOf(part) switch
            {
                "ByteLevel" => ReadByteLevel(part),
                "Split" => ReadSplit(part),
                "Metaspace" => ReadMetaspace(part),
                "Whitespace" => Pieces(CreateRegex(Words), "Removed", isInverted: true),
                "WhitespaceSplit" => Pieces(CreateRegex(@"\s"), "Removed", isInverted: false),
                "BertPreTokenizer" => SplitBert,
                "Digits" => Pieces(CreateRegex(@"\p{Nd}|\p{Nl}|\p{No}"), JsonParts.IsTrue(part, "individual_digits") ? "Isolated" : "Contiguous", isInverted: false),
                "Punctuation" => Pieces(CreateRegex(Punctuation), JsonParts.TextOf(part, "behavior") ?? "Isolated", isInverted: false),
                var other => throw JsonParts.Unknown("The pre-tokenizer", other),
            };
        }
    }

    /// <summary>A pattern of the library that the file is for.</summary>
    /// <exception cref="CorpusException">.NET does not know it.</exception>
    public static CodePointRegex CreateRegex(string pattern)
    {
        try
        {
            return new CodePointRegex(pattern);
        }
        catch (RegexParseException)
        {
            throw JsonParts.Unknown("The pattern", pattern);
        }
    }

    /// <summary>Whether a text may be cut behind a line's end, as the patterns of the known encodings allow.</summary>
    public static bool EndsAtLines(JsonElement splits)
    {
        foreach (var part in JsonParts.Flatten(splits, "pretokenizers"))
        {
            switch (JsonParts.TypeOf(part))
            {
                case "WhitespaceSplit" or "Whitespace" or "BertPreTokenizer":
                case "ByteLevel" when JsonParts.IsTrue(part, "use_regex", true):
                    return true;
                case "Split":
                    // Whatever ends a pattern with these two takes no visible character after a line's end.
                    return JsonParts.TextOf(part.GetProperty("pattern"), "Regex") is { } pattern && pattern.EndsWith(@"\s*[\r\n]+|\s+(?!\S)|\s+", StringComparison.Ordinal);
            }
        }

        return false;
    }

    private static Func<string, SegmentStart, IEnumerable<string>> ReadByteLevel(JsonElement part)
    {
        var prefixes = JsonParts.IsTrue(part, "add_prefix_space", true);
        var regex = JsonParts.IsTrue(part, "use_regex", true) ? CreateRegex(Gpt2) : null;
        return (text, start) =>
        {
            if (prefixes && start != SegmentStart.Text && !text.StartsWith(' ')) text = " " + text;
            return regex is null ? [ToByteCharacters(text)] : Isolate(text, regex).Select(ToByteCharacters);
        };
    }

    private static IEnumerable<string> Isolate(string text, CodePointRegex regex)
    {
        var position = 0;
        foreach (var (start, end) in regex.Matches(text))
        {
            if (start > position) yield return text[position..start];
            yield return text[start..end];
            position = end;
        }

        if (position < text.Length) yield return text[position..];
    }

    private static Func<string, SegmentStart, IEnumerable<string>> ReadSplit(JsonElement part)
    {
        var pattern = part.GetProperty("pattern");
        var regex = JsonParts.TextOf(pattern, "String") is { } text ? Regex.Escape(text) : JsonParts.TextOf(pattern, "Regex") ?? throw JsonParts.Unknown("The pattern", pattern.ToString());
        return Pieces(CreateRegex(regex), JsonParts.TextOf(part, "behavior") ?? "", JsonParts.IsTrue(part, "invert"));
    }

    private static Func<string, SegmentStart, IEnumerable<string>> ReadMetaspace(JsonElement part)
    {
        var mark = JsonParts.TextOf(part, "replacement") ?? "\u2581";
        var scheme = JsonParts.TextOf(part, "prepend_scheme") ?? (JsonParts.IsTrue(part, "add_prefix_space", true) ? "always" : "never");
        if (scheme is not ("always" or "never" or "first")) throw JsonParts.Unknown("The prepend_scheme", scheme);
        var splits = JsonParts.IsTrue(part, "split", true);
        var pieces = Pieces(CreateRegex(Regex.Escape(mark)), "MergedWithNext", isInverted: false);
        return (text, start) =>
        {
            text = text.Replace(" ", mark, StringComparison.Ordinal);
            var isPrefixed = scheme switch
            {
                "always" => start != SegmentStart.Text,
                "first" => start == SegmentStart.Document,
                _ => false,
            };
            if (isPrefixed && !text.StartsWith(mark, StringComparison.Ordinal)) text = mark + text;
            return splits ? pieces(text, start) : [text];
        };
    }

    private static IEnumerable<string> SplitBert(string text, SegmentStart start)
    {
        foreach (var word in text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries))
        {
            var from = 0;
            for (var i = 0; i < word.Length;)
            {
                Rune.DecodeFromUtf16(word.AsSpan(i), out var rune, out var length);
                if (IsPunctuation(rune))
                {
                    if (i > from) yield return word[from..i];
                    yield return word.Substring(i, length);
                    from = i + length;
                }

                i += length;
            }

            if (from < word.Length) yield return word[from..];
        }
    }

    private static bool IsPunctuation(Rune rune) =>
        rune.Value is (>= '!' and <= '/') or (>= ':' and <= '@') or (>= '[' and <= '`') or (>= '{' and <= '~')
        || Rune.GetUnicodeCategory(rune) is >= UnicodeCategory.ConnectorPunctuation and <= UnicodeCategory.OtherPunctuation;

    private static Func<string, SegmentStart, IEnumerable<string>> Pieces(CodePointRegex regex, string behavior, bool isInverted)
    {
        if (behavior is not ("Removed" or "Isolated" or "MergedWithPrevious" or "MergedWithNext" or "Contiguous")) throw JsonParts.Unknown("The behavior", behavior);
        return (text, _) => Arrange(text, Cut(text, regex, isInverted), behavior);
    }

    // The text in order, each part with whether the pattern means it.
    private static IEnumerable<(int Start, int End, bool IsMatch)> Cut(string text, CodePointRegex regex, bool isInverted)
    {
        var position = 0;
        foreach (var (start, end) in regex.Matches(text))
        {
            if (start > position) yield return (position, start, isInverted);
            yield return (start, end, !isInverted);
            position = end;
        }

        if (position < text.Length) yield return (position, text.Length, isInverted);
    }

    private static IEnumerable<string> Arrange(string text, IEnumerable<(int Start, int End, bool IsMatch)> parts, string behavior)
    {
        var held = (Start: 0, End: 0, IsMatch: false);
        foreach (var part in parts)
        {
            if (behavior == "Removed")
            {
                if (!part.IsMatch) yield return text[part.Start..part.End];
                continue;
            }

            var joins = behavior switch
            {
                "MergedWithPrevious" => part.IsMatch && !held.IsMatch,
                "MergedWithNext" => held.IsMatch && !part.IsMatch,
                "Contiguous" => held.IsMatch == part.IsMatch,
                _ => false,
            };
            if (joins || held.End == held.Start)
            {
                held = (held.End == held.Start ? part.Start : held.Start, part.End, part.IsMatch);
                continue;
            }

            yield return text[held.Start..held.End];
            held = part;
        }

        if (held.End > held.Start) yield return text[held.Start..held.End];
    }

    private static string ToByteCharacters(string text)
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        return string.Create(bytes.Length, bytes, static (characters, bytes) =>
        {
            for (var i = 0; i < bytes.Length; i++) characters[i] = ByteCharacters[bytes[i]];
        });
    }

    // Visible Latin-1 stands for itself, the rest for what comes from U+0100 on.
    private static string CreateByteCharacters()
    {
        var characters = new char[256];
        var next = 256;
        for (var value = 0; value < 256; value++)
            characters[value] = value is (>= '!' and <= '~') or (>= 0xA1 and <= 0xAC) or (>= 0xAE and <= 0xFF) ? (char)value : (char)next++;
        return new string(characters);
    }
}
