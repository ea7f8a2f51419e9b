using System.Runtime.Intrinsics;
using CsCheck;

namespace AdaptiveSoftmax.Tests;

public unsafe class Int8GemvTests
{
    [Fact]
    public void Products_AreExact() => Gen.Select(Gen.Int[1, 40], Gen.OneOf(Gen.Int[1, 300], Gen.Int[1000, 9000]), Gen.Bool, Gen.Int).Sample(
        (rows, columns, isExtreme, seed) =>
        {
            var random = new Random(seed);
            var (weight, input) = (new sbyte[rows * columns], new short[columns]);
            var limit = Int8Gemv.LargestInput(columns);
            for (var i = 0; i < weight.Length; i++) weight[i] = (sbyte)(isExtreme ? 127 : random.Next(-127, 128));
            for (var k = 0; k < columns; k++) input[k] = (short)(isExtreme ? limit : random.Next(-limit, limit + 1));
            using var scales = new NativeArray(rows, random);
            using var outputs = new NativeArray(rows, random);
            var (first, end) = (random.Next(rows), rows);
            fixed (sbyte* w = weight)
            fixed (short* x = input)
            {
                Int8Gemv.MultiplyRows(w, scales.Pointer, x, 0.25f, outputs.Pointer, first, end, columns);
            }

            outputs.AssertGuardsAreWhole();
            for (var row = first; row < end; row++)
            {
                var sum = 0L;
                for (var k = 0; k < columns; k++) sum += weight[(row * columns) + k] * input[k];
                Assert.InRange(sum, int.MinValue, int.MaxValue);
                Assert.Equal((float)sum * (scales[row] * 0.25f), outputs[row]);
            }
        },
        iter: 300);

    [Fact]
    public void EveryVectorWidth_GivesTheSameBits_AtEveryLengthOfARow()
    {
        const int Rows = 7;
        var random = new Random(1);
        foreach (var columns in Enumerable.Range(1, 300).Concat(Enumerable.Range(500, 60)))
        {
            var (weight, input) = (new sbyte[Rows * columns], new short[columns]);
            var limit = Int8Gemv.LargestInput(columns);
            for (var i = 0; i < weight.Length; i++) weight[i] = (sbyte)random.Next(-127, 128);
            for (var k = 0; k < columns; k++) input[k] = (short)random.Next(-limit, limit + 1);
            using var scales = new NativeArray(Rows, random);
            float[] expected = [.. Enumerable.Range(0, Rows).Select(row =>
                (float)Enumerable.Range(0, columns).Sum(k => weight[(row * columns) + k] * input[k]) * (scales[row] * 0.25f))];
            fixed (sbyte* w = weight)
            fixed (short* x = input)
            {
                Check<Int8RowsScalar, int>(w, x);
                if (columns >= Int8Rows128.Width) Check<Int8Rows128, Vector128<int>>(w, x);
                if (columns >= Int8Rows256.Width) Check<Int8Rows256, Vector256<int>>(w, x);
                if (columns >= Int8Rows512.Width) Check<Int8Rows512, Vector512<int>>(w, x);
            }

            void Check<TFormat, TVector>(sbyte* w, short* x)
                where TFormat : struct, IRowFormat<TVector>
                where TVector : unmanaged
            {
                using var outputs = new NativeArray(Rows, random);
                Int8Gemv.MultiplyRows<TFormat, TVector>(w, scales.Pointer, x, 0.25f, outputs.Pointer, 0, Rows, columns);
                outputs.AssertGuardsAreWhole();
                Assert.Equal(expected, outputs.Span.ToArray());
            }
        }
    }

    [Fact]
    public void WholeInput_MeasuresWhatItLoses() => Gen.Select(Gen.Int[1, 700], Gen.Double[-44, 30], Gen.Int).Sample(
        (columns, exponent, seed) =>
        {
            var random = new Random(seed);
            float[] values = [.. Enumerable.Range(0, columns).Select(_ => (float)(((random.NextDouble() * 2) - 1) * Math.Pow(10, exponent)))];
            var whole = new short[columns];
            fixed (float* x = values)
            fixed (short* target = whole)
            {
                var input = new WholeInput(x, columns, target);
                var (norm, residual) = (0.0, 0.0);
                for (var k = 0; k < columns; k++)
                {
                    Assert.InRange(whole[k], -Int8Gemv.LargestInput(columns), Int8Gemv.LargestInput(columns));
                    norm += (double)values[k] * values[k];
                    residual += Math.Pow(values[k] - ((double)input.Step * whole[k]), 2);
                }

                Assert.Equal(Math.Sqrt(norm), input.Norm, 1e-12 * Math.Sqrt(norm));
                Assert.Equal(Math.Sqrt(residual), input.Residual, 1e-12 * Math.Sqrt(norm));
                if (exponent > -30) Assert.True(input.Residual <= input.Step * 0.51 * Math.Sqrt(columns));
            }
        },
        iter: 300);
}
