using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace AdaptiveSoftmax;

/// <summary>How one floating-point value of a row is stored.</summary>
internal unsafe interface IFloatElement
{
    /// <summary>The bytes of a value.</summary>
    static abstract int Bytes { get; }

    /// <summary>Reads a vector of values, widened to float32 in registers.</summary>
    static abstract TSimd Load<TSimd>(byte* values)
        where TSimd : unmanaged, ISimd<TSimd>;
}

/// <summary>Values of float32.</summary>
internal readonly unsafe struct Float32Element : IFloatElement
{
    public static int Bytes => sizeof(float);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TSimd Load<TSimd>(byte* values)
        where TSimd : unmanaged, ISimd<TSimd> => TSimd.Load((float*)values);
}

/// <summary>Values of bfloat16.</summary>
internal readonly unsafe struct BFloat16Element : IFloatElement
{
    public static int Bytes => sizeof(ushort);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TSimd Load<TSimd>(byte* values)
        where TSimd : unmanaged, ISimd<TSimd> => TSimd.LoadBFloat16((ushort*)values);
}

/// <summary>Finite values of float16.</summary>
internal readonly unsafe struct Float16Element : IFloatElement
{
    public static int Bytes => sizeof(Half);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TSimd Load<TSimd>(byte* values)
        where TSimd : unmanaged, ISimd<TSimd> => TSimd.LoadFloat16((Half*)values);
}

/// <summary>Rows of floating-point values for an input of float32.</summary>
internal readonly unsafe struct FloatRows<TElement, TSimd> : IRowFormat<TSimd>
    where TElement : unmanaged, IFloatElement
    where TSimd : unmanaged, ISimd<TSimd>
{
    public static int Bytes => TElement.Bytes;

    public static int Width => TSimd.Width;

    public static int LongRow => 256;

    public static TSimd Zero => TSimd.Zero;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TSimd LoadInput(void* input, int column) => TSimd.Load((float*)input + column);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TSimd LastColumns(int count) => TSimd.LastLanes(count);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TSimd And(TSimd left, TSimd right) => TSimd.And(left, right);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TSimd Add(TSimd left, TSimd right) => TSimd.Add(left, right);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TSimd MultiplyAdd(byte* row, TSimd input, TSimd sum) => TSimd.MultiplyAdd(TElement.Load<TSimd>(row), input, sum);

    // Masked on this side too: the 0 of the input would make NaN of an infinite weight that was counted already.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TSimd MultiplyAdd(byte* row, TSimd mask, TSimd input, TSimd sum) =>
        TSimd.MultiplyAdd(TSimd.And(TElement.Load<TSimd>(row), mask), input, sum);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Sums(TSimd s0, TSimd s1, TSimd s2, TSimd s3) => TSimd.Sums(s0, s1, s2, s3);
}
