using System.Globalization;

namespace AdaptiveSoftmax.Vocabulary;

/// <summary>
/// The lines before the tokens of a table: <c>#pinned TAB n</c>, <c>#kept TAB n</c>, and of the counts of one part of a corpus
/// <c>#shard TAB i/n TAB ...</c>, whose rest those who add the parts up understand.
/// </summary>
internal readonly record struct TokenTableHeader(int PinnedCount, int KeptCount, string? Shard, SourceSpan PinnedSpan, SourceSpan KeptSpan)
{
    public const string PinnedName = "#pinned";
    public const string KeptName = "#kept";
    public const string ShardName = "#shard";

    /// <summary>Reads the lines, and moves behind them.</summary>
    public static TokenTableHeader Read(string text, TokenRows rows, ErrorList errors, ref int position, ref int line)
    {
        var header = default(TokenTableHeader);
        for (; position < text.Length && text[position] == '#'; line++)
        {
            var end = Lines.EndOf(text, position);
            var content = text.Substring(position, end - position);
            var tab = content.IndexOf('\t');
            var (name, value) = tab < 0 ? (content, "") : (content.Substring(0, tab), content.Substring(tab + 1));
            var span = new SourceSpan(position, end - position, line, 1);
            if (name == ShardName && header.Shard is null)
                header = header with { Shard = value };
            else if (name == PinnedName && header.PinnedCount == 0 && int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var count) && count > 0)
                header = header with { PinnedCount = count, PinnedSpan = span };
            else if (name == KeptName && header.KeptCount == 0 && int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var kept) && kept > 0)
                header = header with { KeptCount = kept, KeptSpan = span };
            else if (name == KeptName)
                errors.Add(SpecErrorKind.InvalidNumber, span, $"The line says how many of the first tokens stand as an earlier plan had them, once, as a whole number above 0.", $"Write `{KeptName} TAB n`, or remove the line.");
            else if (name == PinnedName)
                errors.Add(SpecErrorKind.InvalidNumber, span, $"The line says how many tokens stand in front whatever their counts, once, as a whole number above 0.", $"Write `{PinnedName} TAB n`, or remove the line.");
            else
                errors.Add(SpecErrorKind.WrongColumnCount, span, $"The line begins with {Excerpt.Quote(name)}, which no table has; tokens begin with their id.", $"Remove the line, or write `id TAB count TAB token`.");
            rows.Skip(position);
            position = Lines.Behind(text, end);
        }

        return header;
    }

    /// <summary>Checks that there are as many tokens as are said to be pinned.</summary>
    public void Check(TokenRows rows, ErrorList errors)
    {
        if (PinnedCount > rows.Count && errors.Count == 0)
            errors.Add(SpecErrorKind.InvalidNumber, PinnedSpan, $"The line pins {PinnedCount} tokens, and the table has {rows.Count}.", $"Write how many of the first tokens stand in front whatever their counts.");
        if (KeptCount > rows.Count && errors.Count == 0)
            errors.Add(SpecErrorKind.InvalidNumber, KeptSpan, $"The line keeps {KeptCount} tokens in place, and the table has {rows.Count}.", $"Write how many of the first tokens stand as an earlier plan had them.");
    }
}
