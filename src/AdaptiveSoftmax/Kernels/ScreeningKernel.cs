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
        if (Vector512.IsHardwareAccelerated) return Raise<Simd512>(logits, errors, norm, floor, count);
        return Vector256.IsHardwareAccelerated ? Raise<Simd256>(logits, errors, norm, floor, count) : Raise<Simd128>(logits, errors, norm, floor, count);
    }

    /// <inheritdoc cref="Raise(float*, float*, float, float, int)"/>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static float Raise<TSimd>(float* logits, float* errors, float norm, float floor, int count)
        where TSimd : unmanaged, ISimd<TSimd>
    {
        TSimd factor = TSimd.Broadcast(norm), addend = TSimd.Broadcast(floor);
        var i = 0;
        for (; i + TSimd.Width <= count; i += TSimd.Width)
            TSimd.Store(TSimd.Add(TSimd.Load(logits + i), TSimd.MultiplyAdd(TSimd.Load(errors + i), factor, addend)), logits + i);
        for (; i < count; i++) logits[i] += (errors[i] * norm) + floor;
        return SoftmaxKernel.Maximum<TSimd>(logits, count);
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
        TSimd factor = TSimd.Broadcast(norm), addend = TSimd.Broadcast(floor), top = TSimd.Broadcast(maximum);
        TSimd sum = TSimd.Zero, errorSum = TSimd.Zero;
        var i = 0;
        for (; i + TSimd.Width <= count; i += TSimd.Width)
        {
            var power = SimdExp.Of(TSimd.Subtract(TSimd.Load(logits + i), top));
            sum = TSimd.Add(sum, power);
            errorSum = TSimd.MultiplyAdd(power, TSimd.MultiplyAdd(TSimd.Load(errors + i), factor, addend), errorSum);
        }

        var total = TSimd.Sum(sum);
        ofErrors = TSimd.Sum(errorSum);
        for (; i < count; i++)
        {
            var power = SimdExp.Of(new SimdScalar(logits[i] - maximum)).Value;
            total += power;
            ofErrors += power * ((errors[i] * norm) + floor);
        }

        return total;
    }
}
