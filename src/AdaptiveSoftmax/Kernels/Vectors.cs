using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace AdaptiveSoftmax;

/// <summary>Sums of vectors of any length.</summary>
internal static unsafe class Vectors
{
    /// <summary>target[i] += source[i].</summary>
    public static void Add(float* target, float* source, int count)
    {
        if (Vector512.IsHardwareAccelerated) Add<Simd512>(target, source, count);
        else if (Vector256.IsHardwareAccelerated) Add<Simd256>(target, source, count);
        else Add<Simd128>(target, source, count);
    }

    /// <inheritdoc cref="Add(float*, float*, int)"/>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Add<TSimd>(float* target, float* source, int count)
        where TSimd : unmanaged, ISimd<TSimd>
    {
        var i = 0;
        for (; i + TSimd.Width <= count; i += TSimd.Width) TSimd.Store(TSimd.Add(TSimd.Load(target + i), TSimd.Load(source + i)), target + i);
        for (; i < count; i++) target[i] += source[i];
    }
}
