using System.Collections.Concurrent;
using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Corpus;

/// <summary>
/// Matches code points where .NET matches UTF-16 units: a character beyond the basic plane counts as one of its category
/// within it, so that the classes of a pattern know it. A pattern that goes back too often is matched without going back where
/// .NET can, which gives the same matches, and refused by name where it cannot.
/// </summary>
internal sealed class CodePointRegex
{
    // A match of ordinary text takes microseconds. Whether .NET can do without going back decides how long it may take.
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan s_lastPatience = TimeSpan.FromMinutes(1);

    private readonly Regex? _linear;
    private volatile Copies _copies;

    /// <param name="pattern">The pattern.</param>
    /// <param name="patience">How long a match may take before the pattern is given up or matched without going back.</param>
    /// <exception cref="RegexParseException">.NET does not know the pattern.</exception>
    public CodePointRegex(string pattern, TimeSpan? patience = null)
    {
        _linear = TryCreateLinear(pattern);
        _copies = new Copies(new Regex(pattern, RegexOptions.CultureInvariant | RegexOptions.Compiled, patience ?? (_linear is null ? s_lastPatience : s_patience)));
    }

    /// <summary>Whether matching went back too often once, and does not go back any more.</summary>
    public bool IsLinear => _copies.Pattern == _linear;

    /// <summary>The matches that are not empty, in order.</summary>
    /// <exception cref="CorpusException">Matching goes back too often, and .NET cannot do without.</exception>
    public IEnumerable<(int Start, int End)> Matches(string text)
    {
        var (shadow, places) = text.AsSpan().ContainsAnyInRange('\uD800', '\uDFFF') ? Shadow(text) : (text, null);
        var copies = _copies;
        var copy = copies.Take();
        try
        {
            for (var match = Find(copy, shadow, null); match.Success; match = Find(copy, shadow, match))
            {
                var (start, end) = (match.Index, match.Index + match.Length);
                if (start < end) yield return places is null ? (start, end) : (places[start], places[end]);
            }
        }
        finally
        {
            copies.Idle.Add(copy);
        }
    }

    private static Regex? TryCreateLinear(string pattern)
    {
        try
        {
            return new Regex(pattern, RegexOptions.CultureInvariant | RegexOptions.NonBacktracking);
        }
        catch (NotSupportedException)
        {
            // It looks around, refers back or the like.
            return null;
        }
    }

    private Match Find(Regex copy, string text, Match? previous)
    {
        try
        {
            return previous is null ? copy.Match(text) : previous.NextMatch();
        }
        catch (RegexMatchTimeoutException exception)
        {
            if (_linear is null)
                throw new CorpusException($"The pattern {Excerpt.Quote(copy.ToString())} goes back and forth in the text, and has not found the end of a word after {exception.MatchTimeout.TotalSeconds.ToString("0.##", CultureInfo.InvariantCulture)} seconds. Leave the file with that text out, or mend the pattern.", exception);
            if (!IsLinear) _copies = new Copies(_linear);
            return _linear.Match(text, previous is null ? 0 : previous.Index + Math.Max(1, previous.Length));
        }
    }

    /// <summary>A pattern, and copies of it that nobody matches with just now: there come to be as many as there are threads.</summary>
    private sealed record Copies(Regex Pattern)
    {
        public ConcurrentBag<UnsharedRegex> Idle { get; } = [];

        public UnsharedRegex Take() => Idle.TryTake(out var copy) ? copy : new UnsharedRegex(Pattern);
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
