using CsCheck;

namespace AdaptiveSoftmax.Tests;

public unsafe class GemmTests
{
    private static readonly Gen<(int Rows, int Columns, int Depth, bool Accumulate, bool TransposedLeft, int Seed)> s_cases =
        Gen.Select(Gen.Int[0, 40], Gen.Int[1, 150], Gen.OneOf(Gen.Int[0, 70], Gen.Int[505, 530]), Gen.Bool, Gen.Bool, Gen.Int);

    [Fact]
    public void EveryVectorWidth_AgreesWithTheDefinition() => s_cases.Sample(
        @case =>
        {
            var narrowest = Multiply(@case, GemmKernel<SimdScalar>.Multiply);
            AssertAgreesWithDefinition(@case, narrowest);
            // Every sum has one order, whatever the width; the compiler may fuse a scalar product-and-sum or not.
            AssertAgreesWithDefinition(@case, Multiply(@case, GemmKernel<Simd128>.Multiply));
            AssertAgreesWithDefinition(@case, Multiply(@case, GemmKernel<Simd256>.Multiply));
            AssertAgreesWithDefinition(@case, Multiply(@case, GemmKernel<Simd512>.Multiply));
        },
        iter: 150);

    [Fact]
    public void EveryVectorWidth_AgreesWithTheDefinition_AtEveryNumberOfColumns()
    {
        for (var columns = 1; columns <= 150; columns++)
        {
            foreach (var accumulate in (ReadOnlySpan<bool>)[false, true])
            {
                var @case = (Rows: 6, columns, Depth: 5, accumulate, TransposedLeft: false, Seed: columns);
                var expected = Multiply(@case, GemmKernel<Simd128>.Multiply);
                AssertAgreesWithDefinition(@case, expected);
                AssertAgreesWithDefinition(@case, Multiply(@case, GemmKernel<Simd256>.Multiply));
                AssertAgreesWithDefinition(@case, Multiply(@case, GemmKernel<Simd512>.Multiply));
            }
        }
    }

    [Fact]
    public void Parts_DoNotChangeTheBits() => s_cases.Sample(
        @case =>
        {
            var whole = Multiply(@case, Gemm.MultiplyOnThisThread);
            foreach (var threads in (ReadOnlySpan<int>)[1, 2, 5])
            {
                var pool = WorkerPool.Get(threads);
                var parts = Multiply(@case, (a, aRow, aStep, b, bRow, c, cRow, rows, columns, depth, accumulate) =>
                    Gemm.Multiply(pool, a, aRow, aStep, b, bRow, c, cRow, rows, columns, depth, accumulate, rowsPerTile: 7, columnsPerTile: 64));
                Assert.Equal(whole, parts);
            }
        },
        iter: 80);

    [Fact]
    public void StripsOfSeveralVectors_HaveTheBitsOfSingleColumns() => s_cases.Sample(
        @case =>
        {
            var whole = Multiply(@case, GemmKernel<Simd128>.Multiply);
            // A vector of its own for every four columns, and what is left of them by the last vector of the row.
            var single = Multiply(@case, (a, aRow, aStep, b, bRow, c, cRow, rows, columns, depth, accumulate) =>
            {
                var column = 0;
                for (; column + 8 <= columns; column += 4)
                    GemmKernel<Simd128>.Multiply(a, aRow, aStep, b + column, bRow, c + column, cRow, rows, 4, depth, accumulate);
                GemmKernel<Simd128>.Multiply(a, aRow, aStep, b + column, bRow, c + column, cRow, rows, columns - column, depth, accumulate);
            });
            Assert.Equal(whole, single);
        },
        iter: 150);

    private delegate void Kernel(
        float* a, nint aRow, nint aStep, float* b, nint bRow, float* c, nint cRow, int rows, int columns, int depth, bool accumulate);

    private static float[] Multiply((int Rows, int Columns, int Depth, bool Accumulate, bool TransposedLeft, int Seed) @case, Kernel kernel)
    {
        var (rows, columns, depth, accumulate, transposedLeft, seed) = @case;
        var random = new Random(seed);
        using var a = new NativeArray(rows * depth, random);
        using var b = new NativeArray(depth * columns, random);
        using var c = new NativeArray(rows * columns, random);
        var (aRow, aStep) = transposedLeft ? (1, rows) : (depth, 1);
        kernel(a.Pointer, aRow, aStep, b.Pointer, columns, c.Pointer, columns, rows, columns, depth, accumulate);
        c.AssertGuardsAreWhole();
        return c.Span.ToArray();
    }

    private static void AssertAgreesWithDefinition((int Rows, int Columns, int Depth, bool Accumulate, bool TransposedLeft, int Seed) @case, float[] actual)
    {
        var (rows, columns, depth, accumulate, transposedLeft, seed) = @case;
        var random = new Random(seed);
        using var a = new NativeArray(rows * depth, random);
        using var b = new NativeArray(depth * columns, random);
        using var c = new NativeArray(rows * columns, random);
        for (var row = 0; row < rows; row++)
        {
            for (var column = 0; column < columns; column++)
            {
                var expected = accumulate ? (double)c[(row * columns) + column] : 0;
                for (var p = 0; p < depth; p++)
                    expected += (double)a[transposedLeft ? (p * rows) + row : (row * depth) + p] * b[(p * columns) + column];
                Assert.Equal(expected, actual[(row * columns) + column], 2e-5 * (1 + Math.Sqrt(depth)));
            }
        }
    }
}
