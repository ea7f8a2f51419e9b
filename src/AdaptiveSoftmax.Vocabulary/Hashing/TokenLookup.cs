#if NET10_0_OR_GREATER
using System.Buffers;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
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
    public static int FindSlot(ReadOnlySpan<byte> token)
    {
        if (token.Length > TokenEntry.InlineLength) return FindLong(token);
        KeyHash.LoadShort(token, out var low, out var high);
        ref var entry = ref Entry(PositionOf(KeyHash.Short(low, high, token.Length, TTables.TokenSeed)));
        var first = Unsafe.ReadUnaligned<ulong>(ref entry);
        var second = Unsafe.ReadUnaligned<ulong>(ref Unsafe.Add(ref entry, 8));
        var expected = high | ((ulong)(uint)token.Length << 56);
        return ((first ^ low) | ((second & TokenEntry.InlineMask) ^ expected)) == 0 ? TokenEntry.SlotOf(second) : -1;
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

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static int FindLong(ReadOnlySpan<byte> token)
    {
        ref var entry = ref Entry(PositionOf(KeyHash.Compute(token, TTables.TokenSeed)));
        var length = Unsafe.Add(ref entry, TokenEntry.LengthOffset);
        if (length != Math.Min(token.Length, TokenEntry.PrefixedLength)) return -1;
        if (!LongText(ref entry, length).SequenceEqual(token)) return -1;
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
