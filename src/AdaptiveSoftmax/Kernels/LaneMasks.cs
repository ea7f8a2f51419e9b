using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace AdaptiveSoftmax;

/// <summary>Masks of the last lanes of a vector, at any address in a table of zeros and ones.</summary>
internal static unsafe class LaneMasks
{
    private const int Widest = 64;

    // In the image of the assembly, which never moves.
    private static ReadOnlySpan<byte> Table =>
    [
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
        255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
    ];

    /// <summary>A vector of so many floats, of which the last <paramref name="count"/> are all ones.</summary>
    public static float* OfFloats(int lanes, int count) => (float*)At((lanes - count) * sizeof(float));

    /// <summary>A vector of so many 16-bit numbers, of which the last <paramref name="count"/> are all ones.</summary>
    public static short* OfShorts(int lanes, int count) => (short*)At((lanes - count) * sizeof(short));

    private static byte* At(int zeroBytes) => (byte*)Unsafe.AsPointer(ref MemoryMarshal.GetReference(Table)) + Widest - zeroBytes;
}
