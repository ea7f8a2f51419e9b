using System.Globalization;
using System.Text;
using CsCheck;

namespace AdaptiveSoftmax.Vocabulary.Tests;

public class TokenLookupTests
{
    public static TheoryData<string> AdversarialSets { get; } = new(Sets.Keys);

    private static Dictionary<string, Func<List<byte[]>>> Sets => new()
    {
        ["shared prefixes"] = () => Range(2_000, i => Bytes(new string('a', 40) + Decimal(i))),
        ["shared prefixes and suffixes"] = () => Range(2_000, i => Bytes(new string('a', 40) + Decimal(i).PadLeft(5, 'b') + new string('a', 40))),
        ["lengths 0 to 300"] = () => Range(301, i => new byte[i]),
        ["lengths 0 to 300 of text"] = () => Range(301, i => Bytes(new string('x', i))),
        ["prefixes of one another"] = () => Range(301, i => Range(i, j => (byte)j).ToArray()),
        ["one bit of 8 bytes"] = () => OneBit(8),
        ["one bit of 12 bytes"] = () => OneBit(12),
        ["one bit of 13 bytes"] = () => OneBit(13),
        ["one bit of 16 bytes"] = () => OneBit(16),
        ["one bit of 17 bytes"] = () => OneBit(17),
        ["one bit of 300 bytes"] = () => OneBit(300),
        ["single bytes"] = () => Range(256, i => new[] { (byte)i }),
        ["byte pairs"] = () => Range(65_536, i => new[] { (byte)i, (byte)(i >> 8) }),
        ["decimal numbers"] = () => Range(100_000, i => Bytes(Decimal(i))),
        ["long decimal numbers"] = () => Range(50_000, i => Bytes(Decimal(i).PadLeft(30, '0'))),
        ["numbers in the first word"] = () => Range(50_000, i => BitConverter.GetBytes((long)i)),
        ["numbers in the second word"] = () => Range(50_000, i => (byte[])[.. new byte[8], .. BitConverter.GetBytes((long)i)]),
        ["empty token alone"] = () => [[]],
        ["one token"] = () => [Bytes("the")],
        ["one long token"] = () => [Bytes("antidisestablishmentarianism")],
        ["two tokens"] = () => [Bytes("a"), Bytes("b")],
    };

    [Theory]
    [MemberData(nameof(AdversarialSets))]
    public void AdversarialSet_FindsEveryTokenAndRejectsItsNeighbours(string name) => CheckAgainstDictionary(Sets[name]());

    [Fact]
    public void EverySmallCount_Works()
    {
        for (var count = 1; count <= 400; count++) CheckAgainstDictionary(Range(count, i => Bytes("t" + Decimal(i * 7))), strangers: 50);
    }

    [Fact]
    public void RandomByteStrings_AgreeWithDictionary()
    {
        var tokens = Gen.Byte.Array[0, 40].List[1, 300];
        tokens.Sample(list => CheckAgainstDictionary(Distinct(list), strangers: 100), iter: 200);
    }

    [Fact]
    public void RandomBytesOfTwoValues_AgreeWithDictionary()
    {
        var tokens = Gen.Byte[0, 1].Array[0, 20].List[1, 300];
        tokens.Sample(list => CheckAgainstDictionary(Distinct(list), strangers: 100), iter: 200);
    }

    [Fact]
    public void TokenAtTheEndOfItsBuffer_IsFoundWhateverFollows()
    {
        var tokens = Range(40, i => Bytes("abcdefghijklmnopqrstuvwxyz0123456789_-+*"[..(i + 1)]));
        TestTables.Use(Build(tokens));
        for (var slot = 0; slot < tokens.Count; slot++)
        {
            foreach (var filler in new byte[] { 0, 1, 255 })
            {
                var buffer = new byte[128];
                Array.Fill(buffer, filler);
                tokens[slot].CopyTo(buffer, 33);
                Assert.Equal(slot, TokenLookup<TestTables>.FindSlot(buffer.AsSpan(33, tokens[slot].Length)));
            }
        }
    }

    [Fact]
    public void EntryThatDiffersInOneBit_IsNotFound()
    {
        List<byte[]> tokens = [.. Range(TokenEntry.InlineLength + 1, length => Bytes("abcdefghijkl"[..length])), Bytes("thirteen long"), Bytes(new string('z', 300))];
        var tables = Build(tokens);
        TestTables.Use(tables);
        var entries = tables.Blobs.Single(blob => blob.Name == "TokenEntries").Bytes;
        var text = tables.Blobs.Single(blob => blob.Name == "TokenText").Bytes;
        for (var slot = 0; slot < tokens.Count; slot++)
        {
            var start = Range(tokens.Count, i => i * TokenEntry.Size).Single(at => entries[at + TokenEntry.SlotOffset] == slot);
            var isInline = tokens[slot].Length <= TokenEntry.InlineLength;
            for (var bit = 0; bit < 8 * TokenEntry.Size; bit++)
            {
                if (isInline ? bit / 8 is >= TokenEntry.SlotOffset and < TokenEntry.LengthOffset : bit / 8 != TokenEntry.LengthOffset) continue;
                CheckChanged(entries, start + (bit / 8), bit % 8, tokens[slot]);
            }

            if (isInline) continue;
            var textStart = BitConverter.ToInt32(entries, start + TokenEntry.TextStartOffset);
            for (var bit = 0; bit < 8 * tokens[slot].Length; bit++) CheckChanged(text, textStart + (bit / 8), bit % 8, tokens[slot]);
        }

        static void CheckChanged(byte[] table, int at, int bit, byte[] token)
        {
            table[at] ^= (byte)(1 << bit);
            if (TokenLookup<TestTables>.FindSlot(token) != -1) Assert.Fail($"{Encoding.UTF8.GetString(token)} was found with bit {bit} of byte {at} changed.");
            table[at] ^= (byte)(1 << bit);
        }
    }

    [Fact]
    public void DefaultSpan_IsTheEmptyToken()
    {
        TestTables.Use(Build([Bytes("a"), []]));
        Assert.Equal(1, TokenLookup<TestTables>.FindSlot(default(ReadOnlySpan<byte>)));
        TestTables.Use(Build([Bytes("a"), Bytes("\0")]));
        Assert.Equal(-1, TokenLookup<TestTables>.FindSlot(default(ReadOnlySpan<byte>)));
    }

    [Fact]
    public void MillionTokens_TakeAtMostThreeBitsEach()
    {
        var tokens = Range(1_000_000, i => Bytes(Decimal(i * 37)));
        var tables = Build(tokens);
        Assert.InRange(tables.HashBitsPerToken, 1, 3.0);
        TestTables.Use(tables);
        for (var slot = 0; slot < tokens.Count; slot++)
        {
            if (TokenLookup<TestTables>.FindSlot(tokens[slot]) != slot) Assert.Fail($"Slot {slot} was not found.");
        }
    }

    [Theory]
    [InlineData(1_000)]
    [InlineData(10_000)]
    [InlineData(200_019)]
    public void RandomTokens_TakeAtMostThreeBitsEach(int count)
    {
        var tables = Build(Range(count, i => Bytes(Decimal(i))));
        // Eight padding bytes of the remap table are not part of what grows with the number of tokens.
        Assert.InRange(tables.HashBitsPerToken - (64.0 / count), 1, 3.0);
    }

    [Fact]
    public void SameTokens_GiveTheSameBytesOnEveryPlatform()
    {
        var tables = Build(Range(5_000, i => Bytes("token " + Decimal(i))));
        var hash = System.Security.Cryptography.SHA256.HashData(tables.Blobs.SelectMany(blob => blob.Bytes).ToArray());
        Assert.Equal("110AA2A0DC322671", Convert.ToHexString(hash, 0, 8));
    }

    [Fact]
    public void TokenTable_GivesTheTablesOfItsTokens()
    {
        byte[][] tokens = [Bytes("rare"), Bytes("most frequent of all the tokens"), Bytes("")];
        var table = TokenTable.Create([4, 5, 6], [1, 9, 3], tokens);
        var fromTable = TokenLookupTables.Build(table, TestContext.Current.CancellationToken);
        var fromList = Build([tokens[1], tokens[2], tokens[0]]);
        Assert.Equal(fromList.Blobs.Select(blob => Convert.ToHexString(blob.Bytes)), fromTable.Blobs.Select(blob => Convert.ToHexString(blob.Bytes)));
        TestTables.Use(fromTable);
        Assert.Equal(0, TokenLookup<TestTables>.FindSlot(tokens[1]));
        Assert.Equal(2, TokenLookup<TestTables>.FindSlot(tokens[0]));
    }

    [Fact]
    public void EqualTokens_AreNamed()
    {
        var error = Assert.Throws<ArgumentException>(() => Build([Bytes("a"), Bytes("b"), Bytes("c"), Bytes("b")]));
        Assert.Contains("slots 1 and 3 are equal", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void ManyEqualTokens_AreNamed()
    {
        var error = Assert.Throws<ArgumentException>(() => Build(Range(500, _ => Bytes("again"))));
        Assert.Contains("are equal", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void NullToken_IsNamed()
    {
        var error = Assert.Throws<ArgumentException>(() => Build([Bytes("a"), null!]));
        Assert.Contains("slot 1 is null", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void NoTokens_IsAnError() => Assert.Throws<ArgumentException>(() => Build([]));

    [Fact]
    public void CancelledBuild_Stops() =>
        Assert.Throws<OperationCanceledException>(() => TokenLookupTables.Build(Range(50_000, i => Bytes(Decimal(i))), new CancellationToken(true)));

    [Theory]
    [InlineData(-1)]
    [InlineData(2)]
    public void SlotOutOfRange_IsAnError(int slot)
    {
        TestTables.Use(Build([Bytes("a"), Bytes("b")]));
        Assert.Throws<ArgumentOutOfRangeException>(() => { TokenLookup<TestTables>.GetToken(slot); });
    }

    [Fact]
    public void Constants_AreTheProperties()
    {
        var tables = Build(Range(1_000, i => Bytes(Decimal(i))));
        var constants = tables.Constants.ToDictionary(constant => constant.Name);
        Assert.Equal(tables.Seed, Convert.ToUInt64(constants["TokenSeed"].Value[2..^2], 16));
        Assert.Equal("1000", constants["TokenCount"].Value);
        Assert.Equal(tables.BucketCount.ToString(CultureInfo.InvariantCulture), constants["TokenBucketCount"].Value);
        Assert.Equal(tables.PositionCount.ToString(CultureInfo.InvariantCulture), constants["TokenPositionCount"].Value);
    }

    /// <summary>Every token is found with its slot and read back, and what a dictionary does not hold is rejected.</summary>
    private static void CheckAgainstDictionary(List<byte[]> tokens, int strangers = 3_000)
    {
        TestTables.Use(Build(tokens));
        var expected = new Dictionary<string, int>();
        for (var slot = 0; slot < tokens.Count; slot++) expected.Add(Convert.ToHexString(tokens[slot]), slot);
        for (var slot = 0; slot < tokens.Count; slot++)
        {
            if (TokenLookup<TestTables>.FindSlot(tokens[slot]) != slot) Assert.Fail($"Slot {slot} was not found by its token.");
            if (!TokenLookup<TestTables>.GetToken(slot).SequenceEqual(tokens[slot])) Assert.Fail($"Slot {slot} gave another token.");
        }

        var step = Math.Max(1, tokens.Count * 8 / strangers);
        for (var slot = 0; slot < tokens.Count; slot += step)
        {
            foreach (var neighbour in Neighbours(tokens[slot]))
                Assert.Equal(expected.GetValueOrDefault(Convert.ToHexString(neighbour), -1), TokenLookup<TestTables>.FindSlot(neighbour));
        }
    }

    /// <summary>Byte strings that differ least from a token.</summary>
    private static IEnumerable<byte[]> Neighbours(byte[] token)
    {
        yield return [.. token, 0];
        yield return [0, .. token];
        yield return [.. token, .. token];
        if (token.Length == 0) yield break;
        yield return token[..^1];
        yield return token[1..];
        foreach (var at in new[] { 0, token.Length / 2, token.Length - 1, Math.Min(token.Length - 1, 8) })
        {
            var changed = token.ToArray();
            changed[at] ^= 0x10;
            yield return changed;
        }
    }

    private static List<byte[]> OneBit(int length) => Range((length * 8) + 1, bit =>
    {
        var token = new byte[length];
        Array.Fill(token, (byte)0x5A);
        if (bit < length * 8) token[bit / 8] ^= (byte)(1 << (bit % 8));
        return token;
    });

    private static List<byte[]> Distinct(IEnumerable<byte[]> tokens) => [.. tokens.DistinctBy(Convert.ToHexString)];

    private static List<T> Range<T>(int count, Func<int, T> create) => [.. Enumerable.Range(0, count).Select(create)];

    private static string Decimal(int value) => value.ToString(CultureInfo.InvariantCulture);

    private static byte[] Bytes(string text) => Encoding.UTF8.GetBytes(text);

    private static TokenLookupTables Build(IReadOnlyList<byte[]> tokens) => TokenLookupTables.Build(tokens, TestContext.Current.CancellationToken);
}
