using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace AdaptiveSoftmax;

/// <summary>Vectors of any length.</summary>
internal static unsafe class Vectors
{
    /// <summary>target[i] += source[i].</summary>
    public static void Add(float* target, float* source, int count) => Add(target, source, target, count);

    /// <summary>target[i] = left[i] + right[i]; the target may be either.</summary>
    public static void Add(float* left, float* right, float* target, int count) => Elementwise.Run(new Addition(left, right, target), count);

    /// <summary>The same, at most at one vector width.</summary>
    public static void Add<TSimd>(float* target, float* source, int count)
        where TSimd : unmanaged, ISimd<TSimd> => Elementwise.Run<TSimd, Addition>(new Addition(target, source, target), count);

    /// <summary>target[i] *= source[i].</summary>
    public static void Multiply(float* target, float* source, int count) => Elementwise.Run(new Multiplication(target, source), count);

    /// <summary>target[i] = source[i] · factor; the target may be the source.</summary>
    public static void Scale(float* source, float factor, float* target, int count) => Elementwise.Run(new Scaling(source, factor, target), count);

    /// <summary>The largest magnitude; NaN where a value is.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static float LargestMagnitude(float* values, int count)
    {
        var largest = 0f;
        if (count < Vector256<float>.Count)
        {
            for (var i = 0; i < count; i++) largest = MathF.Max(largest, MathF.Abs(values[i]));
            return largest;
        }

        var top = Vector256.Abs(Vector256.Load(values + count - Vector256<float>.Count));
        for (var i = 0; i + Vector256<float>.Count <= count; i += Vector256<float>.Count) top = Vector256.Max(top, Vector256.Abs(Vector256.Load(values + i)));
        for (var lane = 0; lane < Vector256<float>.Count; lane++) largest = MathF.Max(largest, top[lane]);
        return largest;
    }

    private readonly struct Multiplication(float* target, float* source) : IElementOperation
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Run<TSimd>(int index)
            where TSimd : unmanaged, ISimd<TSimd> => TSimd.Store(TSimd.Multiply(TSimd.Load(target + index), TSimd.Load(source + index)), target + index);
    }

    private readonly struct Addition(float* left, float* right, float* target) : IElementOperation
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Run<TSimd>(int index)
            where TSimd : unmanaged, ISimd<TSimd> => TSimd.Store(TSimd.Add(TSimd.Load(left + index), TSimd.Load(right + index)), target + index);
    }

    private readonly struct Scaling(float* source, float factor, float* target) : IElementOperation
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Run<TSimd>(int index)
            where TSimd : unmanaged, ISimd<TSimd> => TSimd.Store(TSimd.Multiply(TSimd.Load(source + index), TSimd.Broadcast(factor)), target + index);
    }
}
