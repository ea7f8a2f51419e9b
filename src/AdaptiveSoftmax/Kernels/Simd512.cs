using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace AdaptiveSoftmax;

internal readonly unsafe struct Simd512(Vector512<float> v) : ISimd<Simd512>
{
    private readonly Vector512<float> _v = v;

    public static int Width => Vector512<float>.Count;

    public static Simd512 Zero
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => new(Vector512<float>.Zero);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd512 Broadcast(float value) => new(Vector512.Create(value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd512 Load(float* source) => new(Vector512.Load(source));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd512 LoadBFloat16(ushort* source) => new((Avx512F.IsSupported
        ? Avx512F.ConvertToVector512Int32(Vector256.Load(source)).AsUInt32() << 16
        : Vector512.Create(Simd256.WidenBFloat16(source), Simd256.WidenBFloat16(source + 8))).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd512 LoadFloat16(Half* source) => new(Float16Bits.ToFloat32(Avx512F.IsSupported
        ? Avx512F.ConvertToVector512Int32(Vector256.Load((short*)source))
        : Vector512.Create(Simd256.WidenInt16((short*)source), Simd256.WidenInt16((short*)source + 8))));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd512 LoadInt8(sbyte* source) => new(Vector512.ConvertToSingle(Avx512F.IsSupported
        ? Avx512F.ConvertToVector512Int32(Vector128.Load(source))
        : Vector512.Create(Simd256.WidenInt8(source), Simd256.WidenInt8(source + 8))));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(Simd512 value, float* target) => value._v.Store(target);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd512 MultiplyAdd(Simd512 left, Simd512 right, Simd512 addend) => new(Vector512.MultiplyAddEstimate(left._v, right._v, addend._v));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd512 Add(Simd512 left, Simd512 right) => new(left._v + right._v);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd512 Subtract(Simd512 left, Simd512 right) => new(left._v - right._v);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd512 Multiply(Simd512 left, Simd512 right) => new(left._v * right._v);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd512 Divide(Simd512 left, Simd512 right) => new(left._v / right._v);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd512 Max(Simd512 left, Simd512 right) => new(Vector512.Max(left._v, right._v));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd512 LastLanes(int count) => new(Vector512.Load(LaneMasks.OfFloats(Width, count)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd512 And(Simd512 left, Simd512 right) => new(left._v & right._v);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd512 Select(Simd512 mask, Simd512 left, Simd512 right) => new(Vector512.ConditionalSelect(mask._v, left._v, right._v));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd512 ScaleByPowerOfTwo(Simd512 value, Simd512 exponent) =>
        new(value._v * Vector512.ShiftLeft(exponent._v.AsInt32() + Vector512.Create(127), 23).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd512 ZeroWhereLess(Simd512 value, Simd512 left, Simd512 right) =>
        new(Vector512.AndNot(value._v, Vector512.LessThan(left._v, right._v)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Sum(Simd512 value) => Vector512.Sum(value._v);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Sums(Simd512 s0, Simd512 s1, Simd512 s2, Simd512 s3)
    {
        if (!Avx512F.IsSupported)
        {
            return (QuarterSums(0, s0, s1, s2, s3) + QuarterSums(2, s0, s1, s2, s3))
                + (QuarterSums(1, s0, s1, s2, s3) + QuarterSums(3, s0, s1, s2, s3));
        }

        var even = Avx512F.UnpackLow(s0._v, s1._v) + Avx512F.UnpackHigh(s0._v, s1._v);
        var odd = Avx512F.UnpackLow(s2._v, s3._v) + Avx512F.UnpackHigh(s2._v, s3._v);
        var sums = Avx512F.Shuffle(even, odd, 0x44) + Avx512F.Shuffle(even, odd, 0xEE);
        var halves = sums.GetLower() + sums.GetUpper();
        return halves.GetLower() + halves.GetUpper();
    }

    private static Vector128<float> QuarterSums(int quarter, Simd512 s0, Simd512 s1, Simd512 s2, Simd512 s3) =>
        Simd128.Sums(s0.Quarter(quarter), s1.Quarter(quarter), s2.Quarter(quarter), s3.Quarter(quarter));

    private Simd128 Quarter(int index)
    {
        var half = index < 2 ? _v.GetLower() : _v.GetUpper();
        return new(index % 2 == 0 ? half.GetLower() : half.GetUpper());
    }
}
