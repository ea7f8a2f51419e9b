using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace AdaptiveSoftmax;

/// <summary>What is done to each element by itself, at any vector width.</summary>
internal interface IElementOperation
{
    /// <summary>Does the elements from <paramref name="index"/> on that one vector holds.</summary>
    void Run<TSimd>(int index)
        where TSimd : unmanaged, ISimd<TSimd>;
}

/// <summary>The loop of an operation over elements: vectors as wide as the elements left fill, down to single values.</summary>
internal static class Elementwise
{
    /// <summary>Does all elements, at most at the widest vectors of this machine.</summary>
    public static void Run<TOperation>(TOperation operation, int count)
        where TOperation : struct, IElementOperation
    {
        if (Vector512.IsHardwareAccelerated) Run<Simd512, TOperation>(operation, count);
        else if (Vector256.IsHardwareAccelerated) Run<Simd256, TOperation>(operation, count);
        else Run<Simd128, TOperation>(operation, count);
    }

    /// <summary>The same, at most at one vector width.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Run<TSimd, TOperation>(TOperation operation, int count)
        where TSimd : unmanaged, ISimd<TSimd>
        where TOperation : struct, IElementOperation
    {
        var i = 0;
        for (; i + TSimd.Width <= count; i += TSimd.Width) operation.Run<TSimd>(i);
        if (TSimd.Width > Simd256.Width && i + Simd256.Width <= count)
        {
            operation.Run<Simd256>(i);
            i += Simd256.Width;
        }

        if (TSimd.Width > Simd128.Width && i + Simd128.Width <= count)
        {
            operation.Run<Simd128>(i);
            i += Simd128.Width;
        }

        for (; i < count; i++) operation.Run<SimdScalar>(i);
    }
}
