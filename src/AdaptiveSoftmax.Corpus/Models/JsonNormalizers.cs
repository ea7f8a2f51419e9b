using System.Globalization;
using System.Text;
using System.Text.Json;

namespace AdaptiveSoftmax.Corpus;

/// <summary>The normalizers of a <c>tokenizer.json</c>.</summary>
internal static class JsonNormalizers
{
    public static IEnumerable<Func<string, SegmentStart, string>> Read(JsonElement normalizer)
    {
        foreach (var part in JsonParts.Flatten(normalizer, "normalizers"))
        {
            Func<string, string>? normalize = JsonParts.TypeOf(part) switch
            {
                "NFC" => static text => NormalForm.Normalize(text, NormalizationForm.FormC),
                "NFD" => static text => NormalForm.Normalize(text, NormalizationForm.FormD),
                "NFKC" => static text => NormalForm.Normalize(text, NormalizationForm.FormKC),
                "NFKD" => static text => NormalForm.Normalize(text, NormalizationForm.FormKD),
                "Lowercase" => LowerCase,
                "StripAccents" => StripMarks,
                "Replace" => ReadReplace(part),
                "BertNormalizer" => ReadBert(part),
                "Precompiled" => ReadPrecompiled(part),
                "Prepend" => null,
                var other => throw JsonParts.Unknown("The normalizer", other),
            };
            if (normalize is not null)
            {
                yield return (text, _) => normalize(text);
                continue;
            }

            var prefix = JsonParts.TextOf(part, "prepend") ?? "";
            yield return (text, start) => text.Length == 0 || start == SegmentStart.Text ? text : prefix + text;
        }
    }

    private static Func<string, string> ReadReplace(JsonElement part)
    {
        var content = JsonParts.TextOf(part, "content") ?? "";
        var pattern = part.GetProperty("pattern");
        if (JsonParts.TextOf(pattern, "String") is { Length: > 0 } text) return input => input.Replace(text, content, StringComparison.Ordinal);
        var regex = JsonSplits.CreateRegex(JsonParts.TextOf(pattern, "Regex") ?? throw JsonParts.Unknown("The pattern", pattern.ToString()));
        return input =>
        {
            var output = new StringBuilder();
            var position = 0;
            foreach (var (start, end) in regex.Matches(input))
            {
                output.Append(input, position, start - position).Append(content);
                position = end;
            }

            return position == 0 ? input : output.Append(input, position, input.Length - position).ToString();
        };
    }

    private static Func<string, string> ReadPrecompiled(JsonElement part)
    {
        if (JsonParts.TextOf(part, "precompiled_charsmap") is not { Length: > 0 } map) return static text => text;
        var characters = new CharacterMap(Convert.FromBase64String(map));
        return characters.ReplaceGraphemes;
    }

    private static Func<string, string> ReadBert(JsonElement part)
    {
        var cleans = JsonParts.IsTrue(part, "clean_text", true);
        var separatesChinese = JsonParts.IsTrue(part, "handle_chinese_chars", true);
        var lowers = JsonParts.IsTrue(part, "lowercase", true);
        var strips = JsonParts.IsTrue(part, "strip_accents", lowers);
        return text =>
        {
            var output = new StringBuilder(text.Length);
            foreach (var rune in text.EnumerateRunes())
            {
                if (cleans && IsDropped(rune)) continue;
                if (cleans && IsSpace(rune)) output.Append(' ');
                else if (separatesChinese && IsChinese(rune.Value)) output.Append(' ').Append(rune.ToString()).Append(' ');
                else output.Append(rune.ToString());
            }

            var result = output.ToString();
            if (strips) result = StripMarks(NormalForm.Normalize(result, NormalizationForm.FormD));
            return lowers ? LowerCase(result) : result;
        };
    }

    // The only character whose lower case has two, without a locale.
    private static string LowerCase(string text) => text.Replace("\u0130", "i\u0307", StringComparison.Ordinal).ToLowerInvariant();

    private static string StripMarks(string text) =>
        string.Concat(text.EnumerateRunes().Where(rune => Rune.GetUnicodeCategory(rune) != UnicodeCategory.NonSpacingMark).Select(rune => rune.ToString()));

    private static bool IsDropped(Rune rune) =>
        rune.Value is 0 or 0xFFFD || (rune.Value is not ('\t' or '\n' or '\r') && Rune.GetUnicodeCategory(rune) is UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.OtherNotAssigned or UnicodeCategory.PrivateUse);

    private static bool IsSpace(Rune rune) => rune.Value is '\t' or '\n' or '\r' || Rune.IsWhiteSpace(rune);

    private static bool IsChinese(int c) => c is (>= 0x4E00 and <= 0x9FFF) or (>= 0x3400 and <= 0x4DBF) or (>= 0x20000 and <= 0x2A6DF)
        or (>= 0x2A700 and <= 0x2B73F) or (>= 0x2B740 and <= 0x2B81F) or (>= 0x2B920 and <= 0x2CEAF) or (>= 0xF900 and <= 0xFAFF) or (>= 0x2F800 and <= 0x2FA1F);
}
