using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace AdaptiveSoftmax;

/// <summary>
/// What screening makes of approximate logits: with errors[r] · norm + floor, no logit is further than this from the true
/// one.
/// </summary>
internal static unsafe class ScreeningKernel
{
    /// <summary>logits[r] += errors[r] · norm + floor: upper bounds. Gives the largest.</summary>
    public static float Raise(float* logits, float* errors, float norm, float floor, int count)
    {
        Elementwise.Run(new Bounds(logits, errors, norm, floor), count);
        return SoftmaxKernel.Maximum(logits, count);
    }

    /// <summary>The first row whose upper bound is at least this; <paramref name="end"/> where there is none.</summary>
    public static int NextReaching(float* upper, int first, int end, float least)
    {
        var at = first;
        for (; at + Vector<float>.Count <= end; at += Vector<float>.Count)
        {
            if (Vector.GreaterThanOrEqualAny(Vector.Load(upper + at), new Vector<float>(least))) break;
        }

        while (at < end && !(upper[at] >= least)) at++;
        return at;
    }

    /// <summary>Σ exp(logit − maximum), and the same sum with each term times its error bound.</summary>
    public static float SumExp(float* logits, float* errors, float norm, float floor, int count, float maximum, out float ofErrors)
    {
        if (Vector512.IsHardwareAccelerated) return SumExp<Simd512>(logits, errors, norm, floor, count, maximum, out ofErrors);
        return Vector256.IsHardwareAccelerated
            ? SumExp<Simd256>(logits, errors, norm, floor, count, maximum, out ofErrors)
            : SumExp<Simd128>(logits, errors, norm, floor, count, maximum, out ofErrors);
    }

    /// <inheritdoc cref="SumExp(float*, float*, float, float, int, float, out float)"/>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static float SumExp<TSimd>(float* logits, float* errors, float norm, float floor, int count, float maximum, out float ofErrors)
        where TSimd : unmanaged, ISimd<TSimd>
    {
        if (count < TSimd.Width)
        {
            return TSimd.Width > Simd256.Width ? SumExp<Simd256>(logits, errors, norm, floor, count, maximum, out ofErrors)
                : TSimd.Width > Simd128.Width ? SumExp<Simd128>(logits, errors, norm, floor, count, maximum, out ofErrors)
                : SumExp<SimdScalar>(logits, errors, norm, floor, count, maximum, out ofErrors);
        }

        TSimd factor = TSimd.Broadcast(norm), addend = TSimd.Broadcast(floor), top = TSimd.Broadcast(maximum);
        TSimd sum = TSimd.Zero, errorSum = TSimd.Zero;
        var i = 0;
        for (; i + TSimd.Width <= count; i += TSimd.Width)
        {
            var power = SimdExp.Of(TSimd.Subtract(TSimd.Load(logits + i), top));
            sum = TSimd.Add(sum, power);
            errorSum = TSimd.MultiplyAdd(power, TSimd.MultiplyAdd(TSimd.Load(errors + i), factor, addend), errorSum);
        }

        ofErrors = TSimd.Sum(errorSum);
        if (i == count) return TSimd.Sum(sum);
        var at = count - TSimd.Width;
        var total = TSimd.Sum(sum) + SumExpOfLast<TSimd>(logits + at, errors + at, norm, floor, count - i, maximum, out var ofLast);
        ofErrors += ofLast;
        return total;
    }

    // Apart from the loop, whose constants then stay in registers.
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static float SumExpOfLast<TSimd>(float* logits, float* errors, float norm, float floor, int lanes, float maximum, out float ofErrors)
        where TSimd : unmanaged, ISimd<TSimd>
    {
        var power = TSimd.And(SimdExp.Of(TSimd.Subtract(TSimd.Load(logits), TSimd.Broadcast(maximum))), TSimd.LastLanes(lanes));
        ofErrors = TSimd.Sum(TSimd.Multiply(power, TSimd.MultiplyAdd(TSimd.Load(errors), TSimd.Broadcast(norm), TSimd.Broadcast(floor))));
        return TSimd.Sum(power);
    }

    private readonly struct Bounds(float* logits, float* errors, float norm, float floor) : IElementOperation
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Run<TSimd>(int index)
            where TSimd : unmanaged, ISimd<TSimd>
        {
            var bound = TSimd.MultiplyAdd(TSimd.Load(errors + index), TSimd.Broadcast(norm), TSimd.Broadcast(floor));
            TSimd.Store(TSimd.Add(TSimd.Load(logits + index), bound), logits + index);
        }
    }
}
