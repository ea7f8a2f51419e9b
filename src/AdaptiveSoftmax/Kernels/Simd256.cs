using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace AdaptiveSoftmax;

internal readonly unsafe struct Simd256(Vector256<float> v) : ISimd<Simd256>
{
    private readonly Vector256<float> _v = v;

    public static int Width => Vector256<float>.Count;

    public static Simd256 Zero
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => new(Vector256<float>.Zero);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd256 Broadcast(float value) => new(Vector256.Create(value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd256 Load(float* source) => new(Vector256.Load(source));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd256 LoadBFloat16(ushort* source) => new(WidenBFloat16(source).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd256 LoadFloat16(Half* source) => new(Float16Bits.ToFloat32(WidenInt16((short*)source)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd256 LoadInt8(sbyte* source) => new(Vector256.ConvertToSingle(WidenInt8(source)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Vector256<uint> WidenBFloat16(ushort* source) => Avx2.IsSupported
        ? Avx2.ConvertToVector256Int32(source).AsUInt32() << 16
        : Vector256.Create(Simd128.WidenBFloat16(source), Simd128.WidenBFloat16(source + 4));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Vector256<int> WidenInt16(short* source) => Avx2.IsSupported
        ? Avx2.ConvertToVector256Int32(source)
        : Vector256.Create(Simd128.WidenInt16(source), Simd128.WidenInt16(source + 4));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Vector256<int> WidenInt8(sbyte* source) => Avx2.IsSupported
        ? Avx2.ConvertToVector256Int32(source)
        : Vector256.Create(Simd128.WidenInt8(source), Simd128.WidenInt8(source + 4));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(Simd256 value, float* target) => value._v.Store(target);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd256 MultiplyAdd(Simd256 left, Simd256 right, Simd256 addend) => new(Vector256.MultiplyAddEstimate(left._v, right._v, addend._v));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd256 Add(Simd256 left, Simd256 right) => new(left._v + right._v);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd256 Subtract(Simd256 left, Simd256 right) => new(left._v - right._v);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd256 Multiply(Simd256 left, Simd256 right) => new(left._v * right._v);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd256 Divide(Simd256 left, Simd256 right) => new(left._v / right._v);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd256 Max(Simd256 left, Simd256 right) => new(Vector256.Max(left._v, right._v));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd256 LastLanes(int count) => new(Vector256.Load(LaneMasks.OfFloats(Width, count)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd256 And(Simd256 left, Simd256 right) => new(left._v & right._v);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd256 Select(Simd256 mask, Simd256 left, Simd256 right) => new(Vector256.ConditionalSelect(mask._v, left._v, right._v));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd256 ScaleByPowerOfTwo(Simd256 value, Simd256 exponent) =>
        new(value._v * Vector256.ShiftLeft(exponent._v.AsInt32() + Vector256.Create(127), 23).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd256 ZeroWhereLess(Simd256 value, Simd256 left, Simd256 right) =>
        new(Vector256.AndNot(value._v, Vector256.LessThan(left._v, right._v)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Sum(Simd256 value) => Vector256.Sum(value._v);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Sums(Simd256 s0, Simd256 s1, Simd256 s2, Simd256 s3)
    {
        if (!Avx.IsSupported)
        {
            return Simd128.Sums(new(s0._v.GetLower()), new(s1._v.GetLower()), new(s2._v.GetLower()), new(s3._v.GetLower()))
                + Simd128.Sums(new(s0._v.GetUpper()), new(s1._v.GetUpper()), new(s2._v.GetUpper()), new(s3._v.GetUpper()));
        }

        var even = Avx.UnpackLow(s0._v, s1._v) + Avx.UnpackHigh(s0._v, s1._v);
        var odd = Avx.UnpackLow(s2._v, s3._v) + Avx.UnpackHigh(s2._v, s3._v);
        var sums = Avx.Shuffle(even, odd, 0x44) + Avx.Shuffle(even, odd, 0xEE);
        return sums.GetLower() + sums.GetUpper();
    }
}
