using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace AdaptiveSoftmax;

/// <summary>
/// outputs[r] = Σ_k weight[r, k] · input[k]: the product of decoding one token. It reads each weight once, so memory
/// bandwidth is its limit; the shape's constants reach the inner loop.
/// </summary>
internal static unsafe class Gemv
{
    // 128 rows of 512 floats are a quarter of a megabyte: large against the cost of handing a part over, and enough
    // parts in a head of some thousand rows that no thread waits long for the last one.
    private const int FloatsPerPart = 1 << 16;

    // Four rows at a time share the loads of the input and hide the additions that end a row. Rows longer than this hide
    // them by themselves, and the memory's prefetcher follows one long row about twice as fast as four at once.
    private const int LongRow = 256;

    /// <summary>The rows of one part, by the shape alone.</summary>
    public static int RowsPerPart<TShape>(TShape shape)
        where TShape : unmanaged, IMatrixShape => Math.Max(4, FloatsPerPart / shape.Columns / 4 * 4);

    /// <summary>The product on the pool's threads.</summary>
    public static void Multiply<TShape>(WorkerPool pool, TShape shape, float* weight, float* input, float* outputs)
        where TShape : unmanaged, IMatrixShape
    {
        var body = new Body<TShape> { Shape = shape, Weight = weight, Input = input, Outputs = outputs };
        var rowsPerPart = RowsPerPart(shape);
        pool.Run(ref body, (shape.Rows + rowsPerPart - 1) / rowsPerPart);
    }

    /// <summary>The product of rows [first, end) on the calling thread, at the widest vectors of this machine.</summary>
    public static void MultiplyRows<TShape>(TShape shape, float* weight, float* input, float* outputs, int first, int end)
        where TShape : unmanaged, IMatrixShape
    {
        if (Vector512.IsHardwareAccelerated) MultiplyRows<Simd512, TShape>(shape, weight, input, outputs, first, end);
        else if (Vector256.IsHardwareAccelerated) MultiplyRows<Simd256, TShape>(shape, weight, input, outputs, first, end);
        else MultiplyRows<Simd128, TShape>(shape, weight, input, outputs, first, end);
    }

    /// <summary>The product of rows [first, end) at one vector width.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void MultiplyRows<TSimd, TShape>(TShape shape, float* weight, float* input, float* outputs, int first, int end)
        where TSimd : unmanaged, ISimd<TSimd>
        where TShape : unmanaged, IMatrixShape
    {
        var row = first;
        if (shape.Columns >= LongRow)
        {
            for (; row < end; row++) outputs[row] = LongRowProduct<TSimd>(weight + ((nint)row * shape.Columns), input, shape.Columns);
            return;
        }

        for (; row + 4 <= end; row += 4) FourRows<TSimd>(weight + ((nint)row * shape.Columns), input, outputs + row, shape.Columns);
        for (; row < end; row++) outputs[row] = OneRow<TSimd>(weight + ((nint)row * shape.Columns), input, shape.Columns);
    }

    // Inlined, where a generated shape makes the number of columns a constant.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float LongRowProduct<TSimd>(float* w, float* x, int columns)
        where TSimd : unmanaged, ISimd<TSimd>
    {
        TSimd s0 = TSimd.Zero, s1 = TSimd.Zero, s2 = TSimd.Zero, s3 = TSimd.Zero;
        var width = TSimd.Width;
        var k = 0;
        for (; k + (8 * width) <= columns; k += 8 * width)
        {
            s0 = TSimd.MultiplyAdd(TSimd.Load(w + k), TSimd.Load(x + k), s0);
            s1 = TSimd.MultiplyAdd(TSimd.Load(w + k + width), TSimd.Load(x + k + width), s1);
            s2 = TSimd.MultiplyAdd(TSimd.Load(w + k + (2 * width)), TSimd.Load(x + k + (2 * width)), s2);
            s3 = TSimd.MultiplyAdd(TSimd.Load(w + k + (3 * width)), TSimd.Load(x + k + (3 * width)), s3);
            s0 = TSimd.MultiplyAdd(TSimd.Load(w + k + (4 * width)), TSimd.Load(x + k + (4 * width)), s0);
            s1 = TSimd.MultiplyAdd(TSimd.Load(w + k + (5 * width)), TSimd.Load(x + k + (5 * width)), s1);
            s2 = TSimd.MultiplyAdd(TSimd.Load(w + k + (6 * width)), TSimd.Load(x + k + (6 * width)), s2);
            s3 = TSimd.MultiplyAdd(TSimd.Load(w + k + (7 * width)), TSimd.Load(x + k + (7 * width)), s3);
        }

        for (; k + width <= columns; k += width) s0 = TSimd.MultiplyAdd(TSimd.Load(w + k), TSimd.Load(x + k), s0);
        var total = TSimd.Sum(TSimd.Add(TSimd.Add(s0, s1), TSimd.Add(s2, s3)));
        for (; k < columns; k++) total += w[k] * x[k];
        return total;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void FourRows<TSimd>(float* w0, float* x, float* y, int columns)
        where TSimd : unmanaged, ISimd<TSimd>
    {
        float* w1 = w0 + columns, w2 = w1 + columns, w3 = w2 + columns;
        TSimd s0 = TSimd.Zero, s1 = TSimd.Zero, s2 = TSimd.Zero, s3 = TSimd.Zero;
        var k = 0;
        for (; k + TSimd.Width <= columns; k += TSimd.Width)
        {
            var v = TSimd.Load(x + k);
            s0 = TSimd.MultiplyAdd(TSimd.Load(w0 + k), v, s0);
            s1 = TSimd.MultiplyAdd(TSimd.Load(w1 + k), v, s1);
            s2 = TSimd.MultiplyAdd(TSimd.Load(w2 + k), v, s2);
            s3 = TSimd.MultiplyAdd(TSimd.Load(w3 + k), v, s3);
        }

        float t0 = TSimd.Sum(s0), t1 = TSimd.Sum(s1), t2 = TSimd.Sum(s2), t3 = TSimd.Sum(s3);
        for (; k < columns; k++)
        {
            t0 += w0[k] * x[k];
            t1 += w1[k] * x[k];
            t2 += w2[k] * x[k];
            t3 += w3[k] * x[k];
        }

        y[0] = t0;
        y[1] = t1;
        y[2] = t2;
        y[3] = t3;
    }

    // The same order of additions as FourRows, so that a row's result does not depend on where the parts are cut.
    private static float OneRow<TSimd>(float* w, float* x, int columns)
        where TSimd : unmanaged, ISimd<TSimd>
    {
        var sum = TSimd.Zero;
        var k = 0;
        for (; k + TSimd.Width <= columns; k += TSimd.Width) sum = TSimd.MultiplyAdd(TSimd.Load(w + k), TSimd.Load(x + k), sum);
        var total = TSimd.Sum(sum);
        for (; k < columns; k++) total += w[k] * x[k];
        return total;
    }

    private struct Body<TShape> : IParallelBody
        where TShape : unmanaged, IMatrixShape
    {
        public TShape Shape;
        public float* Weight, Input, Outputs;

        public readonly void Run(int part)
        {
            var first = part * RowsPerPart(Shape);
            MultiplyRows(Shape, Weight, Input, Outputs, first, Math.Min(Shape.Rows, first + RowsPerPart(Shape)));
        }
    }
}
