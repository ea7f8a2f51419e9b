using System.Text;

namespace AdaptiveSoftmax.Vocabulary.Tests.Tokens;

/// <summary>What valid tables mean, and that they are written as they are read.</summary>
public class TokenTableTests
{
    [Fact]
    public void Lines_BecomeSlotsInOrder()
    {
        var table = TokenTableReader.Read("t", "7\t120\tthe\n2147483647\t119\t\\\\ \\x00\\xff\\x20\n").Table!;

        Assert.Equal(2, table.Count);
        Assert.Equal((7, 120L), (table.GetId(0), table.GetCount(0)));
        Assert.Equal("the"u8, table.GetToken(0));
        Assert.Equal((int.MaxValue, 119L), (table.GetId(1), table.GetCount(1)));
        Assert.Equal([(byte)'\\', (byte)' ', 0, 0xff, (byte)' '], table.GetToken(1).ToArray());
    }

    [Fact]
    public void Create_RanksByCountThenId()
    {
        var table = TokenTable.Create([5, 3, 9, 1], [10, 20, 20, 0], ["a"u8.ToArray(), "b"u8.ToArray(), [], "d"u8.ToArray()]);

        Assert.Equal([3, 9, 5, 1], table.Ids.ToArray());
        Assert.Equal([20, 20, 10, 0], table.Counts.ToArray());
        Assert.Equal("b"u8, table.GetToken(0));
        Assert.Equal(0, table.GetToken(1).Length);
        Assert.Equal("d"u8, table.GetToken(3));
    }

    [Fact]
    public void Writer_EscapesEveryByteOutsidePrintableAscii()
    {
        var table = TokenTable.Create([0, 1, 2], [3, 2, 1], [Encoding.UTF8.GetBytes(" é\t"), "a\\b "u8.ToArray(), "\x7f~ x"u8.ToArray()]);
        using var writer = new StringWriter { NewLine = "\r\n" };

        TokenTableWriter.Write(writer, table, TestContext.Current.CancellationToken);

        Assert.Equal("0\t3\t \\xC3\\xA9\\x09\n1\t2\ta\\\\b\\x20\n2\t1\t\\x7F~ x\n", writer.ToString());
        Assert.Equal(table, TokenTableReader.Read("t", writer.ToString()).Table);
    }

    [Fact]
    public void PinnedTokens_StandInFrontAndAreReadBack()
    {
        var table = TokenTable.Create([10, 11, 12, 13], [5, 9, 0, 7], [[97], [98], [99], [100]], [12, 10]);
        Assert.Equal([12, 10, 11, 13], table.Ids.ToArray());
        using var writer = new StringWriter();
        TokenTableWriter.Write(writer, table, TestContext.Current.CancellationToken);
        Assert.Equal("#pinned\t2\n12\t0\tc\n10\t5\ta\n11\t9\tb\n13\t7\td\n", writer.ToString());
        var read = TokenTableReader.Read("x", "\uFEFF" + writer.ToString().Replace("\n", "\r\n", StringComparison.Ordinal)).Table!;
        Assert.Equal(table, read);
        Assert.Equal(2, read.PinnedCount);
        Assert.NotEqual(TokenTable.Create([10, 11, 12, 13], [5, 9, 0, 7], [[97], [98], [99], [100]]), table);
        Assert.Throws<ArgumentException>(() => TokenTable.Create([1, 2], [1, 2], [[97], [98]], [3]));
        Assert.Throws<ArgumentException>(() => TokenTable.Create([1, 2], [1, 2], [[97], [98]], [2, 2]));
    }

    [Fact]
    public void KeptTokens_StandBehindPinnedOnesAndAreReadBack()
    {
        var table = TokenTable.Create([10, 11, 12, 13], [5, 9, 0, 7], [[97], [98], [99], [100]], [12, 10], pinnedCount: 1);
        Assert.Equal((1, 2), (table.PinnedCount, table.KeptCount));
        using var writer = new StringWriter();
        TokenTableWriter.Write(writer, table, TestContext.Current.CancellationToken);
        Assert.Equal("#pinned\t1\n#kept\t2\n12\t0\tc\n10\t5\ta\n11\t9\tb\n13\t7\td\n", writer.ToString());
        var read = TokenTableReader.Read("x", writer.ToString()).Table!;
        Assert.Equal(table, read);
        Assert.NotEqual(TokenTable.Create([10, 11, 12, 13], [5, 9, 0, 7], [[97], [98], [99], [100]], [12, 10]), table);
        Assert.Equal((0, 2), TokenTableReader.Read("x", writer.ToString().Replace("#pinned\t1\n", "", StringComparison.Ordinal)).Table is { } kept ? (kept.PinnedCount, kept.KeptCount) : default);
        Assert.Throws<ArgumentException>(() => TokenTable.Create([1, 2], [1, 2], [[97], [98]], [2], pinnedCount: 2));
    }

    [Fact]
    public void Pins_ChangeNoFingerprintWhereTheyChangeNoOrder()
    {
        var ranked = TokenTable.Create([1, 2], [9, 5], [[97], [98]]);
        Assert.Equal(ranked.Fingerprint, TokenTable.Create([1, 2], [9, 5], [[97], [98]], [1]).Fingerprint);
        Assert.NotEqual(ranked.Fingerprint, TokenTable.Create([1, 2], [9, 5], [[97], [98]], [2]).Fingerprint);
    }
}
