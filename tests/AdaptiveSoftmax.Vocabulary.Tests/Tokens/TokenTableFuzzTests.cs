using AdaptiveSoftmax.Testing;
using CsCheck;

namespace AdaptiveSoftmax.Vocabulary.Tests.Tokens;

/// <summary>No text makes the reader throw, and every table survives being written and read.</summary>
public class TokenTableFuzzTests
{
    private const string Valid = "7\t120\tthe\n2147483647\t119\t\\\\ \\x00\\xff\\x20\n3\t5\t\n4\t5\t z\n0\t0\t\\xC3\\xA9\n";

    private static readonly string[] s_valid = [Valid, Valid.Replace("\n", "\r\n", StringComparison.Ordinal), "\uFEFF" + Valid.Replace('\n', '\r')];

    private static readonly Gen<TokenTable> s_tables =
        from tokens in Gen.OneOf(Gen.Byte, Gen.OneOf((byte)' ', (byte)'\\', (byte)'x')).Array[0, 6].Array[2, 40]
        from ids in Gen.OneOf(Gen.Int[0, 60], Gen.Int[0, int.MaxValue]).Array[40]
        from counts in Gen.OneOf(Gen.Long[0, 3], Gen.Long[0, long.MaxValue]).Array[40]
        let distinct = tokens.Zip(ids, counts).DistinctBy(entry => Convert.ToHexString(entry.First)).DistinctBy(entry => entry.Second).ToArray()
        where distinct.Length > 1
        select TokenTable.Create([.. distinct.Select(entry => entry.Second)], [.. distinct.Select(entry => entry.Third)], [.. distinct.Select(entry => entry.First)]);

    [Fact]
    public void RandomText_NeverThrows() => Fuzzing.Noise.Sample(Check, iter: 30_000);

    [Fact]
    public void MutatedTables_NeverThrow() => Fuzzing.Mutate(s_valid).Sample(Check, iter: 60_000);

    [Fact]
    [MoreAtNight]
    public void DamagedTables_AreReadOrRefused() => DamagedInputs.Read(mutator => mutator.Text(mutator.Any(s_valid)), text =>
    {
        Check(text);
        var result = TokenTableReader.Read("t", text);
        if (result.Table is null) throw new FormatException(result.Errors[0].ToString());
    }, exception => exception is FormatException);

    [Fact]
    public void LineEndsAndByteOrderMark_MakeNoDifference()
    {
        var tables = s_valid.Select(text => TokenTableReader.Read("t", text).Table!).ToArray();

        Assert.Equal(5, tables[0].Count);
        Assert.All(tables, table => Assert.Equal(tables[0], table));
    }

    [Fact]
    public void TablesCutOffAnywhere_AreErrorsOrWholeLines()
    {
        for (var length = 0; length < Valid.Length; length++)
        {
            var text = Valid[..length];
            Check(text);
            var lines = text.Count(c => c == '\n');
            var isWhole = text.EndsWith('\n') && lines >= 2;
            Assert.Equal(isWhole ? lines : null, TokenTableReader.Read("t", text).Table?.Count);
            if (!isWhole && length > 0 && !text.EndsWith('\n'))
                Assert.Equal(SpecErrorKind.TableTruncated, TokenTableReader.Read("t", text).Errors[^1].Kind);
        }
    }

    [Fact]
    public void EveryTable_SurvivesWritingAndReading() => s_tables.Sample(table =>
    {
        using var writer = new StringWriter();
        TokenTableWriter.Write(writer, table);
        Assert.All(writer.ToString(), c => Assert.True(c is '\t' or '\n' or (>= ' ' and <= '~')));
        var again = TokenTableReader.Read("t", writer.ToString());
        Assert.Empty(again.Errors);
        Assert.Equal(table, again.Table);
        Assert.Equal(table.Fingerprint, again.Table!.Fingerprint);
        Assert.Equal(table.GetHashCode(), again.Table.GetHashCode());
    }, iter: 5_000);

    [Fact]
    public void DuplicatesAmongAnyTokens_AreThoseOfADictionary() =>
        Gen.Int[0, 2].Select(value => (byte)value).Array[0, 12].Array[2, 60].Sample(tokens =>
        {
            var text = string.Concat(tokens.Select((token, i) => FormattableString.Invariant($"{i}\t0\t") + string.Concat(token.Select(value => @"\x0" + value)) + "\n"));
            var seen = new Dictionary<string, int>();
            var expected = tokens.Select((token, i) => (Line: i + 1, IsRepeated: !seen.TryAdd(Convert.ToHexString(token), i))).Where(entry => entry.IsRepeated).Select(entry => entry.Line);
            Assert.Equal(expected, TokenTableReader.Read("t", text).Errors.Select(error => error.Span.Line));
        }, iter: 5_000);

    private static void Check(string text)
    {
        var result = TokenTableReader.Read("t", text);
        Assert.Equal(result.Errors.Count == 0, result.Table is not null);
        Fuzzing.AssertPresentable(text, "t", result.Errors);
    }
}
