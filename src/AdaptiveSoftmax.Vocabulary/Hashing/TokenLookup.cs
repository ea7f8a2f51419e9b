#if NET10_0_OR_GREATER
using System.Buffers;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
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
            throw new ArgumentOutOfRangeException(nameof(slot), slot, FormattableString.Invariant($"The slot must be in [0, {TTables.TokenCount})."));
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
        Vector128<ulong> low = Sse2.UnpackLow(key, key), high = Sse2.UnpackHigh(key, key);
        ref var pair = ref HotPair((key ^ high).ToScalar());
        var differences = (Unsafe.ReadUnaligned<Vector128<ulong>>(ref pair) ^ low)
            | ((Unsafe.ReadUnaligned<Vector128<ulong>>(ref Unsafe.Add(ref pair, HotTable.SecondWords)) ^ high) & Vector128.Create(HotTable.TextMask));
        // Bit 0 for the first entry, bit 1 for the second; not both, for tokens are distinct.
        var equal = Vector128.Equals(differences, Vector128<ulong>.Zero).ExtractMostSignificantBits();
        if (equal == 0) return FindShort(token, key.ToScalar(), high.ToScalar());
        ref var slot = ref Unsafe.AddByteOffset(ref pair, (nuint)equal * sizeof(ulong));
        return Unsafe.ReadUnaligned<ushort>(ref Unsafe.Add(ref slot, HotTable.SecondWords + HotTable.SlotOffset - sizeof(ulong)));
    }

    /// <summary>Looks among the frequent tokens first.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static int FindHotByWords(ReadOnlySpan<byte> token)
    {
        KeyHash.LoadShort(token, out var low, out var high);
        ref var pair = ref HotPair(low ^ high);
        for (var entry = 0; entry < HotTable.SecondWords; entry += sizeof(ulong))
        {
            var second = Unsafe.ReadUnaligned<ulong>(ref Unsafe.Add(ref pair, HotTable.SecondWords + entry));
            if (((Unsafe.ReadUnaligned<ulong>(ref Unsafe.Add(ref pair, entry)) ^ low) | ((second ^ high) & HotTable.TextMask)) == 0)
                return HotTable.SlotOf(second);
        }

        return FindShort(token, low, high);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ref byte HotPair(ulong folded) =>
        ref Unsafe.AddByteOffset(ref MemoryMarshal.GetReference(TTables.TokenHot), (nuint)HotTable.PairOf(folded, TTables.TokenHotBits) * HotTable.PairSize);

    // Apart from its callers, so that they are small enough to be a part of theirs.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static int FindByPerfectHash(ReadOnlySpan<byte> token)
    {
        if (token.Length > KeyHash.ShortLength) return FindLong(token, ref Entry(PositionOf(KeyHash.Compute(token, TTables.TokenSeed))));
        KeyHash.LoadShort(token, out var low, out var high);
        return FindShort(token, low, high);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static int FindShort(ReadOnlySpan<byte> token, ulong low, ulong high)
    {
        ref var entry = ref Entry(PositionOf(KeyHash.Short(low, high, TTables.TokenSeed)));
        if (token.Length > TokenEntry.InlineLength) return FindLong(token, ref entry);
        var second = Unsafe.ReadUnaligned<ulong>(ref Unsafe.Add(ref entry, 8));
        return ((Unsafe.ReadUnaligned<ulong>(ref entry) ^ low) | ((second ^ high) & TokenEntry.InlineMask)) == 0 ? TokenEntry.SlotOf(second) : -1;
    }

    private static int FindLong(ReadOnlySpan<byte> token, ref byte entry)
    {
        var length = Unsafe.Add(ref entry, TokenEntry.LengthOffset);
        if (length != Math.Min(token.Length, TokenEntry.PrefixedLength) || !LongText(ref entry, length).SequenceEqual(token)) return -1;
        return TokenEntry.SlotOf(Unsafe.ReadUnaligned<ulong>(ref Unsafe.Add(ref entry, 8)));
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
