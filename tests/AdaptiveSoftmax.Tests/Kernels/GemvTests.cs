using CsCheck;

namespace AdaptiveSoftmax.Tests;

public unsafe class GemvTests
{
    [Fact]
    public void EveryVectorWidth_AgreesWithTheDefinition() => Gen.Select(Gen.Int[1, 60], Gen.Int[1, 130], Gen.Int).Sample(
        (rows, columns, seed) =>
        {
            var shape = new MatrixShape(rows, columns);
            var random = new Random(seed);
            using var weight = new NativeArray(rows * columns, random);
            using var input = new NativeArray(columns, random);
            Check(weight, input, y => Gemv.MultiplyRows<Simd128, MatrixShape>(shape, weight.Pointer, input.Pointer, y, 0, rows));
            Check(weight, input, y => Gemv.MultiplyRows<Simd256, MatrixShape>(shape, weight.Pointer, input.Pointer, y, 0, rows));
            Check(weight, input, y => Gemv.MultiplyRows<Simd512, MatrixShape>(shape, weight.Pointer, input.Pointer, y, 0, rows));
            Check(weight, input, y => Gemv.Multiply(WorkerPool.Get(3), shape, weight.Pointer, input.Pointer, y));
        },
        iter: 200);

    [Fact]
    public void Threads_DoNotChangeTheBits()
    {
        var shape = new MatrixShape(1003, 511);
        var random = new Random(5);
        using var weight = new NativeArray(shape.Rows * shape.Columns, random);
        using var input = new NativeArray(shape.Columns, random);
        using var expected = new NativeArray(shape.Rows, random);
        using var actual = new NativeArray(shape.Rows, random);
        Gemv.Multiply(WorkerPool.Get(1), shape, weight.Pointer, input.Pointer, expected.Pointer);
        foreach (var threads in (ReadOnlySpan<int>)[2, 3, 7])
        {
            Gemv.Multiply(WorkerPool.Get(threads), shape, weight.Pointer, input.Pointer, actual.Pointer);
            Assert.True(expected.Span.SequenceEqual(actual.Span));
        }
    }

    private delegate void Product(float* outputs);

    private static void Check(NativeArray weight, NativeArray input, Product product)
    {
        var columns = input.Span.Length;
        using var outputs = new NativeArray(weight.Span.Length / columns, new Random(1));
        product(outputs.Pointer);
        outputs.AssertGuardsAreWhole();
        for (var row = 0; row < outputs.Span.Length; row++)
        {
            var expected = 0.0;
            for (var k = 0; k < columns; k++) expected += (double)weight[(row * columns) + k] * input[k];
            Assert.Equal(expected, outputs[row], 1e-4);
        }
    }
}
