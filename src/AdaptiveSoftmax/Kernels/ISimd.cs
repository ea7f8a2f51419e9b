using System.Runtime.Intrinsics;

namespace AdaptiveSoftmax;

/// <summary>
/// The few operations the kernels need of a float vector, so that one source serves every vector width and tests can
/// force each.
/// </summary>
internal unsafe interface ISimd<TSelf>
    where TSelf : unmanaged, ISimd<TSelf>
{
    static abstract int Width { get; }

    static abstract TSelf Zero { get; }

    static abstract TSelf Broadcast(float value);

    static abstract TSelf Load(float* source);

    /// <summary>Reads bfloat16 values, which float32 holds exactly.</summary>
    static abstract TSelf LoadBFloat16(ushort* source);

    /// <summary>Reads finite float16 values, which float32 holds exactly.</summary>
    static abstract TSelf LoadFloat16(Half* source);

    /// <summary>Reads 8-bit integers.</summary>
    static abstract TSelf LoadInt8(sbyte* source);

    static abstract void Store(TSelf value, float* target);

    static abstract TSelf MultiplyAdd(TSelf left, TSelf right, TSelf addend);

    static abstract TSelf Add(TSelf left, TSelf right);

    static abstract TSelf Subtract(TSelf left, TSelf right);

    static abstract TSelf Multiply(TSelf left, TSelf right);

    static abstract TSelf Divide(TSelf left, TSelf right);

    static abstract TSelf Max(TSelf left, TSelf right);

    /// <summary>A mask of the last <paramref name="count"/> lanes, for <see cref="And"/> and <see cref="Select"/>.</summary>
    static abstract TSelf LastLanes(int count);

    /// <summary>The bits that both have.</summary>
    static abstract TSelf And(TSelf left, TSelf right);

    /// <summary>The lanes of <paramref name="left"/> where the mask is set, and else those of <paramref name="right"/>.</summary>
    static abstract TSelf Select(TSelf mask, TSelf left, TSelf right);

    /// <summary>value · 2ⁿ for n in [−126, 127], which the low 9 bits of <paramref name="exponent"/> hold.</summary>
    static abstract TSelf ScaleByPowerOfTwo(TSelf value, TSelf exponent);

    /// <summary><paramref name="value"/>, but 0 where left is less than right.</summary>
    static abstract TSelf ZeroWhereLess(TSelf value, TSelf left, TSelf right);

    static abstract float Sum(TSelf value);

    /// <summary>The sum of the lanes of each, in one order of additions on every machine.</summary>
    static abstract Vector128<float> Sums(TSelf s0, TSelf s1, TSelf s2, TSelf s3);
}
