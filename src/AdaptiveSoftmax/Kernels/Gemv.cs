using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace AdaptiveSoftmax;

/// <summary>
/// outputs[r] = Σ_k weight[r, k] · input[k]: the product of decoding one token. It reads each weight once, so memory
/// bandwidth is its limit; the shape's constants reach the inner loop.
/// </summary>
internal static unsafe class Gemv
{
    // 256 rows of 512 floats are half a megabyte: large against the cost of handing a part over.
    private const int FloatsPerPart = 1 << 17;

    /// <summary>The product on the pool's threads, in parts whose size depends on the shape alone.</summary>
    public static void Multiply<TShape>(WorkerPool pool, TShape shape, float* weight, float* input, float* outputs)
        where TShape : unmanaged, IMatrixShape
    {
        var body = new Body<TShape>
        {
            Shape = shape,
            Weight = weight,
            Input = input,
            Outputs = outputs,
            RowsPerPart = Math.Max(4, FloatsPerPart / shape.Columns / 4 * 4),
        };
        pool.Run(ref body, (shape.Rows + body.RowsPerPart - 1) / body.RowsPerPart);
    }

    /// <summary>The product of rows [first, end) at one vector width.</summary>
    public static void MultiplyRows<TSimd, TShape>(TShape shape, float* weight, float* input, float* outputs, int first, int end)
        where TSimd : unmanaged, ISimd<TSimd>
        where TShape : unmanaged, IMatrixShape
    {
        var row = first;
        for (; row + 4 <= end; row += 4) FourRows<TSimd>(weight + ((nint)row * shape.Columns), input, outputs + row, shape.Columns);
        for (; row < end; row++) outputs[row] = OneRow<TSimd>(weight + ((nint)row * shape.Columns), input, shape.Columns);
    }

    // Inlined into MultiplyRows, where a generated shape makes the number of columns a constant.
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
        public int RowsPerPart;

        public readonly void Run(int part)
        {
            var first = part * RowsPerPart;
            var end = Math.Min(Shape.Rows, first + RowsPerPart);
            if (Vector512.IsHardwareAccelerated) MultiplyRows<Simd512, TShape>(Shape, Weight, Input, Outputs, first, end);
            else if (Vector256.IsHardwareAccelerated) MultiplyRows<Simd256, TShape>(Shape, Weight, Input, Outputs, first, end);
            else MultiplyRows<Simd128, TShape>(Shape, Weight, Input, Outputs, first, end);
        }
    }
}
