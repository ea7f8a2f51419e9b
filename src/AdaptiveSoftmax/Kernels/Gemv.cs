using System.Runtime.Intrinsics;

namespace AdaptiveSoftmax;

/// <summary>
/// outputs[r] = Σ_k weight[r, k] · input[k]: the product of decoding one token. It reads each weight once, so memory
/// bandwidth is its limit; the shape's constants reach the inner loop.
/// </summary>
internal static unsafe class Gemv
{
    // 128 rows of 512 floats are a quarter of a megabyte: large against the cost of handing a tile over, and enough
    // tiles in a head of some thousand rows that no thread waits long for the last one.
    private const int FloatsPerTile = 1 << 16;
    private const int FloatsPerSmallTile = 1 << 14;

    /// <summary>The rows of one tile, by the shape alone.</summary>
    public static int RowsPerTile<TShape>(TShape shape)
        where TShape : unmanaged, IMatrixShape => Math.Max(4, FloatsPerTile / shape.Columns / 4 * 4);

    /// <summary>The rows of a tile where nothing but the products is done: small enough that a projection busies several threads.</summary>
    public static int RowsPerSmallTile(int columns) => Math.Max(4, FloatsPerSmallTile / columns / 4 * 4);

    /// <summary>The product on the pool's threads.</summary>
    public static void Multiply<TShape>(WorkerPool pool, TShape shape, float* weight, float* input, float* outputs)
        where TShape : unmanaged, IMatrixShape
    {
        var body = new Body<TShape> { Shape = shape, Weight = weight, Input = input, Outputs = outputs };
        var rowsPerTile = RowsPerSmallTile(shape.Columns);
        pool.Run(ref body, (shape.Rows + rowsPerTile - 1) / rowsPerTile);
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
        where TShape : unmanaged, IMatrixShape => MultiplyRows<Float32Element, TSimd, TShape>(shape, weight, input, outputs, first, end);

    /// <summary>The same of bfloat16.</summary>
    public static void MultiplyRows<TSimd, TShape>(TShape shape, ushort* weight, float* input, float* outputs, int first, int end)
        where TSimd : unmanaged, ISimd<TSimd>
        where TShape : unmanaged, IMatrixShape => MultiplyRows<BFloat16Element, TSimd, TShape>(shape, weight, input, outputs, first, end);

    /// <summary>The same of float16.</summary>
    public static void MultiplyRows<TSimd, TShape>(TShape shape, Half* weight, float* input, float* outputs, int first, int end)
        where TSimd : unmanaged, ISimd<TSimd>
        where TShape : unmanaged, IMatrixShape => MultiplyRows<Float16Element, TSimd, TShape>(shape, weight, input, outputs, first, end);

    private static void MultiplyRows<TElement, TSimd, TShape>(TShape shape, void* weight, float* input, float* outputs, int first, int end)
        where TElement : unmanaged, IFloatElement
        where TSimd : unmanaged, ISimd<TSimd>
        where TShape : unmanaged, IMatrixShape
    {
        if (shape.Columns >= TSimd.Width) RowProducts<FloatRows<TElement, TSimd>, TSimd>.Multiply(shape, weight, input, outputs, first, end);
        else if (TSimd.Width > Simd256.Width) MultiplyRows<TElement, Simd256, TShape>(shape, weight, input, outputs, first, end);
        else if (TSimd.Width > Simd128.Width) MultiplyRows<TElement, Simd128, TShape>(shape, weight, input, outputs, first, end);
        else MultiplyRows<TElement, SimdScalar, TShape>(shape, weight, input, outputs, first, end);
    }

    private struct Body<TShape> : IParallelBody
        where TShape : unmanaged, IMatrixShape
    {
        public TShape Shape;
        public float* Weight, Input, Outputs;

        public readonly void Run(int tile)
        {
            var rows = RowsPerSmallTile(Shape.Columns);
            MultiplyRows(Shape, Weight, Input, Outputs, tile * rows, Math.Min(Shape.Rows, (tile + 1) * rows));
        }
    }
}
