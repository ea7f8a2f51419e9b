using System.Globalization;
using System.Text;

namespace AdaptiveSoftmax.Vocabulary.Tests;

public class HotTableTests
{
    [Theory]
    [InlineData(1, 0)]
    [InlineData(2_047, 0)]
    [InlineData(2_048, 7)]
    [InlineData(100_277, 12)]
    [InlineData(200_019, 13)]
    [InlineData(16_000_000, 13)]
    public void SizeFollowsTheNumberOfTokens(int tokens, int bits) => Assert.Equal(bits, HotTable.BitsFor(tokens));

    [Fact]
    public void MostFrequentTokens_StandInIt()
    {
        var tables = TokenLookupTables.Build([.. Enumerable.Range(0, 50_000).Select(Token)], TestContext.Current.CancellationToken);
        var hot = tables.Blobs.Single(blob => blob.Name == "TokenHot").Bytes;
        Assert.Equal(HotTable.PairSize << tables.HotBits, hot.Length);
        var places = 2 << tables.HotBits;
        var found = 0;
        for (var slot = 0; slot < places; slot++)
        {
            KeyHash.LoadShort(Token(slot), out var low, out var high);
            var pair = hot.AsSpan((int)(KeyHash.Sum(low, high, tables.Seed) >> (64 - tables.HotBits)) * HotTable.PairSize, HotTable.PairSize);
            for (var entry = 0; entry < 2; entry++)
            {
                var bytes = pair.Slice(entry * HotTable.EntrySize, HotTable.EntrySize);
                if (bytes[..Token(slot).Length].SequenceEqual(Token(slot)) && BitConverter.ToUInt16(bytes[HotTable.SlotOffset..]) == slot) found++;
            }
        }

        // Tokens thrown at random into as many places, two by two, leave 73% of them placed.
        Assert.InRange((double)found / places, 0.70, 0.76);
    }

    [Fact]
    public void TokensOfSlotsThatNeed17Bits_AreFound()
    {
        // Every token but the last hundred is too long for the table, so that it would have room for them.
        var tokens = Enumerable.Range(0, 70_000).Select(slot => slot < 69_900 ? Encoding.UTF8.GetBytes($"a token too long {slot}") : Token(slot)).ToList();
        TestTables.Use(TokenLookupTables.Build(tokens, TestContext.Current.CancellationToken));
        for (var slot = 69_800; slot < tokens.Count; slot++) Assert.Equal(slot, TokenLookup<TestTables>.FindSlot(tokens[slot]));
    }

    [Fact]
    public void EntryThatDiffersInOneBit_IsNotFound()
    {
        var tables = TokenLookupTables.Build([.. Enumerable.Range(0, 4_000).Select(Token)], TestContext.Current.CancellationToken);
        // No token has this length, so that nothing is found behind the hot table.
        var entries = tables.Blobs.Single(blob => blob.Name == "TokenEntries").Bytes;
        for (var at = TokenEntry.LengthOffset; at < entries.Length; at += TokenEntry.Size) entries[at] = 254;
        var hot = tables.Blobs.Single(blob => blob.Name == "TokenHot").Bytes;
        TestTables.Use(tables);
        var seen = 0;
        for (var start = 0; start < hot.Length; start += HotTable.EntrySize)
        {
            var length = hot[start + HotTable.EntrySize - 1];
            if (length > HotTable.LongestToken) continue;
            seen++;
            var token = hot.AsSpan(start, length).ToArray();
            var slot = BitConverter.ToUInt16(hot, start + HotTable.SlotOffset);
            Assert.Equal(Token(slot), token);
            Assert.Equal(slot, TokenLookup<TestTables>.FindSlot(token));
            Assert.Equal(slot, TokenLookup<TestTables>.FindHotByWords(token));
            for (var bit = 0; bit < 8 * HotTable.EntrySize; bit++)
            {
                if (bit / 8 is HotTable.SlotOffset or HotTable.SlotOffset + 1) continue;
                hot[start + (bit / 8)] ^= (byte)(1 << (bit % 8));
                if (TokenLookup<TestTables>.FindSlot(token) != -1) Assert.Fail($"{Encoding.UTF8.GetString(token)} was found with bit {bit} changed.");
                if (TokenLookup<TestTables>.FindHotByWords(token) != -1) Assert.Fail($"{Encoding.UTF8.GetString(token)} was found by words with bit {bit} changed.");
                hot[start + (bit / 8)] ^= (byte)(1 << (bit % 8));
            }
        }

        Assert.Equal(2 << tables.HotBits, seen);
    }

    private static byte[] Token(int slot) => Encoding.UTF8.GetBytes((slot * 7919).ToString(CultureInfo.InvariantCulture));
}
