namespace AdaptiveSoftmax.Vocabulary;

/// <summary>
/// Reads a token table: one line a token, <c>id TAB count TAB token</c>, by descending count, ties by ascending id.
/// A token is printable ASCII with the escapes <c>\\</c> and <c>\xHH</c>; every line ends in a line feed, a carriage
/// return or both. A byte order mark, the kind of line end and the culture make no difference. Before the tokens may stand
/// the line <c>#pinned TAB n</c>: the first n tokens then stand in front whatever their counts; and <c>#kept TAB n</c>: they
/// stand where an earlier plan had them.
/// </summary>
public static class TokenTableReader
{
    /// <summary>Reads a table. Never throws for what the text holds: whatever is wrong is in the result.</summary>
    /// <param name="file">The name of the file, for errors.</param>
    /// <param name="text">The whole text of the file.</param>
    /// <returns>The table, or up to 100 errors in the order of the text.</returns>
    /// <exception cref="ArgumentNullException">An argument is null.</exception>
    public static TokenTableReadResult Read(string file, string text)
    {
        var result = Read(file, text, out var header, out var errors);
        if (header.Shard is not { } shard || errors.Count > 0) return result;
        errors.Add(SpecErrorKind.TableTruncated, new SourceSpan(0, Lines.EndOf(text, 0), 1, 1),
            $"The table has the counts of one part of a corpus alone, {Excerpt.Of(shard.Split('\t')[0])}.",
            $"Add the parts up with `adaptive-softmax count merge`.");
        return new TokenTableReadResult(file, null, errors.ToArray());
    }

    /// <summary>Reads the counts of a part of a corpus, which may be none, or of a whole one.</summary>
    internal static TokenTableReadResult ReadPart(string file, string text, out TokenTableHeader header) => Read(file, text, out header, out _);

    private static TokenTableReadResult Read(string file, string text, out TokenTableHeader header, out ErrorList errors)
    {
        if (file is null) throw new ArgumentNullException(nameof(file));
        if (text is null) throw new ArgumentNullException(nameof(text));
        errors = new ErrorList(file);
        var rows = new TokenRows(text.Length);
        ReadRows(text, rows, errors, out header);
        TokenTableErrors.CheckDuplicates(text, rows, errors);
        if (header.Shard is null) TokenTableErrors.CheckSize(text, rows, errors);
        return new TokenTableReadResult(file, errors.Count == 0 ? rows.ToTable(header) : null, errors.ToArray());
    }

    private static void ReadRows(string text, TokenRows rows, ErrorList errors, out TokenTableHeader header)
    {
        var position = text.Length > 0 && text[0] == '\uFEFF' ? 1 : 0;
        var line = 1;
        header = TokenTableHeader.Read(text, rows, errors, ref position, ref line);
        while (position < text.Length && !errors.IsFull)
        {
            var start = position;
            if (rows.TryRead(text, ref position))
            {
                if (rows.Count - 2 >= Math.Max(header.PinnedCount, header.KeptCount) && !rows.LastTwoAreInOrder) TokenTableErrors.AddOutOfOrder(start, line, rows, errors);
            }
            else
            {
                TokenTableErrors.AddLine(text, start, line, errors);
                rows.Skip(start);
                position = Lines.EndOf(text, start);
            }

            position = Lines.Behind(text, position);
            line++;
        }

        header.Check(rows, errors);
    }
}
