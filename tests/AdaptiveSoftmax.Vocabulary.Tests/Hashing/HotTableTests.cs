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
    public void EveryBitOfAToken_ChangesTheHash()
    {
        var token = "adaptive_soft"u8.ToArray();
        var hash = Hash(token);
        for (var bit = 0; bit < 8 * token.Length; bit++)
        {
            token[bit / 8] ^= (byte)(1 << (bit % 8));
            Assert.NotEqual(hash, Hash(token));
            token[bit / 8] ^= (byte)(1 << (bit % 8));
        }

        static ulong Hash(byte[] token)
        {
            KeyHash.LoadShort(token, out var low, out var high);
            return HotTable.PairOf(low ^ high, 32);
        }
    }

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
            var pair = (int)HotTable.PairOf(low ^ high, tables.HotBits) * HotTable.PairSize;
            for (var entry = pair; entry < pair + HotTable.SecondWords; entry += sizeof(ulong))
            {
                if (TextOf(hot, entry).AsSpan().SequenceEqual(Token(slot)) && SlotOf(hot, entry) == slot) found++;
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
        for (var pair = 0; pair < hot.Length; pair += HotTable.PairSize)
        {
            for (var entry = pair; entry < pair + HotTable.SecondWords; entry += sizeof(ulong))
            {
                if (LengthOf(hot, entry) > HotTable.LongestToken) continue;
                seen++;
                var token = TextOf(hot, entry);
                var slot = SlotOf(hot, entry);
                Assert.Equal(Token(slot), token);
                Assert.Equal(slot, TokenLookup<TestTables>.FindSlot(token));
                Assert.Equal(slot, TokenLookup<TestTables>.FindHotByWords(token));
                for (var bit = 0; bit < 128; bit++)
                {
                    var at = entry + (bit < 64 ? 0 : HotTable.SecondWords) + (bit % 64 / 8);
                    if (at - entry - HotTable.SecondWords is HotTable.SlotOffset or HotTable.SlotOffset + 1) continue;
                    hot[at] ^= (byte)(1 << (bit % 8));
                    if (TokenLookup<TestTables>.FindSlot(token) != -1) Assert.Fail($"{Encoding.UTF8.GetString(token)} was found with bit {bit} changed.");
                    if (TokenLookup<TestTables>.FindHotByWords(token) != -1) Assert.Fail($"{Encoding.UTF8.GetString(token)} was found by words with bit {bit} changed.");
                    hot[at] ^= (byte)(1 << (bit % 8));
                }
            }
        }

        Assert.Equal(2 << tables.HotBits, seen);
    }

    // An entry's first word at its place, its second word behind those of both entries.
    private static byte[] TextOf(byte[] hot, int entry) =>
        [.. hot.Skip(entry).Take(sizeof(ulong)).Concat(hot.Skip(entry + HotTable.SecondWords).Take(HotTable.SlotOffset)).Take(LengthOf(hot, entry))];

    private static int LengthOf(byte[] hot, int entry) => hot[entry + HotTable.SecondWords + sizeof(ulong) - 1];

    private static int SlotOf(byte[] hot, int entry) => BitConverter.ToUInt16(hot, entry + HotTable.SecondWords + HotTable.SlotOffset);

    private static byte[] Token(int slot) => Encoding.UTF8.GetBytes((slot * 7919).ToString(CultureInfo.InvariantCulture));
}
