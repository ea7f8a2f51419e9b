namespace AdaptiveSoftmax.Vocabulary;

/// <summary>Says what is wrong with a token table, once the fast path has found that something is.</summary>
internal static class TokenTableErrors
{
    private const string Rewrite = "write the table anew with `adaptive-softmax count`";

    /// <summary>Adds the errors of one line that the fast path refused; there is always at least one.</summary>
    public static void AddLine(string text, int start, int line, ErrorList errors)
    {
        var end = Lines.EndOf(text, start);
        if (end == text.Length)
        {
            errors.Add(SpecErrorKind.TableTruncated, new SourceSpan(start, end - start, line, 1),
                $"The table ends in the middle of a line: line {line} has no line end.",
                $"If the line is whole, end it with a line feed; otherwise the file was cut off, so restore it or {Rewrite}.");
            return;
        }

        var columns = text.Substring(start, end - start).Split('\t');
        if (columns.Length != 3)
        {
            AddColumnCount(columns.Length, end == start, new SourceSpan(start, end - start, line, 1), errors);
            return;
        }

        var countStart = columns[0].Length + 1;
        var tokenStart = countStart + columns[1].Length + 1;
        CheckId(columns[0], new SourceSpan(start, columns[0].Length, line, 1), errors);
        CheckCount(columns[1], new SourceSpan(start + countStart, columns[1].Length, line, countStart + 1), errors);
        CheckToken(columns[2], new SourceSpan(start + tokenStart, columns[2].Length, line, tokenStart + 1), errors);
    }

    public static void AddOutOfOrder(int start, int line, TokenRows rows, ErrorList errors)
    {
        var (id, count) = (rows.GetId(rows.Count - 1), rows.GetCount(rows.Count - 1));
        var (previousId, previousCount) = (rows.GetId(rows.Count - 2), rows.GetCount(rows.Count - 2));
        if (count > previousCount)
        {
            var idLength = DecimalLength(id);
            errors.Add(SpecErrorKind.CountsOutOfOrder, new SourceSpan(start + idLength + 1, DecimalLength(count), line, idLength + 2),
                $"The count {count} is greater than {previousCount} on the line before; counts must descend.",
                $"Sort the lines by descending count, equal counts by ascending id, or {Rewrite}.");
        }
        else
        {
            errors.Add(SpecErrorKind.CountsOutOfOrder, new SourceSpan(start, DecimalLength(id), line, 1),
                $"The id {id} is below {previousId} on the line before, which has the same count {count}; equal counts must stand by ascending id.",
                $"Sort the lines by descending count, equal counts by ascending id, or {Rewrite}.");
        }
    }

    public static void CheckDuplicates(string text, TokenRows rows, ErrorList errors)
    {
        foreach (var (row, earlier) in DuplicateFinder.FindIds(rows.Ids, ErrorList.Limit))
        {
            var start = rows.GetStart(row);
            errors.Add(SpecErrorKind.DuplicateId, new SourceSpan(start, DecimalLength(rows.GetId(row)), rows.GetLine(row), 1),
                $"The id {rows.GetId(row)} stands on line {rows.GetLine(earlier)} already; ids must be distinct.",
                $"Remove one of the two lines or give one another id.");
        }

        foreach (var (row, earlier) in DuplicateFinder.FindTokens(rows.Bytes, rows.Offsets, ErrorList.Limit))
        {
            var start = rows.GetStart(row);
            var column = DecimalLength(rows.GetId(row)) + DecimalLength(rows.GetCount(row)) + 2;
            var length = Lines.EndOf(text, start) - start - column;
            errors.Add(SpecErrorKind.DuplicateToken, new SourceSpan(start + column, length, rows.GetLine(row), column + 1),
                $"The token {Excerpt.Token(rows.GetToken(row))} stands on line {rows.GetLine(earlier)} already; tokens must be distinct.",
                $"Remove one of the two lines, adding up their counts.");
        }
    }

    public static void CheckSize(string text, TokenRows rows, ErrorList errors)
    {
        if (errors.Count > 0 || rows.Count > 1) return;
        if (rows.Count == 0)
        {
            errors.Add(SpecErrorKind.EmptyVocabulary, new SourceSpan(text.Length, 0, 1, 1),
                $"The table is empty; a softmax needs at least 2 tokens.",
                $"Write one line a token, `id TAB count TAB token`, or {Rewrite}.");
        }
        else
        {
            errors.Add(SpecErrorKind.SingleToken, new SourceSpan(rows.GetStart(0), DecimalLength(rows.GetId(0)), 1, 1),
                $"The table has only one token; a softmax needs at least 2.",
                $"Add the other tokens, one line each, or {Rewrite}.");
        }
    }

    private static void AddColumnCount(int columns, bool isBlank, SourceSpan span, ErrorList errors)
    {
        if (isBlank)
        {
            errors.Add(SpecErrorKind.WrongColumnCount, span, $"The line is blank; each line must have 3 columns: id, count and token.", $"Remove the line.");
            return;
        }

        var found = columns == 1 ? "no tab, so 1 column" : FormattableString.Invariant($"{columns} columns");
        if (columns < 3)
            errors.Add(SpecErrorKind.WrongColumnCount, span, $"The line has {found}; it must have 3: id, count and token.", $"Write `id TAB count TAB token` with tab characters between the columns.");
        else
            errors.Add(SpecErrorKind.WrongColumnCount, span, $"The line has {found}; it must have 3: id, count and token.", $"Write a tab inside a token as \\x09.");
    }

    private static void CheckId(string text, SourceSpan span, ErrorList errors)
    {
        if (IsNegative(text))
        {
            errors.Add(SpecErrorKind.NegativeId, span, $"The id {Excerpt.Of(text)} is negative; ids run from 0 to 2147483647.", $"Give the token an id that is not negative.");
        }
        else if (CheckDigits("id", text, span, errors) && !IsAtMost(text, "2147483647"))
        {
            errors.Add(SpecErrorKind.IdTooLarge, span, $"The id {Excerpt.Of(text)} is too large; ids run from 0 to 2147483647.", $"Give the token an id of at most 2147483647 (2^31 - 1).");
        }
    }

    private static void CheckCount(string text, SourceSpan span, ErrorList errors)
    {
        if (IsNegative(text))
        {
            errors.Add(SpecErrorKind.OutOfRange, span, $"The count {Excerpt.Of(text)} is negative; counts run from 0 to 9223372036854775807.", $"Write 0 for a token that was never seen.");
        }
        else if (CheckDigits("count", text, span, errors) && !IsAtMost(text, "9223372036854775807"))
        {
            errors.Add(SpecErrorKind.OutOfRange, span, $"The count {Excerpt.Of(text)} is too large; counts run from 0 to 9223372036854775807.", $"Scale all counts down.");
        }
    }

    private static bool CheckDigits(string column, string text, SourceSpan span, ErrorList errors)
    {
        if (text.Length == 0)
            errors.Add(SpecErrorKind.InvalidNumber, span, $"The {column} is missing; it must be a whole number.", $"Write `id TAB count TAB token`.");
        else if (!text.All(c => c is >= '0' and <= '9'))
            errors.Add(SpecErrorKind.InvalidNumber, span, $"The {column} is {Excerpt.Quote(text)}; it must be a whole number.", $"Write the {column} in the digits 0 to 9 alone, without spaces, signs or separators.");
        else if (text.Length > 1 && text[0] == '0')
            errors.Add(SpecErrorKind.InvalidNumber, span, $"The {column} {Excerpt.Of(text)} has a leading zero.", $"Remove the leading zeros.");
        else
            return true;
        return false;
    }

    private static void CheckToken(string text, SourceSpan span, ErrorList errors)
    {
        for (var i = 0; i < text.Length; i++)
        {
            var c = text[i];
            if (c == '\\')
            {
                var length = EscapeLength(text, i);
                if (length == 0)
                {
                    length = Math.Min(2, text.Length - i);
                    errors.Add(SpecErrorKind.BadEscape, Part(span, i, length),
                        $"{Excerpt.Of(text, i, length)} is no escape; a token may hold \\\\ and \\xHH, where HH are two hexadecimal digits.",
                        $"Write a backslash as \\\\ and any other byte as \\xHH, for example a line feed as \\x0A.");
                }

                i += length - 1;
            }
            else if (!TokenEscapes.IsPlain(c))
            {
                errors.Add(SpecErrorKind.UnescapedCharacter, Part(span, i, 1),
                    $"The character {Excerpt.Character(c)} stands in a token as it is; only printable ASCII may.",
                    $"Write each byte of it in UTF-8 as \\xHH, or {Rewrite}.");
                return;
            }
            else if (c == ' ' && i == text.Length - 1)
            {
                errors.Add(SpecErrorKind.UnescapedCharacter, Part(span, i, 1),
                    $"The token ends in a space; a space there must be escaped, since editors remove it.",
                    $"Write the last space as \\x20, or remove it if it is no part of the token.");
            }
        }
    }

    private static SourceSpan Part(SourceSpan span, int start, int length) =>
        new(span.Offset + start, length, span.Line, span.Column + start);

    private static int EscapeLength(string text, int i)
    {
        if (i + 1 < text.Length && text[i + 1] == '\\') return 2;
        var isHex = i + 3 < text.Length && text[i + 1] == 'x' && (TokenEscapes.HexValue(text[i + 2]) | TokenEscapes.HexValue(text[i + 3])) >= 0;
        return isHex ? 4 : 0;
    }

    private static bool IsNegative(string text) => text.Length > 1 && text[0] == '-' && text.Skip(1).All(c => c is >= '0' and <= '9');

    // Both are digits without leading zeros, so the longer one is the greater one.
    private static bool IsAtMost(string digits, string maximum) =>
        digits.Length < maximum.Length || (digits.Length == maximum.Length && string.CompareOrdinal(digits, maximum) <= 0);

    private static int DecimalLength(long value)
    {
        var length = 1;
        for (; value >= 10; value /= 10) length++;
        return length;
    }
}
