namespace AdaptiveSoftmax.Tests.Migration;

/// <summary>The double-precision algebra of migrations, against plain loops and defining equations.</summary>
public sealed class AlgebraTests
{
    [Theory]
    [InlineData(1, 1, 1)]
    [InlineData(3, 5, 2)]
    [InlineData(37, 19, 41)]
    public void Products_AreThoseOfPlainLoops(int rows, int columns, int depth)
    {
        var (a, b) = (Create(rows, depth, 1), Create(depth, columns, 2));
        AssertClose((i, j) => Sum(depth, k => a[i, k] * b[k, j]), DoubleProducts.Multiply(WorkerPool.Get(2), a, b));
        AssertClose((i, j) => Sum(depth, k => a[i, k] * b[k, j]), DoubleProducts.MultiplyTransposed(WorkerPool.Get(2), a.Transpose(), b));
    }

    [Fact]
    public void Gram_OfMoreRowsThanABlock_IsThatOfPlainLoops()
    {
        var rows = Create(1100, 13, 3);
        var gram = new DoubleMatrix(13, 13);
        DoubleProducts.AddGram(WorkerPool.Get(2), gram, rows.Rows, (i, row) =>
        {
            rows.Row(i).CopyTo(row);
            return i % 3;
        });
        AssertClose((i, j) => Sum(rows.Rows, k => k % 3 * rows[k, i] * rows[k, j]), gram, 1e-9);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(7)]
    [InlineData(96)]
    public void Eigenvectors_AreOrthogonal_AndGiveTheMatrixBack(int size)
    {
        var root = Create(size, size, 4);
        var matrix = DoubleProducts.MultiplyTransposed(WorkerPool.Get(2), root, root);
        var copy = DoubleProducts.MultiplyTransposed(WorkerPool.Get(2), root, root);
        var eigen = SymmetricEigen.Decompose(WorkerPool.Get(2), matrix);
        Assert.Equal(eigen.Values.OrderDescending(), eigen.Values);
        AssertClose((i, j) => i == j ? 1 : 0, DoubleProducts.Multiply(WorkerPool.Get(1), eigen.Vectors, eigen.Vectors.Transpose()), 1e-10);
        AssertClose((i, j) => Sum(size, k => eigen.Values[k] * eigen.Vectors[k, i] * eigen.Vectors[k, j]), copy, 1e-9);
    }

    [Fact]
    public void Eigenvectors_OfADiagonalAndOfZeros_AreFound()
    {
        var diagonal = new DoubleMatrix(5, 5);
        for (var i = 0; i < 5; i++) diagonal[i, i] = i % 3;
        Assert.Equal([2, 1, 1, 0, 0], SymmetricEigen.Decompose(WorkerPool.Get(1), diagonal).Values);
        Assert.Equal(new double[4], SymmetricEigen.Decompose(WorkerPool.Get(1), new DoubleMatrix(4, 4)).Values);
    }

    [Fact]
    public void Threads_ChangeNoBit()
    {
        var root = Create(70, 70, 5);
        var eigen = Enumerable.Range(1, 3).Select(threads => SymmetricEigen.Decompose(WorkerPool.Get(threads), DoubleProducts.MultiplyTransposed(WorkerPool.Get(threads), root, root))).ToArray();
        Assert.Equal(eigen[0].Vectors.Values, eigen[1].Vectors.Values);
        Assert.Equal(eigen[0].Vectors.Values, eigen[2].Vectors.Values);
    }

    [Fact]
    public void Cholesky_SolvesWhatItFactored()
    {
        var root = Create(20, 9, 6);
        var matrix = DoubleProducts.MultiplyTransposed(WorkerPool.Get(1), root, root);
        var cholesky = Cholesky.OfRidge(matrix, 0.5);
        var ridge = 0.5 * matrix.Trace() / 9;
        AssertClose((i, j) => matrix[i, j] + (i == j ? ridge : 0), DoubleProducts.Multiply(WorkerPool.Get(1), cholesky.Factor, cholesky.Factor.Transpose()));
        var vector = Create(1, 9, 7).Row(0).ToArray();
        var solution = vector.ToArray();
        cholesky.Solve(solution);
        for (var i = 0; i < 9; i++) Assert.Equal(vector[i], Sum(9, j => (matrix[i, j] + (i == j ? ridge : 0)) * solution[j]), 1e-9);
        var half = vector.ToArray();
        cholesky.SolveTransposed(half);
        for (var i = 0; i < 9; i++) Assert.Equal(vector[i], Sum(9, j => cholesky.Factor[j, i] * half[j]), 1e-9);
    }

    private static DoubleMatrix Create(int rows, int columns, int seed)
    {
        var random = new Random(seed);
        var matrix = new DoubleMatrix(rows, columns);
        foreach (ref var value in matrix.Values.AsSpan()) value = random.NextDouble() - 0.5;
        return matrix;
    }

    private static double Sum(int count, Func<int, double> term) => Enumerable.Range(0, count).Sum(term);

    private static void AssertClose(Func<int, int, double> expected, DoubleMatrix actual, double tolerance = 1e-12)
    {
        for (var i = 0; i < actual.Rows; i++)
        {
            for (var j = 0; j < actual.Columns; j++) Assert.Equal(expected(i, j), actual[i, j], tolerance);
        }
    }
}
