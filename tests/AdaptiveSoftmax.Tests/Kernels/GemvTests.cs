namespace AdaptiveSoftmax.Tests;

public unsafe class GemvTests
{
    [Fact]
    public void EveryVectorWidth_AgreesWithTheDefinition_AtEveryLengthOfARow()
    {
        var random = new Random(3);
        for (var columns = 1; columns <= 300; columns++)
        {
            var shape = new MatrixShape(1 + (columns % 9), columns);
            using var weight = new NativeArray(shape.Rows * columns, random);
            using var input = new NativeArray(columns, random);
            Check(weight, input, y => Gemv.MultiplyRows<SimdScalar, MatrixShape>(shape, weight.Pointer, input.Pointer, y, 0, shape.Rows));
            Check(weight, input, y => Gemv.MultiplyRows<Simd128, MatrixShape>(shape, weight.Pointer, input.Pointer, y, 0, shape.Rows));
            Check(weight, input, y => Gemv.MultiplyRows<Simd256, MatrixShape>(shape, weight.Pointer, input.Pointer, y, 0, shape.Rows));
            Check(weight, input, y => Gemv.MultiplyRows<Simd512, MatrixShape>(shape, weight.Pointer, input.Pointer, y, 0, shape.Rows));
            Check(weight, input, y => Gemv.Multiply(WorkerPool.Get(3), shape, weight.Pointer, input.Pointer, y));
        }
    }

    [Fact]
    public void EveryVectorWidth_MultipliesBFloat16_AtEveryLengthOfARow()
    {
        var random = new Random(4);
        for (var columns = 1; columns <= 300; columns++)
        {
            var shape = new MatrixShape(1 + (columns % 9), columns);
            using var weight = new NativeArray(shape.Rows * columns, random);
            using var input = new NativeArray(columns, random);
            var upperHalves = new ushort[shape.Rows * columns];
            for (var i = 0; i < upperHalves.Length; i++)
            {
                upperHalves[i] = (ushort)(BitConverter.SingleToUInt32Bits(weight[i]) >> 16);
                weight.Span[i] = BitConverter.UInt32BitsToSingle((uint)upperHalves[i] << 16);
            }

            fixed (ushort* w = upperHalves)
            {
                var start = (nint)w;
                Check(weight, input, y => Gemv.MultiplyRows<SimdScalar, MatrixShape>(shape, (ushort*)start, input.Pointer, y, 0, shape.Rows));
                Check(weight, input, y => Gemv.MultiplyRows<Simd128, MatrixShape>(shape, (ushort*)start, input.Pointer, y, 0, shape.Rows));
                Check(weight, input, y => Gemv.MultiplyRows<Simd256, MatrixShape>(shape, (ushort*)start, input.Pointer, y, 0, shape.Rows));
                Check(weight, input, y => Gemv.MultiplyRows<Simd512, MatrixShape>(shape, (ushort*)start, input.Pointer, y, 0, shape.Rows));
            }
        }
    }

    [Fact]
    public void ARow_HasTheSameBits_WhateverRowsAreAskedForWithIt()
    {
        var random = new Random(7);
        foreach (var columns in (ReadOnlySpan<int>)[1, 3, 4, 7, 15, 16, 20, 31, 40, 127, 128, 255, 256, 300, 511])
        {
            var shape = new MatrixShape(11, columns);
            using var weight = new NativeArray(shape.Rows * columns, random);
            using var input = new NativeArray(columns, random);
            using var whole = new NativeArray(shape.Rows, random);
            using var apart = new NativeArray(shape.Rows, random);
            Gemv.MultiplyRows(shape, weight.Pointer, input.Pointer, whole.Pointer, 0, shape.Rows);
            for (var row = 0; row < shape.Rows; row++) Gemv.MultiplyRows(shape, weight.Pointer, input.Pointer, apart.Pointer, row, row + 1);
            Assert.True(whole.Span.SequenceEqual(apart.Span));
        }
    }

    // What is left of a row is read together with columns that were counted already.
    [Fact]
    public void AnInfiniteWeight_GivesInfinity_AndNoNaN_WhereverItStands()
    {
        foreach (var columns in (ReadOnlySpan<int>)[1, 3, 5, 7, 9, 17, 31, 33, 100, 257, 300])
        {
            var shape = new MatrixShape(5, columns);
            using var weight = new NativeArray(shape.Rows * columns, new Random(1));
            using var input = new NativeArray(columns, new Random(2));
            using var outputs = new NativeArray(shape.Rows, new Random(3));
            input.Span.Fill(1);
            for (var column = 0; column < columns; column++)
            {
                for (var row = 0; row < shape.Rows; row++) weight.Span[(row * columns) + column] = float.PositiveInfinity;
                Gemv.MultiplyRows(shape, weight.Pointer, input.Pointer, outputs.Pointer, 0, shape.Rows);
                Assert.All(outputs.Span.ToArray(), value => Assert.Equal(float.PositiveInfinity, value));
                for (var row = 0; row < shape.Rows; row++) weight.Span[(row * columns) + column] = 0;
            }
        }
    }

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
