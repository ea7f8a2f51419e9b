using System.Collections.Concurrent;
using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace AdaptiveSoftmax.Corpus;

/// <summary>
/// Matches code points where .NET matches UTF-16 units: a character beyond the basic plane counts as one of its category
/// within it, so that the classes of a pattern know it.
/// </summary>
internal sealed class CodePointRegex(Regex pattern)
{
    // Copies that nobody matches with just now: there come to be as many as there are threads.
    private readonly ConcurrentBag<UnsharedRegex> _idle = [];

    /// <summary>The matches that are not empty, in order.</summary>
    public IEnumerable<(int Start, int End)> Matches(string text)
    {
        var (shadow, places) = text.AsSpan().ContainsAnyInRange('\uD800', '\uDFFF') ? Shadow(text) : (text, null);
        if (!_idle.TryTake(out var copy)) copy = new UnsharedRegex(pattern);
        try
        {
            for (var match = copy.Match(shadow); match.Success; match = match.NextMatch())
            {
                var (start, end) = (match.Index, match.Index + match.Length);
                if (start < end) yield return places is null ? (start, end) : (places[start], places[end]);
            }
        }
        finally
        {
            _idle.Add(copy);
        }
    }

    private static (string Shadow, int[] Places) Shadow(string text)
    {
        var shadow = new StringBuilder(text.Length);
        var places = new List<int>(text.Length + 1);
        for (var i = 0; i < text.Length;)
        {
            places.Add(i);
            if (Rune.DecodeFromUtf16(text.AsSpan(i), out var rune, out var length) != System.Buffers.OperationStatus.Done || length == 1)
            {
                shadow.Append(text[i++]);
                continue;
            }

            shadow.Append(Represent(CharUnicodeInfo.GetUnicodeCategory(rune.Value)));
            i += length;
        }

        places.Add(text.Length);
        return (shadow.ToString(), [.. places]);
    }

    // Characters that no pattern names by themselves.
    private static char Represent(UnicodeCategory category) => category switch
    {
        UnicodeCategory.UppercaseLetter => '\uA640',
        UnicodeCategory.LowercaseLetter => '\uA641',
        UnicodeCategory.TitlecaseLetter => '\u1F88',
        UnicodeCategory.ModifierLetter => '\uA4F8',
        UnicodeCategory.OtherLetter => '\uA000',
        UnicodeCategory.NonSpacingMark => '\uA66F',
        UnicodeCategory.SpacingCombiningMark => '\uA823',
        UnicodeCategory.EnclosingMark => '\u0488',
        UnicodeCategory.DecimalDigitNumber => '\uA620',
        UnicodeCategory.LetterNumber => '\uA6E6',
        UnicodeCategory.OtherNumber => '\uA830',
        UnicodeCategory.ConnectorPunctuation => '\uFE33',
        UnicodeCategory.DashPunctuation => '\uFE31',
        UnicodeCategory.OpenPunctuation => '\uFE35',
        UnicodeCategory.ClosePunctuation => '\uFE36',
        UnicodeCategory.OtherPunctuation => '\uA4FE',
        UnicodeCategory.MathSymbol => '\u2A00',
        UnicodeCategory.CurrencySymbol => '\uA838',
        UnicodeCategory.ModifierSymbol => '\uA700',
        UnicodeCategory.OtherSymbol => '\uA490',
        UnicodeCategory.Format => '\u2064',
        UnicodeCategory.PrivateUse => '\uE000',
        _ => '\uFFFF',
    };
}
