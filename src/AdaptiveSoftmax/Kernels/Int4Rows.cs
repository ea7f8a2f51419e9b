using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace AdaptiveSoftmax;

/// <summary>The product of one row of 4-bit whole numbers with an input, before the sum over eight lanes.</summary>
/// <remarks>
/// Lane j of a group sums columns 2j, 2j + 1, 16 + 2j and 17 + 2j as whole numbers. Even groups are added up in one vector of
/// eight lanes, odd ones in another, each by a fused operation a group, in ascending order; the result is the sum of both.
/// </remarks>
internal unsafe interface IInt4Rows
{
    static abstract Vector256<float> Multiply(byte* row, short* scales, short* input, int groups);
}

/// <summary>Two groups at a time.</summary>
internal readonly unsafe struct Int4Rows512 : IInt4Rows
{
    private const int GroupsPerVector = 16;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Multiply(byte* row, short* scales, short* input, int groups)
    {
        var sum = Vector512<float>.Zero;
        var group = 0;
        for (; group + 2 <= groups;)
        {
            var halves = Avx512F.ConvertToVector512Int32(Vector256.Load(scales + group));
            var factors = ((halves << 13) & Vector512.Create(Int4Gemv.HalfBits)).AsSingle() * Vector512.Create(Int4Gemv.HalfFactor);
            var lanes = Vector512.Create(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1);
            var end = Math.Min(groups - 1, group + GroupsPerVector);
            for (; group < end; group += 2, row += 2 * Int4Gemv.GroupBytes, input += 2 * Int4Gemv.GroupSize, lanes += Vector512.Create(2))
            {
                var packed = Avx512BW.ConvertToVector512Int16(Vector256.Load((sbyte*)row));

                // Columns 0 to 15 of both groups, and columns 16 to 31.
                var low = Vector512.Create(Vector256.Load(input), Vector256.Load(input + 32));
                var high = Vector512.Create(Vector256.Load(input + 16), Vector256.Load(input + 48));
                var products = Avx512BW.MultiplyAddAdjacent((packed << 12) >> 12, low) + Avx512BW.MultiplyAddAdjacent(packed >> 4, high);
                sum = Vector512.FusedMultiplyAdd(Avx512F.PermuteVar16x32(factors, lanes), Vector512.ConvertToSingle(products), sum);
            }
        }

        var even = sum.GetLower();
        if (group < groups) even = Int4Rows256.Add(row, Int4Gemv.Widen(scales[group]), input, even);
        return even + sum.GetUpper();
    }
}

/// <summary>A group at a time.</summary>
internal readonly unsafe struct Int4Rows256 : IInt4Rows
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Multiply(byte* row, short* scales, short* input, int groups)
    {
        Vector256<float> even = default, odd = default;
        var group = 0;
        for (; group + 2 <= groups; group += 2, row += 2 * Int4Gemv.GroupBytes, input += 2 * Int4Gemv.GroupSize)
        {
            even = Add(row, Int4Gemv.Widen(scales[group]), input, even);
            odd = Add(row + Int4Gemv.GroupBytes, Int4Gemv.Widen(scales[group + 1]), input + Int4Gemv.GroupSize, odd);
        }

        if (group < groups) even = Add(row, Int4Gemv.Widen(scales[group]), input, even);
        return even + odd;
    }

    /// <summary>sum + scale · group · input.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Add(byte* group, float scale, short* input, Vector256<float> sum)
    {
        var packed = Avx2.ConvertToVector256Int16(Vector128.Load((sbyte*)group));
        var products = Avx2.MultiplyAddAdjacent((packed << 12) >> 12, Vector256.Load(input)) + Avx2.MultiplyAddAdjacent(packed >> 4, Vector256.Load(input + 16));
        return Vector256.FusedMultiplyAdd(Vector256.Create(scale), Vector256.ConvertToSingle(products), sum);
    }
}

/// <summary>Half a group at a time, in operations that every machine has.</summary>
internal readonly unsafe struct Int4Rows128 : IInt4Rows
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Multiply(byte* row, short* scales, short* input, int groups)
    {
        Vector128<float> even0 = default, even1 = default, odd0 = default, odd1 = default;
        for (var group = 0; group < groups; group++, row += Int4Gemv.GroupBytes, input += Int4Gemv.GroupSize)
        {
            var factor = Vector128.Create(Int4Gemv.Widen(scales[group]));
            var packed = Vector128.Load((sbyte*)row);
            var first = Vector128.ConvertToSingle(Products(Vector128.WidenLower(packed), input));
            var second = Vector128.ConvertToSingle(Products(Vector128.WidenUpper(packed), input + 8));
            if (group % 2 == 0)
            {
                even0 = Vector128.FusedMultiplyAdd(factor, first, even0);
                even1 = Vector128.FusedMultiplyAdd(factor, second, even1);
            }
            else
            {
                odd0 = Vector128.FusedMultiplyAdd(factor, first, odd0);
                odd1 = Vector128.FusedMultiplyAdd(factor, second, odd1);
            }
        }

        return Vector256.Create(even0 + odd0, even1 + odd1);
    }

    private static Vector128<int> Products(Vector128<short> packed, short* input) =>
        MultiplyAddAdjacent((packed << 12) >> 12, Vector128.Load(input)) + MultiplyAddAdjacent(packed >> 4, Vector128.Load(input + 16));

    private static Vector128<int> MultiplyAddAdjacent(Vector128<short> left, Vector128<short> right)
    {
        if (Sse2.IsSupported) return Sse2.MultiplyAddAdjacent(left, right);
        var (l, r) = (left.AsInt32(), right.AsInt32());
        return (((l << 16) >> 16) * ((r << 16) >> 16)) + ((l >> 16) * (r >> 16));
    }
}
