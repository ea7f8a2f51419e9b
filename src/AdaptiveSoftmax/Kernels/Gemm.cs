using System.Runtime.Intrinsics;

namespace AdaptiveSoftmax;

/// <summary><see cref="GemmKernel{TSimd}"/> on several threads and at the widest vectors of this machine.</summary>
internal static unsafe class Gemm
{
    /// <summary>c [rows, columns] (+)= a [rows, depth] · b [depth, columns], divided into tiles of a fixed size.</summary>
    public static void Multiply(
        WorkerPool pool,
        float* a,
        nint aRow,
        nint aStep,
        float* b,
        nint bRow,
        float* c,
        nint cRow,
        int rows,
        int columns,
        int depth,
        bool accumulate,
        int rowsPerTile,
        int columnsPerTile)
    {
        var body = new Body
        {
            A = a,
            ARow = aRow,
            AStep = aStep,
            B = b,
            BRow = bRow,
            C = c,
            CRow = cRow,
            Rows = rows,
            Columns = columns,
            Depth = depth,
            Accumulate = accumulate,
            RowsPerTile = rowsPerTile,
            ColumnsPerTile = columnsPerTile,
            RowTiles = (rows + rowsPerTile - 1) / rowsPerTile,
        };
        pool.Run(ref body, body.RowTiles * ((columns + columnsPerTile - 1) / columnsPerTile));
    }

    /// <summary>The same on the calling thread.</summary>
    public static void MultiplyOnThisThread(
        float* a, nint aRow, nint aStep, float* b, nint bRow, float* c, nint cRow, int rows, int columns, int depth, bool accumulate)
    {
        if (Vector512.IsHardwareAccelerated)
            GemmKernel<Simd512>.Multiply(a, aRow, aStep, b, bRow, c, cRow, rows, columns, depth, accumulate);
        else if (Vector256.IsHardwareAccelerated)
            GemmKernel<Simd256>.Multiply(a, aRow, aStep, b, bRow, c, cRow, rows, columns, depth, accumulate);
        else
            GemmKernel<Simd128>.Multiply(a, aRow, aStep, b, bRow, c, cRow, rows, columns, depth, accumulate);
    }

    private struct Body : IParallelBody
    {
        public float* A, B, C;
        public nint ARow, AStep, BRow, CRow;
        public int Rows, Columns, Depth, RowsPerTile, ColumnsPerTile, RowTiles;
        public bool Accumulate;

        public readonly void Run(int tile)
        {
            var row = tile % RowTiles * RowsPerTile;
            var column = tile / RowTiles * ColumnsPerTile;
            MultiplyOnThisThread(
                A + (row * ARow),
                ARow,
                AStep,
                B + column,
                BRow,
                C + (row * CRow) + column,
                CRow,
                Math.Min(RowsPerTile, Rows - row),
                Math.Min(ColumnsPerTile, Columns - column),
                Depth,
                Accumulate);
        }
    }
}
