using System.Numerics;

namespace AdaptiveSoftmax;

/// <summary>
/// Random numbers by counting instead of by state: number i is a hash of seed, stream and i (SplitMix64's finaliser over a
/// Weyl sequence), so the bits are the same on every machine and .NET version, which System.Random does not promise.
/// </summary>
internal static class CountedRandom
{
    private const ulong Golden = 0x9E3779B97F4A7C15;
    private const ulong First = 0xBF58476D1CE4E5B9;
    private const ulong Second = 0x94D049BB133111EB;

    /// <summary>Where the numbers of a stream start.</summary>
    public static ulong Start(ulong seed, ulong stream) => Mix(Mix(seed + Golden) ^ ((stream + 1) * Golden));

    /// <summary>The 64 random bits of number <paramref name="index"/>.</summary>
    public static ulong Bits(ulong start, ulong index) => Mix(start + (index * Golden));

    /// <summary>The bits of several numbers.</summary>
    public static Vector<ulong> Bits(ulong start, Vector<ulong> indices)
    {
        var value = new Vector<ulong>(start) + (indices * Golden);
        value = (value ^ (value >>> 30)) * First;
        value = (value ^ (value >>> 27)) * Second;
        return value ^ (value >>> 31);
    }

    /// <summary>Number <paramref name="index"/> in [0, 1), with 53 random bits.</summary>
    public static double Unit(ulong start, ulong index) => (Bits(start, index) >> 11) * (1.0 / (1ul << 53));

    private static ulong Mix(ulong value)
    {
        value = (value ^ (value >> 30)) * First;
        value = (value ^ (value >> 27)) * Second;
        return value ^ (value >> 31);
    }
}
