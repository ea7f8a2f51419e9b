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
    private const int FloatsPerSmallPart = 1 << 14;

    /// <summary>The rows of one part, by the shape alone.</summary>
    public static int RowsPerPart<TShape>(TShape shape)
        where TShape : unmanaged, IMatrixShape => Math.Max(4, FloatsPerPart / shape.Columns / 4 * 4);

    /// <summary>The rows of a part where nothing but the products is done: small enough that a projection busies several threads.</summary>
    public static int RowsPerSmallPart(int columns) => Math.Max(4, FloatsPerSmallPart / columns / 4 * 4);

    /// <summary>The product on the pool's threads.</summary>
    public static void Multiply<TShape>(WorkerPool pool, TShape shape, float* weight, float* input, float* outputs)
        where TShape : unmanaged, IMatrixShape
    {
        var body = new Body<TShape> { Shape = shape, Weight = weight, Input = input, Outputs = outputs };
        var rowsPerPart = RowsPerSmallPart(shape.Columns);
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

    /// <summary>The product of rows [first, end) at one vector width, or at the widest one that a row fills.</summary>
    public static void MultiplyRows<TSimd, TShape>(TShape shape, float* weight, float* input, float* outputs, int first, int end)
        where TSimd : unmanaged, ISimd<TSimd>
        where TShape : unmanaged, IMatrixShape
    {
        if (shape.Columns >= TSimd.Width) RowProducts<Float32Rows<TSimd>, TSimd>.Multiply(shape, weight, input, outputs, first, end);
        else if (TSimd.Width > Simd256.Width) MultiplyRows<Simd256, TShape>(shape, weight, input, outputs, first, end);
        else if (TSimd.Width > Simd128.Width) MultiplyRows<Simd128, TShape>(shape, weight, input, outputs, first, end);
        else MultiplyRows<SimdScalar, TShape>(shape, weight, input, outputs, first, end);
    }

    /// <summary>The same of bfloat16.</summary>
    public static void MultiplyRows<TSimd, TShape>(TShape shape, ushort* weight, float* input, float* outputs, int first, int end)
        where TSimd : unmanaged, ISimd<TSimd>
        where TShape : unmanaged, IMatrixShape
    {
        if (shape.Columns >= TSimd.Width) RowProducts<BFloat16Rows<TSimd>, TSimd>.Multiply(shape, weight, input, outputs, first, end);
        else if (TSimd.Width > Simd256.Width) MultiplyRows<Simd256, TShape>(shape, weight, input, outputs, first, end);
        else if (TSimd.Width > Simd128.Width) MultiplyRows<Simd128, TShape>(shape, weight, input, outputs, first, end);
        else MultiplyRows<SimdScalar, TShape>(shape, weight, input, outputs, first, end);
    }

    private struct Body<TShape> : IParallelBody
        where TShape : unmanaged, IMatrixShape
    {
        public TShape Shape;
        public float* Weight, Input, Outputs;

        public readonly void Run(int part)
        {
            var rows = RowsPerSmallPart(Shape.Columns);
            MultiplyRows(Shape, Weight, Input, Outputs, part * rows, Math.Min(Shape.Rows, (part + 1) * rows));
        }
    }
}
