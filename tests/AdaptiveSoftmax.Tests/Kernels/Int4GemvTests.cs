using System.Runtime.Intrinsics.X86;
using CsCheck;

namespace AdaptiveSoftmax.Tests;

public unsafe class Int4GemvTests
{
    // A lane of eight, its order of additions, and the whole numbers, all written down once more; then the same in float64.
    [Theory]
    [InlineData(128)]
    [InlineData(256)]
    [InlineData(512)]
    [InlineData(0)]
    public void EveryVectorWidth_GivesTheDefinedBits(int width)
    {
        // What has no instructions here is seen in the closing line.
        Assert.SkipUnless(width != 512 || Avx512BW.IsSupported, "This processor has no AVX-512.");
        Assert.SkipUnless(width != 256 || Avx2.IsSupported, "This processor has no AVX2.");
        Gen.Select(Gen.Int[1, 9], Gen.Int[1, 70], Gen.Bool, Gen.Int).Sample((rows, groups, isExtreme, seed) =>
        {
            var random = new Random(seed);
            var weight = new byte[rows * groups * 16];
            random.NextBytes(weight);
            var input = new short[groups * 32];
            foreach (ref var value in input.AsSpan()) value = (short)(isExtreme ? short.MaxValue : random.Next(-short.MaxValue, short.MaxValue + 1));
            var factors = new short[(rows * groups) + Int4Gemv.ReadBehind];
            for (var i = 0; i < rows * groups; i++) factors[i] = BitConverter.HalfToInt16Bits((Half)((random.NextDouble() - 0.5) * Math.Pow(2, -random.Next(25))));
            using var scales = new NativeArray(rows, random);
            var (expected, exact, magnitude) = (new float[rows], new double[rows], new double[rows]);
            for (var row = 0; row < rows; row++)
            {
                var lanes = new float[2, 8];
                for (var group = 0; group < groups; group++)
                {
                    var factor = (float)BitConverter.Int16BitsToHalf(factors[(row * groups) + group]);
                    for (var lane = 0; lane < 8; lane++)
                    {
                        var sum = Product(2 * lane) + Product((2 * lane) + 1) + Product((2 * lane) + 16) + Product((2 * lane) + 17);
                        lanes[group % 2, lane] = MathF.FusedMultiplyAdd(factor, sum, lanes[group % 2, lane]);
                        exact[row] += (double)factor * sum * scales[row] * 0.25;
                        magnitude[row] += Math.Abs((double)factor * sum * scales[row] * 0.25);
                    }

                    int Product(int column)
                    {
                        var pair = weight[(((row * groups) + group) * 16) + (column % 16)];
                        var whole = column < 16 ? pair & 15 : pair >> 4;
                        return (whole < 8 ? whole : whole - 16) * input[(group * 32) + column];
                    }
                }

                float Lane(int lane) => lanes[0, lane] + lanes[1, lane];
                float Half(int first) => Lane(first) + Lane(first + 2) + (Lane(first + 1) + Lane(first + 3));
                expected[row] = (Half(0) + Half(4)) * (scales[row] * 0.25f);
                Assert.Equal(exact[row], expected[row], Math.BitIncrement(Roundings.Gamma(Int4Gemv.Roundings(groups * 32)) * magnitude[row]));
            }

            using var outputs = new NativeArray(rows, random);
            var first = random.Next(rows);
            fixed (byte* w = weight)
            fixed (short* x = input, s = factors)
            {
                if (width == 128) Int4Gemv.MultiplyRows<Int4Rows128>(w, s, scales.Pointer, x, 0.25f, outputs.Pointer, 0, rows, groups);
                else if (width == 256) Int4Gemv.MultiplyRows<Int4Rows256>(w, s, scales.Pointer, x, 0.25f, outputs.Pointer, 0, rows, groups);
                else if (width == 512) Int4Gemv.MultiplyRows<Int4Rows512>(w, s, scales.Pointer, x, 0.25f, outputs.Pointer, 0, rows, groups);
                else
                {
                    Int4Gemv.MultiplyRows(w, s, scales.Pointer, x, 0.25f, outputs.Pointer, 0, first, groups);
                    Int4Gemv.MultiplyRows(w, s, scales.Pointer, x, 0.25f, outputs.Pointer, first, rows, groups);
                }
            }

            outputs.AssertGuardsAreWhole();
            Assert.Equal(expected, outputs.Span.ToArray());
        },
        iter: 300);
    }
}
