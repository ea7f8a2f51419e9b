using System.Runtime.CompilerServices;

namespace AdaptiveSoftmax.Vocabulary;

/// <summary>The 64 × 64 → 128-bit product, the same on every framework.</summary>
internal static class WideMultiply
{
    /// <summary>The upper half of the 128-bit product exclusive-or its lower half.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static ulong Fold(ulong left, ulong right)
    {
#if NET10_0_OR_GREATER
        var high = Math.BigMul(left, right, out ulong low);
        return high ^ low;
#else
        return FoldByHalves(left, right);
#endif
    }

    /// <summary>What <see cref="Fold"/> computes, from four 32-bit products.</summary>
    internal static ulong FoldByHalves(ulong left, ulong right)
    {
        ulong leftLow = (uint)left, leftHigh = left >> 32, rightLow = (uint)right, rightHigh = right >> 32;
        var lowLow = leftLow * rightLow;
        var highLow = (leftHigh * rightLow) + (lowLow >> 32);
        var lowHigh = (leftLow * rightHigh) + (uint)highLow;
        var high = (leftHigh * rightHigh) + (highLow >> 32) + (lowHigh >> 32);
        var low = (lowHigh << 32) | (uint)lowLow;
        return high ^ low;
    }
}
