using System.Buffers.Binary;

namespace AdaptiveSoftmax.Vocabulary;

/// <summary>
/// A small table before the perfect hash, for the most frequent tokens: a hash chooses a pair of entries, which are
/// compared at once. It answers nearly every look-up of real text from a memory that stays in the core's own cache.
/// An entry has 16 bytes: up to 13 bytes of text, zero-padded, the slot in 16 bits and the length in 8.
/// </summary>
internal static class HotTable
{
    internal const int LongestToken = 13;
    internal const int EntrySize = 16;
    internal const int PairSize = 2 * EntrySize;
    internal const int SlotOffset = 13;

    /// <summary>The second word's bits that are text, and the length.</summary>
    internal const ulong TextMask = 0xFF00_00FF_FFFF_FFFF;

    private const int SlotLimit = 1 << 16;

    /// <summary>Small tables are in the cache as they are.</summary>
    private const int SmallestCount = 2048;
    private const int TokensPerPair = 16;

    /// <summary>More pairs, 256 KiB, would drive other data from a core's second-level cache.</summary>
    private const int LargestBits = 13;

    /// <summary>No key has this length, so an empty entry is never found.</summary>
    private const byte EmptyLength = 255;

    /// <summary>The binary logarithm of the number of pairs for a number of tokens; 0 stands for no table.</summary>
    internal static int BitsFor(int tokens)
    {
        if (tokens < SmallestCount) return 0;
        var bits = 1;
        while (bits < LargestBits && tokens / TokensPerPair >> (bits + 1) != 0) bits++;
        return bits;
    }

    /// <summary>The slot of an entry that was found.</summary>
    internal static int SlotOf(ulong second) => (int)(second >> 40) & 0xFFFF;

    /// <summary>Fills the table: of the tokens that share a pair, the two of lowest slot stand in it.</summary>
    internal static byte[] Build(TokenList tokens, ulong seed, int bits)
    {
        if (bits == 0) return [];
        var table = new byte[PairSize << bits];
        for (var entry = 0; entry < table.Length; entry += EntrySize) table[entry + EntrySize - 1] = EmptyLength;
        for (var slot = 0; slot < Math.Min(tokens.Count, SlotLimit); slot++)
        {
            var token = tokens[slot];
            if (token.Length > LongestToken) continue;
            KeyHash.LoadShort(token, out var low, out var high);
            var pair = table.AsSpan((int)(KeyHash.Sum(low, high, seed) >> (64 - bits)) * PairSize, PairSize);
            var entry = pair[EntrySize - 1] == EmptyLength ? pair : pair.Slice(EntrySize);
            if (entry[EntrySize - 1] != EmptyLength) continue;
            BinaryPrimitives.WriteUInt64LittleEndian(entry, low);
            BinaryPrimitives.WriteUInt64LittleEndian(entry.Slice(8), high | ((ulong)slot << 40));
        }

        return table;
    }
}
