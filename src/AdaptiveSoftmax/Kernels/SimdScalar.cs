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

    public static SimdScalar LoadInt8(sbyte* source) => new(*source);

    public static void Store(SimdScalar value, float* target) => *target = value._v;

    public static SimdScalar MultiplyAdd(SimdScalar left, SimdScalar right, SimdScalar addend) => new(float.MultiplyAddEstimate(left._v, right._v, addend._v));

    public static SimdScalar Add(SimdScalar left, SimdScalar right) => new(left._v + right._v);

    public static SimdScalar Subtract(SimdScalar left, SimdScalar right) => new(left._v - right._v);

    public static SimdScalar Multiply(SimdScalar left, SimdScalar right) => new(left._v * right._v);

    public static SimdScalar Max(SimdScalar left, SimdScalar right) => new(MathF.Max(left._v, right._v));

    public static SimdScalar ScaleByPowerOfTwo(SimdScalar value, SimdScalar exponent) =>
        new(value._v * BitConverter.Int32BitsToSingle((BitConverter.SingleToInt32Bits(exponent._v) + 127) << 23));

    public static SimdScalar ZeroWhereLess(SimdScalar value, SimdScalar left, SimdScalar right) => left._v < right._v ? Zero : value;

    public static float Sum(SimdScalar value) => value._v;
}
