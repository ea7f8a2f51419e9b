using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax;

/// <summary>
/// A weight in float32, bfloat16 or int8 with a scale a row. Products widen the weights in registers and multiply in
/// float32: at batch 1 memory is the limit, so integer products would save nothing and cost the inputs' accuracy.
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

    /// <summary>outputs[r] = Σ_k weight[r, k] · input[k] for rows [first, end), at the widest vectors of this machine.</summary>
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
        switch (Precision)
        {
            case WeightPrecision.Float32:
                Gemv.MultiplyRows<TSimd, MatrixShape>(new MatrixShape(Rows, Columns), values, input, outputs, first, end);
                break;
            case WeightPrecision.BFloat16:
                Multiply<TSimd, BFloat16Format>((byte*)values, null, input, outputs, first, end, Columns);
                break;
            default:
                Multiply<TSimd, Int8Format>((byte*)values, scales, input, outputs, first, end, Columns);
                break;
        }
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

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Multiply<TSimd, TFormat>(byte* weight, float* scales, float* x, float* outputs, int first, int end, int columns)
        where TSimd : unmanaged, ISimd<TSimd>
        where TFormat : struct, IFormat
    {
        var width = TSimd.Width;
        for (var row = first; row < end; row++)
        {
            var w = weight + ((nint)row * columns * TFormat.Size);
            TSimd s0 = TSimd.Zero, s1 = TSimd.Zero, s2 = TSimd.Zero, s3 = TSimd.Zero;
            var k = 0;
            for (; k + (4 * width) <= columns; k += 4 * width)
            {
                s0 = TSimd.MultiplyAdd(TFormat.Load<TSimd>(w, k), TSimd.Load(x + k), s0);
                s1 = TSimd.MultiplyAdd(TFormat.Load<TSimd>(w, k + width), TSimd.Load(x + k + width), s1);
                s2 = TSimd.MultiplyAdd(TFormat.Load<TSimd>(w, k + (2 * width)), TSimd.Load(x + k + (2 * width)), s2);
                s3 = TSimd.MultiplyAdd(TFormat.Load<TSimd>(w, k + (3 * width)), TSimd.Load(x + k + (3 * width)), s3);
            }

            for (; k + width <= columns; k += width) s0 = TSimd.MultiplyAdd(TFormat.Load<TSimd>(w, k), TSimd.Load(x + k), s0);
            var total = TSimd.Sum(TSimd.Add(TSimd.Add(s0, s1), TSimd.Add(s2, s3)));
            for (; k < columns; k++) total += TFormat.Load<SimdScalar>(w, k).Value * x[k];
            outputs[row] = scales is null ? total : total * scales[row];
        }
    }

    private interface IFormat
    {
        static abstract int Size { get; }

        static abstract TSimd Load<TSimd>(byte* row, int index)
            where TSimd : unmanaged, ISimd<TSimd>;
    }

    private readonly struct BFloat16Format : IFormat
    {
        public static int Size => sizeof(ushort);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static TSimd Load<TSimd>(byte* row, int index)
            where TSimd : unmanaged, ISimd<TSimd> => TSimd.LoadBFloat16((ushort*)row + index);
    }

    private readonly struct Int8Format : IFormat
    {
        public static int Size => sizeof(sbyte);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static TSimd Load<TSimd>(byte* row, int index)
            where TSimd : unmanaged, ISimd<TSimd> => TSimd.LoadInt8((sbyte*)row + index);
    }
}
