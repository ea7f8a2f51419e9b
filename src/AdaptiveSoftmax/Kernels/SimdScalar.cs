using System.Runtime.Intrinsics;

namespace AdaptiveSoftmax;

/// <summary>A vector of one lane: what is left of a row after the last full vector.</summary>
internal readonly unsafe struct SimdScalar(float v) : ISimd<SimdScalar>
{
    private readonly float _v = v;

    public float Value => _v;

    public static int Width => 1;

    public static SimdScalar Zero => new(0);

    public static SimdScalar Broadcast(float value) => new(value);

    public static SimdScalar Load(float* source) => new(*source);

    public static SimdScalar LoadBFloat16(ushort* source) => new(BitConverter.UInt32BitsToSingle((uint)*source << 16));

    public static SimdScalar LoadFloat16(Half* source) => new((float)*source);

    public static SimdScalar LoadInt8(sbyte* source) => new(*source);

    public static void Store(SimdScalar value, float* target) => *target = value._v;

    public static SimdScalar MultiplyAdd(SimdScalar left, SimdScalar right, SimdScalar addend) => new(float.MultiplyAddEstimate(left._v, right._v, addend._v));

    public static SimdScalar Add(SimdScalar left, SimdScalar right) => new(left._v + right._v);

    public static SimdScalar Subtract(SimdScalar left, SimdScalar right) => new(left._v - right._v);

    public static SimdScalar Multiply(SimdScalar left, SimdScalar right) => new(left._v * right._v);

    public static SimdScalar Divide(SimdScalar left, SimdScalar right) => new(left._v / right._v);

    public static SimdScalar Max(SimdScalar left, SimdScalar right) => new(MathF.Max(left._v, right._v));

    public static SimdScalar LastLanes(int count) => new(count == 0 ? 0 : BitConverter.Int32BitsToSingle(-1));

    public static SimdScalar And(SimdScalar left, SimdScalar right) =>
        new(BitConverter.Int32BitsToSingle(BitConverter.SingleToInt32Bits(left._v) & BitConverter.SingleToInt32Bits(right._v)));

    public static SimdScalar Select(SimdScalar mask, SimdScalar left, SimdScalar right) => BitConverter.SingleToInt32Bits(mask._v) != 0 ? left : right;

    public static SimdScalar ScaleByPowerOfTwo(SimdScalar value, SimdScalar exponent) =>
        new(value._v * BitConverter.Int32BitsToSingle((BitConverter.SingleToInt32Bits(exponent._v) + 127) << 23));

    public static SimdScalar ZeroWhereLess(SimdScalar value, SimdScalar left, SimdScalar right) => left._v < right._v ? Zero : value;

    public static float Sum(SimdScalar value) => value._v;

    public static Vector128<float> Sums(SimdScalar s0, SimdScalar s1, SimdScalar s2, SimdScalar s3) => Vector128.Create(s0._v, s1._v, s2._v, s3._v);
}
