using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace AdaptiveSoftmax.Vocabulary;

/// <summary>Arrays of unsigned integers of 1 to 32 bits, packed without gaps, lowest bit first.</summary>
internal static class PackedIntegers
{
    /// <summary>Bytes past the last integer, so that each can be read as one word of 8 bytes.</summary>
    private const int Padding = 8;

    /// <summary>The bits that the largest value takes, at least 1.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static int WidthFor(int largest)
    {
#if NET10_0_OR_GREATER
        return 32 - System.Numerics.BitOperations.LeadingZeroCount((uint)largest | 1);
#else
        var width = 1;
        while (width < 32 && (uint)largest >> width != 0) width++;
        return width;
#endif
    }

    /// <summary>Packs values of <paramref name="width"/> bits; no values give no bytes.</summary>
    internal static byte[] Pack(ReadOnlySpan<int> values, int width)
    {
        if (values.IsEmpty) return [];
        var bytes = new byte[checked((int)((((long)values.Length * width) + 7) / 8) + Padding)];
        ulong pending = 0;
        var pendingBits = 0;
        var written = 0;
        foreach (var value in values)
        {
            pending |= (ulong)(uint)value << pendingBits;
            pendingBits += width;
            for (; pendingBits >= 8; pendingBits -= 8, pending >>= 8) bytes[written++] = (byte)pending;
        }

        if (pendingBits > 0) bytes[written] = (byte)pending;
        return bytes;
    }

    /// <summary>Reads the value at <paramref name="index"/>, which must be one that was packed.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static int Read(ReadOnlySpan<byte> packed, int index, int width)
    {
        var bit = (long)index * width;
        ref var start = ref Unsafe.AddByteOffset(ref MemoryMarshal.GetReference(packed), (nint)(bit >> 3));
        var word = Unsafe.ReadUnaligned<ulong>(ref start) >> (int)(bit & 7);
        return (int)(word & ((1UL << width) - 1));
    }
}
