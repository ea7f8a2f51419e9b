namespace AdaptiveSoftmax.Vocabulary;

/// <summary>
/// Reads a token table: one line a token, <c>id TAB count TAB token</c>, by descending count, ties by ascending id.
/// A token is printable ASCII with the escapes <c>\\</c> and <c>\xHH</c>; every line ends in a line feed, a carriage
/// return or both. A byte order mark, the kind of line end and the culture make no difference.
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
        if (file is null) throw new ArgumentNullException(nameof(file));
        if (text is null) throw new ArgumentNullException(nameof(text));
        var errors = new ErrorList(file);
        var rows = new TokenRows(text.Length);
        ReadRows(text, rows, errors);
        TokenTableErrors.CheckDuplicates(text, rows, errors);
        TokenTableErrors.CheckSize(text, rows, errors);
        return new TokenTableReadResult(file, errors.Count == 0 ? rows.ToTable() : null, errors.ToArray());
    }

    private static void ReadRows(string text, TokenRows rows, ErrorList errors)
    {
        var position = text.Length > 0 && text[0] == '\uFEFF' ? 1 : 0;
        var line = 1;
        while (position < text.Length && !errors.IsFull)
        {
            var start = position;
            if (rows.TryRead(text, ref position))
            {
                if (!rows.LastTwoAreInOrder) TokenTableErrors.AddOutOfOrder(start, line, rows, errors);
            }
            else
            {
                TokenTableErrors.AddLine(text, start, line, errors);
                rows.Skip(start);
                position = Lines.EndOf(text, start);
            }

            // A carriage return and a line feed are one line end.
            if (position < text.Length && text[position] == '\r') position++;
            if (position < text.Length && text[position] == '\n') position++;
            line++;
        }
    }
}
