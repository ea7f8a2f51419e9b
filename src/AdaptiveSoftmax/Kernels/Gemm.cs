using System.Runtime.Intrinsics;

namespace AdaptiveSoftmax;

/// <summary><see cref="GemmKernel{TSimd}"/> on several threads and at the widest vectors of this machine.</summary>
internal static unsafe class Gemm
{
    /// <summary>c [rows, columns] (+)= a [rows, depth] · b [depth, columns], divided into parts of a fixed size.</summary>
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
        int rowsPerPart,
        int columnsPerPart)
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
            RowsPerPart = rowsPerPart,
            ColumnsPerPart = columnsPerPart,
            RowParts = (rows + rowsPerPart - 1) / rowsPerPart,
        };
        pool.Run(ref body, body.RowParts * ((columns + columnsPerPart - 1) / columnsPerPart));
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
        public int Rows, Columns, Depth, RowsPerPart, ColumnsPerPart, RowParts;
        public bool Accumulate;

        public readonly void Run(int part)
        {
            var row = part % RowParts * RowsPerPart;
            var column = part / RowParts * ColumnsPerPart;
            MultiplyOnThisThread(
                A + (row * ARow),
                ARow,
                AStep,
                B + column,
                BRow,
                C + (row * CRow) + column,
                CRow,
                Math.Min(RowsPerPart, Rows - row),
                Math.Min(ColumnsPerPart, Columns - column),
                Depth,
                Accumulate);
        }
    }
}
