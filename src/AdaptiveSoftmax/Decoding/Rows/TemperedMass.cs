using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace AdaptiveSoftmax;

/// <summary>Σ exp((score − reference) / T) over the tokens of a cluster, and drawing one of them by these weights.</summary>
internal static unsafe class TemperedMass
{
    // Summed block by block, so that a draw looks at the blocks and then into one of them.
    private const int BlockSize = 512;

    /// <summary>The places that <see cref="Sum"/> needs for its blocks.</summary>
    public static int BlockCount(int count) => (count + BlockSize - 1) / BlockSize;

    /// <summary>The mass of all tokens; −∞ weighs nothing.</summary>
    /// <param name="scores">The scores, [count], none above the reference.</param>
    /// <param name="count">The number of tokens.</param>
    /// <param name="reference">What scores are taken relative to.</param>
    /// <param name="inverse">1 / T.</param>
    /// <param name="blocks">Receives the mass of each block, [blocks].</param>
    public static double Sum(float* scores, int count, float reference, float inverse, double* blocks)
    {
        var total = 0.0;
        for (var first = 0; first < count; first += BlockSize)
        {
            var size = Math.Min(BlockSize, count - first);
            var sum = Vector512.IsHardwareAccelerated ? SumBlock<Simd512>(scores + first, size, reference, inverse)
                : Vector256.IsHardwareAccelerated ? SumBlock<Simd256>(scores + first, size, reference, inverse)
                : SumBlock<Simd128>(scores + first, size, reference, inverse);
            blocks[first / BlockSize] = sum;
            total += sum;
        }

        return total;
    }

    /// <summary>The token at which the running sum passes <paramref name="target"/>; at rounding's edge the last one with a weight.</summary>
    public static int Find(float* scores, int count, float reference, float inverse, double* blocks, double target)
    {
        var block = 0;
        for (; block < BlockCount(count) - 1 && target >= blocks[block]; block++) target -= blocks[block];
        var last = -1;
        for (var i = block * BlockSize; i < Math.Min(count, (block + 1) * BlockSize); i++)
        {
            var weight = Weight(scores[i], reference, inverse);
            if (weight == 0) continue;
            last = i;
            if (target < weight) return i;
            target -= weight;
        }

        for (var i = block * BlockSize; last < 0 && i-- > 0;)
        {
            if (Weight(scores[i], reference, inverse) > 0) last = i;
        }

        return last;
    }

    /// <summary>The weight of one token.</summary>
    public static float Weight(float score, float reference, float inverse) => SimdExp.Of(new SimdScalar((score - reference) * inverse)).Value;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static double SumBlock<TSimd>(float* scores, int count, float reference, float inverse)
        where TSimd : unmanaged, ISimd<TSimd>
    {
        TSimd top = TSimd.Broadcast(reference), scale = TSimd.Broadcast(inverse), sum = TSimd.Zero;
        var i = 0;
        for (; i + TSimd.Width <= count; i += TSimd.Width)
            sum = TSimd.Add(sum, SimdExp.Of(TSimd.Multiply(TSimd.Subtract(TSimd.Load(scores + i), top), scale)));
        double total = TSimd.Sum(sum);
        for (; i < count; i++) total += Weight(scores[i], reference, inverse);
        return total;
    }
}
