using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax;

/// <summary>
/// A weight in float32, bfloat16 or int8 with a scale a row. Products widen bfloat16 in registers and multiply in float32;
/// int8 takes inputs of 16 bits, whose rounding is a hundredth of what the weights have lost.
/// </summary>
internal readonly unsafe struct QuantizedView(int rows, int columns, WeightPrecision precision, float* values, float* scales)
{
    private const int LargestInt8 = 127;

    public int Rows { get; } = rows;

    public int Columns { get; } = columns;

    public WeightPrecision Precision { get; } = precision;

    /// <summary>The product of int8 rows [first, end) with an input of whole numbers.</summary>
    public void MultiplyRows(WholeInput input, float* outputs, int first, int end) =>
        Int8Gemv.MultiplyRows((sbyte*)values, scales, input.Values, input.Step, outputs, first, end, Columns);

    /// <summary>The scale of a row of int8.</summary>
    public float Scale(int row) => scales[row];

    /// <summary>The stored whole numbers of a row of int8, [columns].</summary>
    public sbyte* Int8Row(int row) => (sbyte*)values + ((nint)row * Columns);

    /// <summary>
    /// outputs[r] = Σ_k weight[r, k] · input[k] for rows [first, end) of float32 or bfloat16, at the widest vectors of this
    /// machine.
    /// </summary>
    public void MultiplyRows(float* input, float* outputs, int first, int end)
    {
        if (Vector512.IsHardwareAccelerated) MultiplyRows<Simd512>(input, outputs, first, end);
        else if (Vector256.IsHardwareAccelerated) MultiplyRows<Simd256>(input, outputs, first, end);
        else MultiplyRows<Simd128>(input, outputs, first, end);
    }

    /// <summary>The product at one vector width.</summary>
    public void MultiplyRows<TSimd>(float* input, float* outputs, int first, int end)
        where TSimd : unmanaged, ISimd<TSimd>
    {
        Debug.Assert(Precision != WeightPrecision.Int8, "int8 takes whole numbers");
        if (Precision == WeightPrecision.Float32) Gemv.MultiplyRows<TSimd, MatrixShape>(new MatrixShape(Rows, Columns), values, input, outputs, first, end);
        else MultiplyBFloat16<TSimd>((ushort*)values, input, outputs, first, end, Columns);
    }

    /// <summary>Writes rows [first, end) as float32, [end − first, columns].</summary>
    public void Widen(int first, int end, float* target)
    {
        for (var row = first; row < end; row++, target += Columns)
        {
            var start = (nint)row * Columns;
            switch (Precision)
            {
                case WeightPrecision.Float32:
                    new ReadOnlySpan<float>(values + start, Columns).CopyTo(new Span<float>(target, Columns));
                    break;
                case WeightPrecision.BFloat16:
                    WidenRow<BFloat16Format>((byte*)((ushort*)values + start), 1, target);
                    break;
                default:
                    WidenRow<Int8Format>((byte*)values + start, scales[row], target);
                    break;
            }
        }
    }

    /// <summary>Stores a row of float32 values.</summary>
    public void StoreRow(int row, float* source)
    {
        var start = (nint)row * Columns;
        switch (Precision)
        {
            case WeightPrecision.Float32:
                new ReadOnlySpan<float>(source, Columns).CopyTo(new Span<float>(values + start, Columns));
                break;
            case WeightPrecision.BFloat16:
                for (var k = 0; k < Columns; k++) ((ushort*)values)[start + k] = ToBFloat16(source[k]);
                break;
            default:
                scales[row] = StoreInt8(new ReadOnlySpan<float>(source, Columns), (sbyte*)values + start);
                break;
        }
    }

    // A row that is not finite keeps that property by its scale: its logit is NaN, as a float32 one would be or become.
    private static float StoreInt8(ReadOnlySpan<float> row, sbyte* target)
    {
        var largest = 0f;
        foreach (var value in row) largest = MathF.Max(largest, MathF.Abs(value));
        if (!float.IsFinite(largest)) return float.NaN;
        // The quotient of a value by a scale that is not a normal number could pass 127.
        var scale = largest / LargestInt8;
        for (var k = 0; k < row.Length && scale > 0; k++)
            target[k] = (sbyte)Math.Clamp(MathF.Round(row[k] / scale), -LargestInt8, LargestInt8);
        return scale;
    }

    // To nearest, ties to even; a NaN stays one.
    private static ushort ToBFloat16(float value)
    {
        var bits = BitConverter.SingleToUInt32Bits(value);
        if (float.IsNaN(value)) return (ushort)((bits >> 16) | 0x40);
        return (ushort)((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
    }

    private void WidenRow<TFormat>(byte* source, float scale, float* target)
        where TFormat : struct, IFormat
    {
        var k = 0;
        var factor = Simd256.Broadcast(scale);
        for (; k + Simd256.Width <= Columns; k += Simd256.Width)
            Simd256.Store(Simd256.Multiply(TFormat.Load<Simd256>(source, k), factor), target + k);
        for (; k < Columns; k++) target[k] = TFormat.Load<SimdScalar>(source, k).Value * scale;
    }

    // Four rows at a time share the loads of the input and hide the additions that end a row; the rows left over take the
    // same order of additions.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void MultiplyBFloat16<TSimd>(ushort* weight, float* x, float* outputs, int first, int end, int columns)
        where TSimd : unmanaged, ISimd<TSimd>
    {
        var row = first;
        for (; row + 4 <= end; row += 4)
        {
            ushort* w0 = weight + ((nint)row * columns), w1 = w0 + columns, w2 = w1 + columns, w3 = w2 + columns;
            TSimd s0 = TSimd.Zero, s1 = TSimd.Zero, s2 = TSimd.Zero, s3 = TSimd.Zero;
            var k = 0;
            for (; k + TSimd.Width <= columns; k += TSimd.Width)
            {
                var v = TSimd.Load(x + k);
                s0 = TSimd.MultiplyAdd(TSimd.LoadBFloat16(w0 + k), v, s0);
                s1 = TSimd.MultiplyAdd(TSimd.LoadBFloat16(w1 + k), v, s1);
                s2 = TSimd.MultiplyAdd(TSimd.LoadBFloat16(w2 + k), v, s2);
                s3 = TSimd.MultiplyAdd(TSimd.LoadBFloat16(w3 + k), v, s3);
            }

            float t0 = TSimd.Sum(s0), t1 = TSimd.Sum(s1), t2 = TSimd.Sum(s2), t3 = TSimd.Sum(s3);
            for (; k < columns; k++)
            {
                t0 += Widen(w0[k]) * x[k];
                t1 += Widen(w1[k]) * x[k];
                t2 += Widen(w2[k]) * x[k];
                t3 += Widen(w3[k]) * x[k];
            }

            (outputs[row], outputs[row + 1], outputs[row + 2], outputs[row + 3]) = (t0, t1, t2, t3);
        }

        for (; row < end; row++)
        {
            var w = weight + ((nint)row * columns);
            var sum = TSimd.Zero;
            var k = 0;
            for (; k + TSimd.Width <= columns; k += TSimd.Width) sum = TSimd.MultiplyAdd(TSimd.LoadBFloat16(w + k), TSimd.Load(x + k), sum);
            var total = TSimd.Sum(sum);
            for (; k < columns; k++) total += Widen(w[k]) * x[k];
            outputs[row] = total;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float Widen(ushort value) => BitConverter.UInt32BitsToSingle((uint)value << 16);

    private interface IFormat
    {
        static abstract TSimd Load<TSimd>(byte* row, int index)
            where TSimd : unmanaged, ISimd<TSimd>;
    }

    private readonly struct BFloat16Format : IFormat
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static TSimd Load<TSimd>(byte* row, int index)
            where TSimd : unmanaged, ISimd<TSimd> => TSimd.LoadBFloat16((ushort*)row + index);
    }

    private readonly struct Int8Format : IFormat
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static TSimd Load<TSimd>(byte* row, int index)
            where TSimd : unmanaged, ISimd<TSimd> => TSimd.LoadInt8((sbyte*)row + index);
    }
}
