namespace AdaptiveSoftmax.Vocabulary;

/// <summary>
/// The form of one token in the look-up table, 16 bytes so that most look-ups touch one cache line: the first 12 bytes
/// of a token, zero-padded, its slot in 24 bits, and its length in 8. A longer token has its first 8 bytes, then where
/// its whole text starts in the table of long tokens; a length from 255 on stands before that text in 4 bytes.
/// </summary>
internal static class TokenEntry
{
    internal const int Size = 16;
    internal const int InlineLength = 12;
    internal const int SlotOffset = 12;
    internal const int LengthOffset = 15;
    internal const int TextStartOffset = 8;
    internal const byte PrefixedLength = 255;

    /// <summary>The most tokens that a table can hold: slots have 24 bits.</summary>
    internal const int LargestCount = 1 << 24;

    /// <summary>The second word's bits that are text of an inline token, and the length.</summary>
    internal const ulong InlineMask = 0xFF00_0000_FFFF_FFFF;

    internal static int SlotOf(ulong second) => (int)(second >> 32) & 0xFF_FFFF;
}
