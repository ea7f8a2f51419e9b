using System.Buffers.Binary;
using System.Runtime.CompilerServices;

namespace AdaptiveSoftmax.Vocabulary;

/// <summary>
/// A small table before the perfect hash, for the most frequent tokens: a hash chooses a pair of entries, which are
/// compared at once. It answers nearly every look-up of real text from a memory that stays in the core's own cache.
/// An entry is two words: up to 13 bytes of text, zero-padded, the slot in 16 bits and the length in 8. A pair has the
/// first words of both entries, then the second words, so that each half is compared with one word of the key.
/// </summary>
internal static class HotTable
{
    internal const int LongestToken = 13;
    internal const int PairSize = 32;

    /// <summary>Where the second words of a pair start.</summary>
    internal const int SecondWords = 16;

    /// <summary>The byte of a second word that the slot starts at.</summary>
    internal const int SlotOffset = 5;

    /// <summary>The second word's bits that are text, and the length.</summary>
    internal const ulong TextMask = 0xFF00_00FF_FFFF_FFFF;

    private const ulong Multiplier = 0x9E3779B97F4A7C15UL;
    private const int WordSize = sizeof(ulong);
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
    internal static int SlotOf(ulong second) => (int)(second >> (8 * SlotOffset)) & 0xFFFF;

    /// <summary>The pair of a key whose two words come folded into one by an exclusive or.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static ulong PairOf(ulong folded, int bits) => (folded * Multiplier) >> (64 - bits);

    /// <summary>Fills the table: of the tokens that share a pair, the two of lowest slot stand in it.</summary>
    internal static byte[] Build(TokenList tokens, int bits)
    {
        if (bits == 0) return [];
        var table = new byte[PairSize << bits];
        for (var pair = 0; pair < table.Length; pair += PairSize)
            table[pair + SecondWords + WordSize - 1] = table[pair + PairSize - 1] = EmptyLength;
        for (var slot = 0; slot < Math.Min(tokens.Count, SlotLimit); slot++)
        {
            var token = tokens[slot];
            if (token.Length > LongestToken) continue;
            KeyHash.LoadShort(token, out var low, out var high);
            var pair = table.AsSpan((int)PairOf(low ^ high, bits) * PairSize, PairSize);
            var entry = pair[SecondWords + WordSize - 1] == EmptyLength ? 0 : WordSize;
            if (pair[entry + SecondWords + WordSize - 1] != EmptyLength) continue;
            BinaryPrimitives.WriteUInt64LittleEndian(pair.Slice(entry), low);
            BinaryPrimitives.WriteUInt64LittleEndian(pair.Slice(entry + SecondWords), high | ((ulong)slot << (8 * SlotOffset)));
        }

        return table;
    }
}
