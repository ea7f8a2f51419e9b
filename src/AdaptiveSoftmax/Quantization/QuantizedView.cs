using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax;

/// <summary>
/// A weight in float32, bfloat16, float16, int8 with a scale a row, or int4 with a scale for 32 columns as well. Products widen the halves in
/// registers and multiply in float32; int8 and int4 take inputs of 16 bits, whose rounding is a hundredth of what the weights
/// have lost.
/// </summary>
internal readonly unsafe struct QuantizedView(int rows, int columns, WeightPrecision precision, float* values, float* scales, short* groupScales)
{
    public int Rows { get; } = rows;

    public int Columns { get; } = columns;

    public WeightPrecision Precision { get; } = precision;

    /// <summary>Whether products take whole numbers.</summary>
    public bool IsWhole => Precision is WeightPrecision.Int8 or WeightPrecision.Int4;

    /// <summary>The groups of a row of int4.</summary>
    public int Groups => Int4Gemv.Groups(Columns);

    /// <summary>The product of int8 or int4 rows [first, end) with an input of whole numbers.</summary>
    public void MultiplyRows(WholeInput input, float* outputs, int first, int end)
    {
        Debug.Assert(IsWhole, "other weights take floats");
        if (Precision == WeightPrecision.Int8) Int8Gemv.MultiplyRows((sbyte*)values, scales, input.Values, input.Step, outputs, first, end, Columns);
        else Int4Gemv.MultiplyRows((byte*)values, groupScales, scales, input.Values, input.Step, outputs, first, end, Groups);
    }

    /// <summary>The scale of a row of int8 or int4.</summary>
    public float Scale(int row) => scales[row];

    /// <summary>The whole numbers of a row of int4, [groups, 16].</summary>
    public byte* Int4Row(int row) => (byte*)values + ((nint)row * Groups * Int4Gemv.GroupBytes);

    /// <summary>The half-precision factors of a row's scale, [groups].</summary>
    public short* GroupScales(int row) => groupScales + ((nint)row * Groups);

    /// <summary>The stored whole numbers of a row of int8, [columns].</summary>
    public sbyte* Int8Row(int row) => (sbyte*)values + ((nint)row * Columns);

    /// <summary>
    /// outputs[r] = Σ_k weight[r, k] · input[k] for rows [first, end) of floating-point values, at the widest vectors of this
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
        Debug.Assert(!IsWhole, "int8 and int4 take whole numbers");
        var shape = new MatrixShape(Rows, Columns);
        if (Precision == WeightPrecision.Float32) Gemv.MultiplyRows<TSimd, MatrixShape>(shape, values, input, outputs, first, end);
        else if (Precision == WeightPrecision.Float16) Gemv.MultiplyRows<TSimd, MatrixShape>(shape, (Half*)values, input, outputs, first, end);
        else Gemv.MultiplyRows<TSimd, MatrixShape>(shape, (ushort*)values, input, outputs, first, end);
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
                    Widen<BFloat16Format>((byte*)((ushort*)values + start), 1, target, Columns);
                    break;
                case WeightPrecision.Float16:
                    Widen<Float16Format>((byte*)((Half*)values + start), 1, target, Columns);
                    break;
                case WeightPrecision.Int8:
                    Widen<Int8Format>((byte*)values + start, scales[row], target, Columns);
                    break;
                default:
                    Int4Rounding.Widen(Int4Row(row), GroupScales(row), scales[row], target, Columns);
                    break;
            }
        }
    }

    /// <summary>A row as float32: where it stands, or widened.</summary>
    /// <param name="row">The row.</param>
    /// <param name="room">Room for it, [columns].</param>
    public float* Row(int row, float* room)
    {
        if (Precision == WeightPrecision.Float32) return values + ((nint)row * Columns);
        Widen(row, row + 1, room);
        return room;
    }

    /// <summary>Floating-point values of rows [first, end) as they are stored, without gaps.</summary>
    public ReadOnlySpan<byte> Stored(int first, int end)
    {
        Debug.Assert(!IsWhole, "rows of int8 and int4 have scales");
        var bytes = (nint)Columns * (Precision == WeightPrecision.Float32 ? sizeof(float) : sizeof(ushort));
        return new ReadOnlySpan<byte>((byte*)values + (first * bytes), checked((int)((end - first) * bytes)));
    }

    /// <summary>Stores a row of floating-point values that are in this precision already, [columns].</summary>
    public void StoreRow(int row, ReadOnlySpan<byte> stored) => stored.CopyTo(new Span<byte>((byte*)values + ((nint)row * stored.Length), stored.Length));

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
                RowRounding.ToBFloat16(source, Columns, (ushort*)values + start);
                break;
            case WeightPrecision.Float16:
                RowRounding.ToFloat16(source, Columns, (Half*)values + start);
                break;
            case WeightPrecision.Int8:
                scales[row] = RowRounding.ToInt8(source, Columns, (sbyte*)values + start);
                break;
            default:
                scales[row] = Int4Rounding.ToInt4(source, Columns, Int4Row(row), GroupScales(row));
                break;
        }
    }

    private static void Widen<TFormat>(byte* source, float scale, float* target, int count)
        where TFormat : struct, IFormat => Elementwise.Run(new Widening<TFormat>(source, scale, target), count);

    private interface IFormat
    {
        static abstract TSimd Load<TSimd>(byte* row, int index)
            where TSimd : unmanaged, ISimd<TSimd>;
    }

    private readonly struct Widening<TFormat>(byte* source, float scale, float* target) : IElementOperation
        where TFormat : struct, IFormat
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Run<TSimd>(int index)
            where TSimd : unmanaged, ISimd<TSimd> =>
            TSimd.Store(TSimd.Multiply(TFormat.Load<TSimd>(source, index), TSimd.Broadcast(scale)), target + index);
    }

    private readonly struct BFloat16Format : IFormat
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static TSimd Load<TSimd>(byte* row, int index)
            where TSimd : unmanaged, ISimd<TSimd> => TSimd.LoadBFloat16((ushort*)row + index);
    }

    private readonly struct Float16Format : IFormat
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static TSimd Load<TSimd>(byte* row, int index)
            where TSimd : unmanaged, ISimd<TSimd> => TSimd.LoadFloat16((Half*)row + index);
    }

    private readonly struct Int8Format : IFormat
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static TSimd Load<TSimd>(byte* row, int index)
            where TSimd : unmanaged, ISimd<TSimd> => TSimd.LoadInt8((sbyte*)row + index);
    }
}
