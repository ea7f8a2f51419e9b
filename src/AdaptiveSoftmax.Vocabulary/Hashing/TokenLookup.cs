#if NET10_0_OR_GREATER
using System.Buffers;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Text.Unicode;

namespace AdaptiveSoftmax.Vocabulary;

// The type argument carries the tables, and generated code names it once.
#pragma warning disable CA1000

/// <summary>Looks tokens up by their bytes and back, without any work at start-up and without allocation.</summary>
/// <typeparam name="TTables">The tables, as <see cref="TokenLookupTables"/> built them.</typeparam>
public static class TokenLookup<TTables>
    where TTables : struct, ITokenLookup
{
    private const int StackBytes = 384;

    /// <summary>Finds the slot of a token.</summary>
    /// <param name="token">The token's bytes.</param>
    /// <returns>The slot, or −1 where the vocabulary has no such token.</returns>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int FindSlot(ReadOnlySpan<byte> token)
    {
        if (TTables.TokenHotBits == 0 || token.Length > HotTable.LongestToken) return FindByPerfectHash(token);
        return KeyHash.HasVectorLoad ? FindHotByVector(token) : FindHotByWords(token);
    }

    /// <summary>Finds the slot of a token by its text, which stands for its bytes in UTF-8.</summary>
    /// <param name="text">The text.</param>
    /// <returns>The slot, or −1 where the vocabulary has no such token or UTF-8 cannot write the text.</returns>
    public static int FindSlot(ReadOnlySpan<char> text)
    {
        // A code unit takes three bytes at most.
        var capacity = checked(text.Length * 3);
        byte[]? rented = null;
        var bytes = capacity <= StackBytes ? stackalloc byte[StackBytes] : rented = ArrayPool<byte>.Shared.Rent(capacity);
        // A replacement character for half a surrogate pair could be found as a token.
        var status = Utf8.FromUtf16(text, bytes, out _, out var written, replaceInvalidSequences: false);
        var slot = status == OperationStatus.Done ? FindSlot(bytes[..written]) : -1;
        if (rented is not null) ArrayPool<byte>.Shared.Return(rented);
        return slot;
    }

    /// <summary>The bytes of a slot's token.</summary>
    /// <param name="slot">A slot in [0, <see cref="ITokenLookup.TokenCount"/>).</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such slot.</exception>
    public static ReadOnlySpan<byte> GetToken(int slot)
    {
        if ((uint)slot >= (uint)TTables.TokenCount)
            throw new ArgumentOutOfRangeException(nameof(slot), slot, $"The slot must be in [0, {TTables.TokenCount}).");
        var position = PackedIntegers.Read(TTables.TokenPositions, slot, PackedIntegers.WidthFor(TTables.TokenCount - 1));
        var entry = TTables.TokenEntries.Slice(position * TokenEntry.Size, TokenEntry.Size);
        var length = entry[TokenEntry.LengthOffset];
        return length <= TokenEntry.InlineLength ? entry[..length] : LongText(ref MemoryMarshal.GetReference(entry), length);
    }

    /// <summary>Looks among the frequent tokens first, without a branch that depends on the token's length.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int FindHotByVector(ReadOnlySpan<byte> token)
    {
        var key = KeyHash.LoadShortVector(token);
        ref var pair = ref HotPair(key.ToScalar(), key.GetElement(1));
        var differences = Unsafe.ReadUnaligned<Vector256<ulong>>(ref pair) ^ Vector256.Create(key, key);
        var isText = Vector256.Create(ulong.MaxValue, HotTable.TextMask, ulong.MaxValue, HotTable.TextMask);
        var equalWords = Vector256.Equals(differences & isText, Vector256<ulong>.Zero).ExtractMostSignificantBits();
        // Bit 0 for the first entry and bit 2 for the second, where both words of the entry are equal.
        var equalEntries = equalWords & (equalWords >> 1) & 0b0101;
        if (equalEntries == 0) return FindByPerfectHash(token);
        ref var entry = ref Unsafe.AddByteOffset(ref pair, (nuint)(equalEntries & 0b0100) * (HotTable.EntrySize / 4));
        return Unsafe.ReadUnaligned<ushort>(ref Unsafe.Add(ref entry, HotTable.SlotOffset));
    }

    /// <summary>Looks among the frequent tokens first.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static int FindHotByWords(ReadOnlySpan<byte> token)
    {
        KeyHash.LoadShort(token, out var low, out var high);
        ref var pair = ref HotPair(low, high);
        var second = Unsafe.ReadUnaligned<ulong>(ref Unsafe.Add(ref pair, 8));
        if (((Unsafe.ReadUnaligned<ulong>(ref pair) ^ low) | ((second ^ high) & HotTable.TextMask)) == 0) return HotTable.SlotOf(second);
        second = Unsafe.ReadUnaligned<ulong>(ref Unsafe.Add(ref pair, 24));
        if (((Unsafe.ReadUnaligned<ulong>(ref Unsafe.Add(ref pair, 16)) ^ low) | ((second ^ high) & HotTable.TextMask)) == 0) return HotTable.SlotOf(second);
        return FindByPerfectHash(token);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ref byte HotPair(ulong low, ulong high)
    {
        var pair = (nint)(KeyHash.Sum(low, high, TTables.TokenSeed) >> (64 - TTables.TokenHotBits));
        return ref Unsafe.Add(ref MemoryMarshal.GetReference(TTables.TokenHot), pair * HotTable.PairSize);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static int FindByPerfectHash(ReadOnlySpan<byte> token)
    {
        ref var entry = ref Entry(PositionOf(KeyHash.Compute(token, TTables.TokenSeed)));
        var second = Unsafe.ReadUnaligned<ulong>(ref Unsafe.Add(ref entry, 8));
        if (token.Length <= TokenEntry.InlineLength)
        {
            KeyHash.LoadShort(token, out var low, out var high);
            return ((Unsafe.ReadUnaligned<ulong>(ref entry) ^ low) | ((second ^ high) & TokenEntry.InlineMask)) == 0 ? TokenEntry.SlotOf(second) : -1;
        }

        var length = Unsafe.Add(ref entry, TokenEntry.LengthOffset);
        if (length != Math.Min(token.Length, TokenEntry.PrefixedLength)) return -1;
        return LongText(ref entry, length).SequenceEqual(token) ? TokenEntry.SlotOf(second) : -1;
    }

    private static ReadOnlySpan<byte> LongText(ref byte entry, int length)
    {
        var start = Unsafe.ReadUnaligned<int>(ref Unsafe.Add(ref entry, TokenEntry.TextStartOffset));
        if (length == TokenEntry.PrefixedLength) length = MemoryMarshal.Read<int>(TTables.TokenText.Slice(start - sizeof(int)));
        return TTables.TokenText.Slice(start, length);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int PositionOf(ulong hash)
    {
        var bucket = PerfectHash.Bucket(hash, TTables.TokenBucketCount);
        var pilot = Unsafe.Add(ref MemoryMarshal.GetReference(TTables.TokenPilots), bucket);
        var position = PerfectHash.Position(hash, pilot, TTables.TokenPositionCount);
        return position < TTables.TokenCount
            ? position
            : PackedIntegers.Read(TTables.TokenRemap, position - TTables.TokenCount, PackedIntegers.WidthFor(TTables.TokenCount - 1));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ref byte Entry(int position) =>
        ref Unsafe.Add(ref MemoryMarshal.GetReference(TTables.TokenEntries), (nint)position * TokenEntry.Size);
}
#endif
