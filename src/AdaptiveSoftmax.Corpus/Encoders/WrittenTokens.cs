using System.Text.RegularExpressions;

namespace AdaptiveSoftmax.Corpus;

/// <summary>A token that text may name as a whole.</summary>
/// <param name="Text">The name.</param>
/// <param name="Id">Its id.</param>
/// <param name="TakesLeft">Whether white space before it belongs to it.</param>
/// <param name="TakesRight">Whether white space behind it belongs to it.</param>
internal sealed record WrittenToken(string Text, int Id, bool TakesLeft, bool TakesRight);

/// <summary>Finds tokens that are written out: the leftmost first, of those the longest.</summary>
internal sealed class WrittenTokens
{
    private readonly Dictionary<string, WrittenToken> _tokens = new(StringComparer.Ordinal);
    private readonly Regex? _pattern;

    public WrittenTokens(IEnumerable<WrittenToken> tokens)
    {
        foreach (var token in tokens) _tokens[token.Text] = token;
        _pattern = TextSplit.PatternOf(_tokens.Keys);
    }

    public static WrittenTokens None { get; } = new([]);

    /// <summary>Takes text apart: segments without tokens have the id −1.</summary>
    public IEnumerable<(string Text, int Id, SegmentStart Start)> Split(string text, SegmentStart start)
    {
        var position = 0;
        for (var match = _pattern?.Match(text); match is { Success: true }; match = match.NextMatch())
        {
            var token = _tokens[match.Value];
            var (from, to) = (match.Index, match.Index + match.Length);
            if (from < position) continue;
            if (token.TakesLeft)
            {
                while (from > position && char.IsWhiteSpace(text[from - 1])) from--;
            }

            if (token.TakesRight)
            {
                while (to < text.Length && char.IsWhiteSpace(text[to])) to++;
            }

            if (from > position) yield return (text[position..from], -1, start);
            yield return ("", token.Id, start);
            (position, start) = (to, SegmentStart.Token);
        }

        if (position < text.Length) yield return (position == 0 ? text : text[position..], -1, start);
    }
}
