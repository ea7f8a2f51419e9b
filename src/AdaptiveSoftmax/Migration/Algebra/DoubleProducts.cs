using System.Runtime.Intrinsics;

namespace AdaptiveSoftmax;

/// <summary>Matrix products in double precision, the same bits for any number of threads.</summary>
internal static unsafe class DoubleProducts
{
    private const int PanelColumns = 8;
    private const int RowsAtOnce = 4;
    private const int RowsPerBlock = 512;

    /// <summary>a · b.</summary>
    public static DoubleMatrix Multiply(WorkerPool pool, DoubleMatrix a, DoubleMatrix b)
    {
        var result = new DoubleMatrix(a.Rows, b.Columns);
        fixed (double* left = a.Values, right = b.Values, c = result.Values)
            Run(pool, left, a.Columns, 1, right, b.Columns, c, result.Columns, a.Rows, b.Columns, a.Columns, upperOnly: false);
        return result;
    }

    /// <summary>aᵀ · b.</summary>
    public static DoubleMatrix MultiplyTransposed(WorkerPool pool, DoubleMatrix a, DoubleMatrix b)
    {
        var result = new DoubleMatrix(a.Columns, b.Columns);
        fixed (double* left = a.Values, right = b.Values, c = result.Values)
            Run(pool, left, 1, a.Columns, right, b.Columns, c, result.Columns, a.Columns, b.Columns, a.Rows, upperOnly: false);
        return result;
    }

    /// <summary>Adds Σ weight · row rowᵀ to a symmetric matrix, over rows that are given in order.</summary>
    /// <param name="pool">The threads.</param>
    /// <param name="gram">The matrix, of which both halves are kept.</param>
    /// <param name="count">The number of rows.</param>
    /// <param name="fill">Gives a row, of the matrix's size, by its number, and returns its weight.</param>
    public static void AddGram(WorkerPool pool, DoubleMatrix gram, int count, FillRow fill)
    {
        var size = gram.Rows;
        var block = new DoubleMatrix(Math.Min(RowsPerBlock, Math.Max(count, 1)), size);
        var weighted = new DoubleMatrix(block.Rows, size);
        for (var first = 0; first < count; first += block.Rows)
        {
            var rows = Math.Min(block.Rows, count - first);
            for (var i = 0; i < rows; i++)
            {
                var weight = fill(first + i, block.Row(i));
                var from = block.Row(i);
                var to = weighted.Row(i);
                for (var j = 0; j < size; j++) to[j] = weight * from[j];
            }

            fixed (double* a = weighted.Values, b = block.Values, c = gram.Values)
                Run(pool, a, 1, size, b, size, c, size, size, size, rows, upperOnly: true);
        }

        for (var i = 0; i < size; i++)
        {
            for (var j = i + 1; j < size; j++) gram[j, i] = gram[i, j];
        }
    }

    private static void Run(WorkerPool pool, double* a, nint aRow, nint aStep, double* b, nint bRow, double* c, nint cRow, int rows, int columns, int depth, bool upperOnly)
    {
        var body = new Body { A = a, ARow = aRow, AStep = aStep, B = b, BRow = bRow, C = c, CRow = cRow, Rows = rows, Columns = columns, Depth = depth, UpperOnly = upperOnly };
        pool.Run(ref body, (columns + PanelColumns - 1) / PanelColumns);
    }

    /// <summary>Fills a row and returns its weight.</summary>
    public delegate double FillRow(int index, Span<double> row);

    // A tile is a panel of eight columns, which is packed once and then stays in the cache.
    private struct Body : IParallelBody
    {
        public double* A, B, C;
        public nint ARow, AStep, BRow, CRow;
        public int Rows, Columns, Depth;
        public bool UpperOnly;

        public readonly void Run(int tile)
        {
            var column = tile * PanelColumns;
            var width = Math.Min(PanelColumns, Columns - column);
            var packed = new double[Depth * PanelColumns];
            fixed (double* panel = packed)
            {
                for (var k = 0; k < Depth; k++)
                {
                    for (var j = 0; j < width; j++) panel[(k * PanelColumns) + j] = B[(k * BRow) + column + j];
                }

                var end = UpperOnly ? Math.Min(Rows, column + width) : Rows;
                var row = 0;
                for (; row + RowsAtOnce <= end; row += RowsAtOnce) AddFour(panel, row, column, width);
                for (; row < end; row++) AddOne(panel, row, column, width);
            }
        }

        private readonly void AddFour(double* panel, int row, int column, int width)
        {
            double* a0 = A + (row * ARow), a1 = a0 + ARow, a2 = a1 + ARow, a3 = a2 + ARow;
            Vector256<double> c00 = default, c01 = default, c10 = default, c11 = default, c20 = default, c21 = default, c30 = default, c31 = default;
            for (nint k = 0, at = 0; k < Depth; k++, at += AStep)
            {
                var left = Vector256.Load(panel + (k * PanelColumns));
                var right = Vector256.Load(panel + (k * PanelColumns) + 4);
                var value = Vector256.Create(a0[at]);
                c00 = Vector256.MultiplyAddEstimate(value, left, c00);
                c01 = Vector256.MultiplyAddEstimate(value, right, c01);
                value = Vector256.Create(a1[at]);
                c10 = Vector256.MultiplyAddEstimate(value, left, c10);
                c11 = Vector256.MultiplyAddEstimate(value, right, c11);
                value = Vector256.Create(a2[at]);
                c20 = Vector256.MultiplyAddEstimate(value, left, c20);
                c21 = Vector256.MultiplyAddEstimate(value, right, c21);
                value = Vector256.Create(a3[at]);
                c30 = Vector256.MultiplyAddEstimate(value, left, c30);
                c31 = Vector256.MultiplyAddEstimate(value, right, c31);
            }

            AddTo(row, column, width, c00, c01);
            AddTo(row + 1, column, width, c10, c11);
            AddTo(row + 2, column, width, c20, c21);
            AddTo(row + 3, column, width, c30, c31);
        }

        private readonly void AddOne(double* panel, int row, int column, int width)
        {
            var a = A + (row * ARow);
            Vector256<double> first = default, second = default;
            for (nint k = 0, at = 0; k < Depth; k++, at += AStep)
            {
                var value = Vector256.Create(a[at]);
                first = Vector256.MultiplyAddEstimate(value, Vector256.Load(panel + (k * PanelColumns)), first);
                second = Vector256.MultiplyAddEstimate(value, Vector256.Load(panel + (k * PanelColumns) + 4), second);
            }

            AddTo(row, column, width, first, second);
        }

        private readonly void AddTo(int row, int column, int width, Vector256<double> first, Vector256<double> second)
        {
            var c = C + (row * CRow) + column;
            for (var j = 0; j < width; j++) c[j] += j < 4 ? first[j] : second[j - 4];
        }
    }
}
