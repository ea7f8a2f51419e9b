using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;

namespace AdaptiveSoftmax;

/// <summary>
/// outputs[r] = (scales[r] · step) · Σ_k weight[r, k] · input[k] over whole numbers, 8 bits by 16. The sums are exact, so
/// every machine gives the same bits; a vector instruction multiplies and adds twice as many pairs as in float32.
/// </summary>
internal static unsafe class Int8Gemv
{
    /// <summary>With inputs of at most this magnitude no sum of so many columns leaves 32 bits.</summary>
    public static int LargestInput(int columns) => Math.Min(short.MaxValue, int.MaxValue / sbyte.MaxValue / columns);

    /// <summary>The products of rows [first, end).</summary>
    /// <param name="weight">[rows, columns].</param>
    /// <param name="scales">[rows].</param>
    /// <param name="input">[columns], each at most <see cref="LargestInput"/>.</param>
    /// <param name="step">What 1 of the input stands for.</param>
    /// <param name="outputs">[rows].</param>
    /// <param name="first">The first row.</param>
    /// <param name="end">The row after the last.</param>
    /// <param name="columns">The columns.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void MultiplyRows(sbyte* weight, float* scales, short* input, float step, float* outputs, int first, int end, int columns)
    {
        var factor = Vector128.Create(step);
        var row = first;
        for (; row + 4 <= end; row += 4)
            (FourRows(weight + ((nint)row * columns), input, columns) * (Vector128.Load(scales + row) * factor)).Store(outputs + row);
        for (; row < end; row++) outputs[row] = OneRow(weight + ((nint)row * columns), input, columns) * (scales[row] * step);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<float> FourRows(sbyte* w0, short* x, int columns)
    {
        sbyte* w1 = w0 + columns, w2 = w1 + columns, w3 = w2 + columns;
        Vector256<int> s0 = default, s1 = default, s2 = default, s3 = default;
        var k = 0;
        if (Avx512BW.IsSupported)
        {
            Vector512<int> t0 = default, t1 = default, t2 = default, t3 = default;
            for (; k + Vector512<short>.Count <= columns; k += Vector512<short>.Count)
            {
                var v = Vector512.Load(x + k);
                t0 += Avx512BW.MultiplyAddAdjacent(Avx512BW.ConvertToVector512Int16(Vector256.Load(w0 + k)), v);
                t1 += Avx512BW.MultiplyAddAdjacent(Avx512BW.ConvertToVector512Int16(Vector256.Load(w1 + k)), v);
                t2 += Avx512BW.MultiplyAddAdjacent(Avx512BW.ConvertToVector512Int16(Vector256.Load(w2 + k)), v);
                t3 += Avx512BW.MultiplyAddAdjacent(Avx512BW.ConvertToVector512Int16(Vector256.Load(w3 + k)), v);
            }

            s0 = t0.GetLower() + t0.GetUpper();
            s1 = t1.GetLower() + t1.GetUpper();
            s2 = t2.GetLower() + t2.GetUpper();
            s3 = t3.GetLower() + t3.GetUpper();
        }

        if (Avx2.IsSupported)
        {
            for (; k + Vector256<short>.Count <= columns; k += Vector256<short>.Count)
            {
                var v = Vector256.Load(x + k);
                s0 += Avx2.MultiplyAddAdjacent(Avx2.ConvertToVector256Int16(Vector128.Load(w0 + k)), v);
                s1 += Avx2.MultiplyAddAdjacent(Avx2.ConvertToVector256Int16(Vector128.Load(w1 + k)), v);
                s2 += Avx2.MultiplyAddAdjacent(Avx2.ConvertToVector256Int16(Vector128.Load(w2 + k)), v);
                s3 += Avx2.MultiplyAddAdjacent(Avx2.ConvertToVector256Int16(Vector128.Load(w3 + k)), v);
            }
        }

        Vector128<int> u0 = s0.GetLower() + s0.GetUpper(), u1 = s1.GetLower() + s1.GetUpper();
        Vector128<int> u2 = s2.GetLower() + s2.GetUpper(), u3 = s3.GetLower() + s3.GetUpper();
        for (; k + Vector128<short>.Count <= columns; k += Vector128<short>.Count)
        {
            var v = Vector128.Load(x + k);
            u0 += EightProducts(w0 + k, v);
            u1 += EightProducts(w1 + k, v);
            u2 += EightProducts(w2 + k, v);
            u3 += EightProducts(w3 + k, v);
        }

        var sums = Sums(u0, u1, u2, u3);
        for (; k < columns; k++) sums += Vector128.Create(w0[k] * x[k], w1[k] * x[k], w2[k] * x[k], w3[k] * x[k]);
        return Vector128.ConvertToSingle(sums);
    }

    private static float OneRow(sbyte* w, short* x, int columns)
    {
        Vector128<int> sum = default;
        var k = 0;
        for (; k + Vector128<short>.Count <= columns; k += Vector128<short>.Count) sum += EightProducts(w + k, Vector128.Load(x + k));
        var total = Vector128.Sum(sum);
        for (; k < columns; k++) total += w[k] * x[k];
        return total;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<int> EightProducts(sbyte* w, Vector128<short> x)
    {
        var wide = Vector128.WidenLower(Vector64.Load(w).ToVector128Unsafe());
        if (Sse2.IsSupported) return Sse2.MultiplyAddAdjacent(wide, x);
        return (Vector128.WidenLower(wide) * Vector128.WidenLower(x)) + (Vector128.WidenUpper(wide) * Vector128.WidenUpper(x));
    }

    // The sum of the lanes of each.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<int> Sums(Vector128<int> a, Vector128<int> b, Vector128<int> c, Vector128<int> d)
    {
        if (Ssse3.IsSupported) return Ssse3.HorizontalAdd(Ssse3.HorizontalAdd(a, b), Ssse3.HorizontalAdd(c, d));
        if (AdvSimd.Arm64.IsSupported) return AdvSimd.Arm64.AddPairwise(AdvSimd.Arm64.AddPairwise(a, b), AdvSimd.Arm64.AddPairwise(c, d));
        return Vector128.Create(Vector128.Sum(a), Vector128.Sum(b), Vector128.Sum(c), Vector128.Sum(d));
    }
}
