using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace AdaptiveSoftmax;

/// <summary>Rows of float32.</summary>
internal readonly unsafe struct Float32Rows<TSimd> : IRowFormat<TSimd>
    where TSimd : unmanaged, ISimd<TSimd>
{
    public static int Bytes => sizeof(float);

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
    public static TSimd MultiplyAdd(byte* row, TSimd input, TSimd sum) => TSimd.MultiplyAdd(TSimd.Load((float*)row), input, sum);

    // Masked on this side too: the 0 of the input would make NaN of an infinite weight that was counted already.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TSimd MultiplyAdd(byte* row, TSimd mask, TSimd input, TSimd sum) =>
        TSimd.MultiplyAdd(TSimd.And(TSimd.Load((float*)row), mask), input, sum);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Sums(TSimd s0, TSimd s1, TSimd s2, TSimd s3) => TSimd.Sums(s0, s1, s2, s3);
}

/// <summary>Rows of bfloat16, widened in registers, for an input of float32.</summary>
internal readonly unsafe struct BFloat16Rows<TSimd> : IRowFormat<TSimd>
    where TSimd : unmanaged, ISimd<TSimd>
{
    public static int Bytes => sizeof(ushort);

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
    public static TSimd MultiplyAdd(byte* row, TSimd input, TSimd sum) => TSimd.MultiplyAdd(TSimd.LoadBFloat16((ushort*)row), input, sum);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TSimd MultiplyAdd(byte* row, TSimd mask, TSimd input, TSimd sum) =>
        TSimd.MultiplyAdd(TSimd.And(TSimd.LoadBFloat16((ushort*)row), mask), input, sum);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Sums(TSimd s0, TSimd s1, TSimd s2, TSimd s3) => TSimd.Sums(s0, s1, s2, s3);
}
