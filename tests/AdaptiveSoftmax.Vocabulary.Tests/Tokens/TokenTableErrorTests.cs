namespace AdaptiveSoftmax.Vocabulary.Tests.Tokens;

/// <summary>Each fault of a token table is reported with its kind, its place, what is wrong and how to mend it.</summary>
public class TokenTableErrorTests
{
    [Theory]
    [InlineData(SpecErrorKind.EmptyVocabulary, "⟦⟧", "table is empty", "id TAB count TAB token")]
    [InlineData(SpecErrorKind.SingleToken, "⟦12⟧\t5\ta\n", "only one token", "Add the other tokens")]
    [InlineData(SpecErrorKind.TableTruncated, "0\t5\ta\n⟦1\t4\tb⟧", "middle of a line: line 2", "end it with a line feed")]
    [InlineData(SpecErrorKind.TableTruncated, "0\t5\ta\n1\t4\tb\n⟦2\t⟧", "middle of a line: line 3", "cut off")]
    [InlineData(SpecErrorKind.TableTruncated, "0\t5\ta\n1\t4\tb\n⟦2⟧", "middle of a line: line 3", "cut off")]
    [InlineData(SpecErrorKind.WrongColumnCount, "0\t5\ta\n⟦1 4 b⟧\n2\t3\tc\n", "no tab, so 1 column", "tab characters")]
    [InlineData(SpecErrorKind.WrongColumnCount, "0\t5\ta\n⟦1\tb⟧\n2\t3\tc\n", "2 columns", "tab characters")]
    [InlineData(SpecErrorKind.WrongColumnCount, "0\t5\ta\n⟦1\t4\tb\tc⟧\n2\t3\tc\n", "4 columns", "\\x09")]
    [InlineData(SpecErrorKind.WrongColumnCount, "0\t5\ta\n1\t4\tb\n⟦⟧\n", "blank", "Remove the line")]
    [InlineData(SpecErrorKind.InvalidNumber, "0\t5\ta\n⟦x⟧\t4\tb\n", "id is \"x\"", "digits 0 to 9")]
    [InlineData(SpecErrorKind.InvalidNumber, "0\t5\ta\n⟦+1⟧\t4\tb\n", "id is \"+1\"", "digits 0 to 9")]
    [InlineData(SpecErrorKind.InvalidNumber, "0\t5\ta\n⟦-⟧\t4\tb\n", "id is \"-\"", "digits 0 to 9")]
    [InlineData(SpecErrorKind.InvalidNumber, "0\t5\ta\n⟦٣⟧\t4\tb\n", "id is \"٣\"", "digits 0 to 9")]
    [InlineData(SpecErrorKind.InvalidNumber, "0\t5\ta\n⟦⟧\t4\tb\n", "id is missing", "id TAB count TAB token")]
    [InlineData(SpecErrorKind.InvalidNumber, "0\t5\ta\n⟦01⟧\t4\tb\n", "leading zero", "Remove")]
    [InlineData(SpecErrorKind.InvalidNumber, "0\t5\ta\n1\t⟦4.0⟧\tb\n", "count is \"4.0\"", "digits 0 to 9")]
    [InlineData(SpecErrorKind.InvalidNumber, "0\t5\ta\n1\t⟦⟧\tb\n", "count is missing", "id TAB count TAB token")]
    [InlineData(SpecErrorKind.NegativeId, "0\t5\ta\n⟦-1⟧\t4\tb\n", "id -1 is negative", "not negative")]
    [InlineData(SpecErrorKind.IdTooLarge, "0\t5\ta\n⟦2147483648⟧\t4\tb\n", "id 2147483648 is too large", "2^31 - 1")]
    [InlineData(SpecErrorKind.IdTooLarge, "0\t5\ta\n⟦18446744073709551617⟧\t4\tb\n", "is too large", "2^31 - 1")]
    [InlineData(SpecErrorKind.OutOfRange, "0\t5\ta\n1\t⟦-4⟧\tb\n", "count -4 is negative", "Write 0")]
    [InlineData(SpecErrorKind.OutOfRange, "0\t⟦9223372036854775808⟧\ta\n1\t4\tb\n", "is too large", "Scale")]
    [InlineData(SpecErrorKind.BadEscape, "0\t5\ta\n1\t4\tb⟦\\n⟧c\n", "\\n is no escape", "\\x0A")]
    [InlineData(SpecErrorKind.BadEscape, "0\t5\ta\n1\t4\tb⟦\\x⟧4g\n", "\\x is no escape", "\\xHH")]
    [InlineData(SpecErrorKind.BadEscape, "0\t5\ta\n1\t4\tb⟦\\x⟧4\n", "\\x is no escape", "\\xHH")]
    [InlineData(SpecErrorKind.BadEscape, "0\t5\ta\n1\t4\t⟦\\⟧\n", "\\ is no escape", "\\\\")]
    [InlineData(SpecErrorKind.UnescapedCharacter, "0\t5\ta\n1\t4\tb⟦é⟧\n", "'é' stands in a token", "\\xHH")]
    [InlineData(SpecErrorKind.UnescapedCharacter, "0\t5\ta\n1\t4\tb⟦\0⟧\n", "U+0000 stands in a token", "\\xHH")]
    [InlineData(SpecErrorKind.UnescapedCharacter, "0\t5\ta\n1\t4\tb⟦\x7f⟧\n", "U+007F stands in a token", "\\xHH")]
    [InlineData(SpecErrorKind.UnescapedCharacter, "0\t5\ta\n1\t4\tb⟦ ⟧\n", "ends in a space", "\\x20")]
    [InlineData(SpecErrorKind.CountsOutOfOrder, "0\t5\ta\n1\t⟦16⟧\tb\n2\t4\tc\n", "count 16 is greater than 5", "Sort the lines")]
    [InlineData(SpecErrorKind.CountsOutOfOrder, "#pinned\t1\n0\t1\ta\n1\t5\tb\n2\t⟦9⟧\tc\n", "count 9 is greater than 5", "Sort the lines")]
    [InlineData(SpecErrorKind.InvalidNumber, "⟦#pinned\t3⟧\n0\t1\ta\n1\t5\tb\n", "pins 3 tokens, and the table has 2", "Write how many")]
    [InlineData(SpecErrorKind.InvalidNumber, "⟦#pinned\tx⟧\n0\t5\ta\n1\t1\tb\n", "as a whole number above 0", "#pinned TAB n")]
    [InlineData(SpecErrorKind.CountsOutOfOrder, "#kept\t2\n0\t1\ta\n1\t5\tb\n2\t9\tc\n3\t⟦10⟧\td\n", "count 10 is greater than 9", "Sort the lines")]
    [InlineData(SpecErrorKind.InvalidNumber, "⟦#kept\t3⟧\n0\t1\ta\n1\t5\tb\n", "keeps 3 tokens in place, and the table has 2", "Write how many")]
    [InlineData(SpecErrorKind.InvalidNumber, "⟦#kept\t0⟧\n0\t5\ta\n1\t1\tb\n", "as a whole number above 0", "#kept TAB n")]
    [InlineData(SpecErrorKind.WrongColumnCount, "⟦#tokens⟧\n0\t5\ta\n1\t1\tb\n", "begins with \"#tokens\"", "Remove the line")]
    [InlineData(SpecErrorKind.TableTruncated, "⟦#shard\t1/2\tx⟧\n0\t5\ta\n1\t1\tb\n", "one part of a corpus alone, 1/2", "count merge")]
    [InlineData(SpecErrorKind.CountsOutOfOrder, "7\t5\ta\n⟦3⟧\t5\tb\n", "id 3 is below 7", "Sort the lines")]
    [InlineData(SpecErrorKind.DuplicateId, "7\t5\ta\n9\t5\tc\n⟦7⟧\t4\tb\n", "id 7 stands on line 1 already", "another id")]
    [InlineData(SpecErrorKind.DuplicateId, "7\t5\ta\n⟦7⟧\t5\tb\n", "id 7 stands on line 1 already", "another id")]
    [InlineData(SpecErrorKind.DuplicateToken, "7\t5\ta\n8\t5\tbc\n19\t4\t⟦\\x62c⟧\n", "\"bc\" stands on line 2 already", "Remove one")]
    [InlineData(SpecErrorKind.DuplicateToken, "7\t5\t\n8\t5\tb\n9\t4\t⟦⟧\n", "\"\" stands on line 1 already", "Remove one")]
    public void Fault_IsReportedAtItsPlace(SpecErrorKind kind, string marked, string message, string remedy)
    {
        var expected = MarkedText.Parse(marked);
        var result = TokenTableReader.Read("dir/news.tokens", expected.Text);

        Assert.Null(result.Table);
        var error = Assert.Single(result.Errors);
        Assert.Equal(kind, error.Kind);
        Assert.Equal(expected.Spans[0], error.Span);
        Assert.Equal("dir/news.tokens", error.File);
        Assert.Contains(message, error.Message, StringComparison.Ordinal);
        Assert.Contains(remedy, error.Remedy, StringComparison.Ordinal);
    }

    [Fact]
    public void SeveralFaults_AreAllReportedInTheOrderOfTheText()
    {
        var errors = TokenTableReader.Read("t", "5\t9\ta\r\nx\ty\tz\\\r\n\r6\t9\ta\n5\t10\tb\n-1\t0\té\n7\t0").Errors;

        Assert.Equal(
        [
            (SpecErrorKind.InvalidNumber, 2, 1), (SpecErrorKind.InvalidNumber, 2, 3), (SpecErrorKind.BadEscape, 2, 6),
            (SpecErrorKind.WrongColumnCount, 3, 1), (SpecErrorKind.DuplicateToken, 4, 5), (SpecErrorKind.DuplicateId, 5, 1),
            (SpecErrorKind.CountsOutOfOrder, 5, 3), (SpecErrorKind.NegativeId, 6, 1), (SpecErrorKind.UnescapedCharacter, 6, 6),
            (SpecErrorKind.TableTruncated, 7, 1),
        ], errors.Select(error => (error.Kind, error.Span.Line, error.Span.Column)));
    }

    [Fact]
    public void TokensThatStandTwiceByTheThousand_AreReportedFromTheFirstOn()
    {
        var text = string.Concat(Enumerable.Range(0, 5000).Select(i => FormattableString.Invariant($"{i}\t0\tt{i % 2000}\n")));

        var errors = TokenTableReader.Read("t", text).Errors;

        Assert.Equal(Enumerable.Range(2001, 100), errors.Select(error => error.Span.Line));
        Assert.Equal("The token \"t3\" stands on line 4 already; tokens must be distinct.", errors[3].Message);
    }

    [Fact]
    public void Create_RefusesWhatNoTableMayHold()
    {
        byte[] a = [1], b = [2];
        Assert.Contains("2 ids, 1 counts", Message([1, 2], [0], [a, b]), StringComparison.Ordinal);
        Assert.Contains("id of token 1 is -2", Message([1, -2], [1, 0], [a, b]), StringComparison.Ordinal);
        Assert.Contains("count of token 1 is -1", Message([1, 2], [1, -1], [a, b]), StringComparison.Ordinal);
        Assert.Contains("id 1 is given to two", Message([1, 1], [1, 1], [a, b]), StringComparison.Ordinal);
        Assert.Contains("ids 1 and 2 have the same bytes", Message([1, 2], [1, 0], [a, a]), StringComparison.Ordinal);
        Assert.Contains("Token 1 is null", Message([1, 2], [1, 0], [a, null!]), StringComparison.Ordinal);

        static string Message(int[] ids, long[] counts, byte[][] tokens) =>
            Assert.Throws<ArgumentException>(() => TokenTable.Create(ids, counts, tokens)).Message;
    }
}
