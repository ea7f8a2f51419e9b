using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace AdaptiveSoftmax;

/// <summary>Sums of vectors, value by value.</summary>
internal static unsafe class VectorAdd
{
    /// <summary>target[i] += source[i].</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void To(float* target, float* source, int count)
    {
        var i = 0;
        if (Vector512.IsHardwareAccelerated)
        {
            for (; i + Vector512<float>.Count <= count; i += Vector512<float>.Count)
                (Vector512.Load(target + i) + Vector512.Load(source + i)).Store(target + i);
        }

        for (; i + Vector128<float>.Count <= count; i += Vector128<float>.Count)
            (Vector128.Load(target + i) + Vector128.Load(source + i)).Store(target + i);
        for (; i < count; i++) target[i] += source[i];
    }
}
