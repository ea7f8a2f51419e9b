namespace AdaptiveSoftmax;

/// <summary>
/// All eigenvalues and eigenvectors of a symmetric matrix: Householder reflections to a tridiagonal one, then implicit QL
/// steps. The bits do not depend on the number of threads.
/// </summary>
internal sealed unsafe class SymmetricEigen
{
    private const int MaximumSweeps = 60;
    private const int RowsPerTile = 16;
    private const int ColumnsPerTile = 64;

    private readonly double[] _diagonal;
    private readonly double[] _side;
    private readonly int _size;

    private SymmetricEigen(int size)
    {
        _size = size;
        (_diagonal, _side) = (new double[size], new double[size]);
        Vectors = DoubleMatrix.Identity(size);
    }

    /// <summary>The eigenvalues, descending.</summary>
    public double[] Values { get; private set; } = [];

    /// <summary>The eigenvectors, one a row, in the order of the values.</summary>
    public DoubleMatrix Vectors { get; private set; }

    /// <summary>Decomposes a matrix.</summary>
    /// <param name="pool">The threads.</param>
    /// <param name="matrix">The matrix, both halves; it is used up.</param>
    public static SymmetricEigen Decompose(WorkerPool pool, DoubleMatrix matrix)
    {
        var eigen = new SymmetricEigen(matrix.Rows);
        eigen.Reduce(pool, matrix);
        eigen.Rotate(pool);
        eigen.Sort();
        return eigen;
    }

    // The last row is made zero left of its neighbour, then the one before. The reflections stay in the rows.
    private void Reduce(WorkerPool pool, DoubleMatrix matrix)
    {
        var (squares, image) = (new double[_size], new double[_size]);
        fixed (double* a = matrix.Values, p = image, vectors = Vectors.Values, h = squares)
        {
            for (var i = _size - 1; i > 0; i--)
            {
                var u = matrix.Row(i)[..i];
                var square = DoubleVectors.Dot(u, u);
                var rest = square - (u[i - 1] * u[i - 1]);
                if (rest <= 0)
                {
                    _side[i] = u[i - 1];
                    continue;
                }

                var last = -Math.CopySign(Math.Sqrt(square), u[i - 1]);
                _side[i] = last;
                square -= u[i - 1] * last;
                u[i - 1] -= last;
                squares[i] = square;
                var tiles = (i + RowsPerTile - 1) / RowsPerTile;
                var product = new ProductBody { Matrix = a, Stride = _size, Length = i, Square = square, Result = p };
                pool.Run(ref product, tiles);
                var half = DoubleVectors.Dot(u, image.AsSpan(0, i)) / (2 * square);
                DoubleVectors.Add(image.AsSpan(0, i), -half, u);
                var update = new UpdateBody { Matrix = a, Stride = _size, Length = i, Image = p };
                pool.Run(ref update, tiles);
            }

            for (var i = 0; i < _size; i++) _diagonal[i] = matrix[i, i];
            var reflect = new ReflectBody { Reflections = a, Squares = h, Vectors = vectors, Size = _size };
            pool.Run(ref reflect, (_size + RowsPerTile - 1) / RowsPerTile);
        }
    }

    private void Rotate(WorkerPool pool)
    {
        Array.Copy(_side, 1, _side, 0, _size - 1);
        _side[_size - 1] = 0;
        var (sines, cosines) = (new double[_size], new double[_size]);
        for (var first = 0; first < _size; first++)
        {
            for (var sweep = 0; ; sweep++)
            {
                var last = first;
                while (last < _size - 1 && Math.Abs(_side[last]) > double.Epsilon && Math.Abs(_side[last]) > 1.1e-16 * (Math.Abs(_diagonal[last]) + Math.Abs(_diagonal[last + 1]))) last++;
                if (last == first) break;
                if (sweep == MaximumSweeps) throw new InvalidOperationException("The eigenvalues of a second moment were not found; its values are not finite.");
                var end = Step(first, last, sines, cosines);
                fixed (double* vectors = Vectors.Values, s = sines, c = cosines)
                {
                    var body = new RotateBody { Vectors = vectors, Size = _size, Sines = s, Cosines = c, First = end, Last = last };
                    pool.Run(ref body, (_size + ColumnsPerTile - 1) / ColumnsPerTile);
                }
            }
        }
    }

    // One QL step over the rows from first to last; returns the last rotation's row.
    private int Step(int first, int last, double[] sines, double[] cosines)
    {
        var (d, e) = (_diagonal, _side);
        var g = (d[first + 1] - d[first]) / (2 * e[first]);
        g = d[last] - d[first] + (e[first] / (g + Math.CopySign(Hypotenuse(g, 1), g)));
        var (s, c, p) = (1.0, 1.0, 0.0);
        for (var i = last - 1; i >= first; i--)
        {
            var (f, b) = (s * e[i], c * e[i]);
            var r = Hypotenuse(f, g);
            e[i + 1] = r;
            if (r == 0)
            {
                d[i + 1] -= p;
                e[last] = 0;
                return i + 1;
            }

            (s, c) = (f / r, g / r);
            g = d[i + 1] - p;
            r = ((d[i] - g) * s) + (2 * c * b);
            p = s * r;
            d[i + 1] = g + p;
            g = (c * r) - b;
            (sines[i], cosines[i]) = (s, c);
        }

        d[first] -= p;
        e[first] = g;
        e[last] = 0;
        return first;
    }

    private void Sort()
    {
        var order = Enumerable.Range(0, _size).OrderByDescending(i => _diagonal[i]).ThenBy(i => i).ToArray();
        var sorted = new DoubleMatrix(_size, _size);
        for (var i = 0; i < _size; i++) Vectors.Row(order[i]).CopyTo(sorted.Row(i));
        (Values, Vectors) = ([.. order.Select(i => _diagonal[i])], sorted);
    }

    private static double Hypotenuse(double a, double b) => Math.Sqrt((a * a) + (b * b));

    private struct ProductBody : IParallelBody
    {
        public double* Matrix, Result;
        public int Stride, Length;
        public double Square;

        public readonly void Run(int tile)
        {
            var u = new ReadOnlySpan<double>(Matrix + ((nint)Length * Stride), Length);
            for (var row = tile * RowsPerTile; row < Math.Min(Length, (tile + 1) * RowsPerTile); row++)
                Result[row] = DoubleVectors.Dot(new ReadOnlySpan<double>(Matrix + ((nint)row * Stride), Length), u) / Square;
        }
    }

    private struct UpdateBody : IParallelBody
    {
        public double* Matrix, Image;
        public int Stride, Length;

        public readonly void Run(int tile)
        {
            var u = new ReadOnlySpan<double>(Matrix + ((nint)Length * Stride), Length);
            var q = new ReadOnlySpan<double>(Image, Length);
            for (var row = tile * RowsPerTile; row < Math.Min(Length, (tile + 1) * RowsPerTile); row++)
            {
                var to = new Span<double>(Matrix + ((nint)row * Stride), Length);
                DoubleVectors.Add(to, -q[row], u);
                DoubleVectors.Add(to, -u[row], q);
            }
        }
    }

    // Rows of the product of all reflections, each for itself.
    private struct ReflectBody : IParallelBody
    {
        public double* Reflections, Squares, Vectors;
        public int Size;

        public readonly void Run(int tile)
        {
            var end = Math.Min(Size, (tile + 1) * RowsPerTile);
            for (var i = (tile * RowsPerTile) + 1; i < Size; i++)
            {
                if (Squares[i] == 0) continue;
                var u = new ReadOnlySpan<double>(Reflections + ((nint)i * Size), i);
                for (var row = tile * RowsPerTile; row < Math.Min(i, end); row++)
                {
                    var to = new Span<double>(Vectors + ((nint)row * Size), i);
                    DoubleVectors.Add(to, -DoubleVectors.Dot(to, u) / Squares[i], u);
                }
            }
        }
    }

    private struct RotateBody : IParallelBody
    {
        public double* Vectors, Sines, Cosines;
        public int Size, First, Last;

        public readonly void Run(int tile)
        {
            var column = tile * ColumnsPerTile;
            var count = Math.Min(ColumnsPerTile, Size - column);
            for (var i = Last - 1; i >= First; i--)
            {
                double* low = Vectors + ((nint)i * Size) + column, high = low + Size;
                var (s, c) = (Sines[i], Cosines[i]);
                for (var j = 0; j < count; j++)
                {
                    var f = high[j];
                    high[j] = (s * low[j]) + (c * f);
                    low[j] = (c * low[j]) - (s * f);
                }
            }
        }
    }
}
