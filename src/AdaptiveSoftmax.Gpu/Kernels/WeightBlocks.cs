using System.Runtime.InteropServices;
using ILGPU;
using ILGPU.Algorithms;

namespace AdaptiveSoftmax.Gpu.Kernels;

/// <summary>
/// Sixteen bytes of a weight as decoding reads them. How a value is stored is known here alone: kernels multiply and
/// sum in float32.
/// </summary>
internal interface IWeightBlock<TSelf>
    where TSelf : unmanaged, IWeightBlock<TSelf>
{
    /// <summary>The values of a block, 4 or 8.</summary>
    int Values { get; }

    /// <summary>The values of a vector that a block is multiplied with.</summary>
    /// <param name="vector">The vector.</param>
    /// <param name="index">The block's place in its row.</param>
    VectorPart Beside(ArrayView<Float4> vector, int index);

    /// <summary>The products of the block's values with as many of a vector, summed.</summary>
    /// <param name="part">The vector's.</param>
    float Dot(VectorPart part);

    /// <summary>Four values, widened.</summary>
    /// <param name="weights">The weight.</param>
    /// <param name="index">Which four of it.</param>
    Float4 Four(ArrayView<TSelf> weights, long index);

    /// <summary>One value, widened.</summary>
    /// <param name="weights">The weight.</param>
    /// <param name="index">Which of it.</param>
    float Value(ArrayView<TSelf> weights, long index);
}

/// <summary>The values of a vector beside a block, of which the latter four are there only where a block has eight.</summary>
internal struct VectorPart
{
    public Float4 Low;
    public Float4 High;
}

/// <summary>Eight values in bfloat16, two a word, the first in its lower half: the bits of each are the upper ones of a float32.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct BFloat8 : IWeightBlock<BFloat8>
{
    private uint _first;
    private uint _second;
    private uint _third;
    private uint _fourth;

    public readonly int Values => 8;

    public readonly VectorPart Beside(ArrayView<Float4> vector, int index) => new() { Low = vector[2 * index], High = vector[(2 * index) + 1] };

    public readonly float Dot(VectorPart part) =>
        (Low(_first) * part.Low.X) + (High(_first) * part.Low.Y) + (Low(_second) * part.Low.Z) + (High(_second) * part.Low.W) +
        (Low(_third) * part.High.X) + (High(_third) * part.High.Y) + (Low(_fourth) * part.High.Z) + (High(_fourth) * part.High.W);

    public readonly Float4 Four(ArrayView<BFloat8> weights, long index)
    {
        var four = weights.Cast<ulong>()[index];
        var (first, second) = ((uint)four, (uint)(four >> 32));
        return new Float4 { X = Low(first), Y = High(first), Z = Low(second), W = High(second) };
    }

    public readonly float Value(ArrayView<BFloat8> weights, long index) => Interop.IntAsFloat((uint)weights.Cast<ushort>()[index] << 16);

    private static float Low(uint two) => Interop.IntAsFloat(two << 16);

    private static float High(uint two) => Interop.IntAsFloat(two & 0xFFFF0000);
}

/// <summary>Eight values in float16, two a word, the first in its lower half; none of them is infinite or NaN.</summary>
/// <remarks>They are widened as on the CPU (<see cref="Float16Bits"/>): exactly, and with no operand that a device may take for 0.</remarks>
[StructLayout(LayoutKind.Sequential)]
internal struct Half8 : IWeightBlock<Half8>
{
    // The difference of the exponents' biases, in a float32's place.
    private const uint Bias = (127 - 15) << 23;
    private const float SmallestNormal = 1f / (1 << 14);

    private uint _first;
    private uint _second;
    private uint _third;
    private uint _fourth;

    public readonly int Values => 8;

    public readonly VectorPart Beside(ArrayView<Float4> vector, int index) => new() { Low = vector[2 * index], High = vector[(2 * index) + 1] };

    public readonly float Dot(VectorPart part) =>
        (Low(_first) * part.Low.X) + (High(_first) * part.Low.Y) + (Low(_second) * part.Low.Z) + (High(_second) * part.Low.W) +
        (Low(_third) * part.High.X) + (High(_third) * part.High.Y) + (Low(_fourth) * part.High.Z) + (High(_fourth) * part.High.W);

    public readonly Float4 Four(ArrayView<Half8> weights, long index)
    {
        var four = weights.Cast<ulong>()[index];
        var (first, second) = ((uint)four, (uint)(four >> 32));
        return new Float4 { X = Low(first), Y = High(first), Z = Low(second), W = High(second) };
    }

    public readonly float Value(ArrayView<Half8> weights, long index) => Low(weights.Cast<ushort>()[index]);

    private static float Low(uint two) => Widen(two << 13, two << 16);

    private static float High(uint two) => Widen(two >> 3, two);

    // Exponent and fraction in a float32's place, and the sign in its.
    private static float Widen(uint magnitude, uint sign)
    {
        var value = Interop.IntAsFloat((magnitude & 0x0FFFE000) + Bias);
        value -= XMath.Max(SmallestNormal - value, 0f);
        return Interop.IntAsFloat(Interop.FloatAsInt(value) | (sign & 0x80000000));
    }
}
