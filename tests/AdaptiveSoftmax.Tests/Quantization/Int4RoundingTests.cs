using CsCheck;

namespace AdaptiveSoftmax.Tests.Quantization;

public unsafe class Int4RoundingTests
{
    // Factor and whole numbers are read by their definition, and must be the best of what rounding tries.
    [Fact]
    public void AGroup_IsRoundedToTheNearest_ByTheBestOfThreeSteps() => Gen.Select(Gen.Int[1, 200], Gen.Double[-36, 30], Gen.Int).Sample(
        (columns, exponent, seed) =>
        {
            var random = new Random(seed);
            using var row = new NativeArray(columns, random);
            foreach (ref var value in row.Span) value = (float)(value * Math.Pow(10, exponent) * (random.Next(40) == 0 ? 9 : 1));
            var groups = Int4Gemv.Groups(columns);
            var (target, factors) = (new byte[groups * 16], new short[groups]);
            using var widened = new NativeArray(columns, random);
            float scale;
            fixed (byte* bytes = target)
            fixed (short* halves = factors)
            {
                scale = Int4Rounding.ToInt4(row.Pointer, columns, bytes, halves);
                Int4Rounding.Widen(bytes, halves, scale, widened.Pointer, columns);
            }

            widened.AssertGuardsAreWhole();
            Assert.Equal(row.Span.ToArray().Max(MathF.Abs) / 8, scale);
            for (var first = 0; first < columns; first += 32)
            {
                var values = row.Span[first..Math.Min(columns, first + 32)].ToArray();
                var step = (double)scale * (double)BitConverter.Int16BitsToHalf(factors[first / 32]);
                var error = 0.0;
                for (var k = 0; k < 32; k++)
                {
                    var pair = target[(first / 2) + (k % 16)];
                    var whole = k < 16 ? pair & 15 : pair >> 4;
                    whole = whole < 8 ? whole : whole - 16;
                    if (k >= values.Length)
                    {
                        Assert.Equal(0, whole);
                        continue;
                    }

                    error += Math.Pow(values[k] - (step * whole), 2);
                    Assert.Equal(step * whole, widened[first + k], Math.Abs(step * whole) * 1e-6);
                }

                var extreme = values.MaxBy(Math.Abs);
                double[] steps = [extreme / -8.0, extreme / 7.0, extreme / (-8 / 0.92)];
                var least = steps.Min(tried => values.Sum(value => Math.Pow(value - (tried * Math.Clamp(Math.Round(value / tried), -8, 7)), 2)));

                // A half has 11 bits: a step is up to a thousandth from the one that was tried.
                Assert.True(Math.Sqrt(error) <= (Math.Sqrt(least) * 1.01) + (Math.Abs((double)extreme) * 0.012), $"{Math.Sqrt(error)} for {Math.Sqrt(least)}");
                Assert.True(Math.Sqrt(error / values.Length) < Math.Abs(extreme) / 8);
            }
        },
        iter: 500);

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    [InlineData(float.NegativeInfinity)]
    public void WhatIsNotFinite_MakesTheScaleNaN(float value)
    {
        using var row = new NativeArray(40, new Random(1));
        var target = stackalloc byte[32];
        var factors = stackalloc short[2];
        for (var at = 0; at < 40; at += 13)
        {
            row.Span.Fill(1);
            row.Span[at] = value;
            Assert.Equal(float.NaN, Int4Rounding.ToInt4(row.Pointer, 40, target, factors));
        }
    }

    [Fact]
    public void SubnormalValues_StayWithinTheRow()
    {
        var random = new Random(1);
        using var row = new NativeArray(64, random);
        var target = stackalloc byte[32];
        var factors = stackalloc short[2];
        var widened = stackalloc float[64];
        for (var units = 0; units < 40; units++)
        {
            foreach (ref var value in row.Span) value = float.Epsilon * random.Next(-units, units + 1);
            var scale = Int4Rounding.ToInt4(row.Pointer, 64, target, factors);
            Int4Rounding.Widen(target, factors, scale, widened, 64);
            for (var k = 0; k < 64; k++) Assert.InRange(MathF.Abs(widened[k] - row[k]), 0, units * float.Epsilon);
        }
    }

    // The bound of a row by float64, over rows whose residual a bound must hold.
    [Fact]
    public void ErrorsOfARow_HoldWhatInt4Loses() => Gen.Select(Gen.Int[1, 400], Gen.Double[-40, 20], Gen.Bool, Gen.Int).Sample(
        (columns, exponent, isResidual, seed) =>
        {
            const int Rows = 5;
            var random = new Random(seed);
            using var weight = new Parameter("w", Rows, columns);
            foreach (ref var value in weight.WritableValues) value = (float)((random.NextDouble() - 0.5) * Math.Pow(10, exponent));
            using var matrix = new QuantizedMatrix(WorkerPool.Get(1), weight, Vocabulary.WeightPrecision.Int4);
            using var errors = new RowErrors(WorkerPool.Get(1), new StoredRows(weight), matrix.View);
            using var stored = new NativeArray(Rows * columns, random);
            matrix.View.Widen(0, Rows, stored.Pointer);
            using var x = new NativeArray(columns, random);

            // In the direction of a row's residual all its errors add up.
            var largest = Enumerable.Range(0, columns).Max(k => Math.Abs((double)weight.Values[k] - stored[k]));
            for (var k = 0; k < columns && isResidual && largest > 0; k++) x.Span[k] = (float)((weight.Values[k] - (double)stored[k]) / largest);
            var whole = stackalloc short[WholeInput.Room(columns)];
            var input = new WholeInput(x.Pointer, columns, whole);
            var outputs = stackalloc float[Rows];
            matrix.View.MultiplyRows(input, outputs, 0, Rows);
            for (var row = 0; row < Rows; row++)
            {
                float logit;
                fixed (float* values = weight.Values) Gemv.MultiplyRows(new MatrixShape(1, columns), values + (row * columns), x.Pointer, &logit, 0, 1);
                var bound = (errors.Of[row] * (double)RowErrors.Norm(input)) + errors.Floor;
                Assert.True(Math.Abs((double)logit - outputs[row]) <= bound, $"{logit} and {outputs[row]} differ by more than {bound}.");
                var residual = Math.Sqrt(Enumerable.Range(0, columns).Sum(k => Math.Pow(weight.Values[(row * columns) + k] - (double)stored[(row * columns) + k], 2)));
                if (exponent > -30) Assert.InRange(errors.Of[row], residual * (1 - 1e-5), (residual * 1.001) + (weight.Row(row).ToArray().Sum(value => Math.Abs((double)value)) / 250));
            }
        },
        iter: 500);
}
