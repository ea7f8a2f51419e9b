using AdaptiveSoftmax.Vocabulary;
using CsCheck;

namespace AdaptiveSoftmax.Tests.Quantization;

/// <summary>The bounds themselves, against float64.</summary>
public unsafe class CertifiedClusterTests
{
    [Fact]
    public void Bounds_HoldForEveryRow_AndEveryLogSumExp() => Gen.Select(CertifiedCase.Any, Gen.Bool).Sample(
        (@case, isInt4) =>
        {
            using var layer = @case.CreateLayer();
            using var scratch = new Scratch();
            var isHuge = @case.Kind == CertifiedCase.Trouble.Huge;
            fixed (float* hidden = @case.Hidden())
            {
                Check(layer.Parameters[0], layer.Layout.HasHeadBias ? layer.Parameters[1] : null, null, layer.DecodingHead, scratch, hidden, isHuge, isInt4);
                var first = layer.Layout.HasHeadBias ? 2 : 1;
                foreach (var tail in layer.Layout.Tails)
                    Check(layer.Parameters[first + (2 * tail.Index) + 1], null, layer.Parameters[first + (2 * tail.Index)], layer.DecodingTails[tail.Index], scratch, hidden, isHuge, isInt4);
            }
        },
        iter: 1500);

    // For this input all errors of a row add up, so that a bound of half the size would be wrong.
    [Fact]
    public void TheBoundOfARow_IsReached() => Gen.Select(Gen.Int[10, 600], Gen.Int).Sample(
        (columns, seed) =>
        {
            using var weight = new Parameter("w", 1, columns);
            var random = new Random(seed);
            foreach (ref var value in weight.WritableValues) value = (float)random.NextDouble() - 0.5f;

            // The larger a row's largest value, the more int8 loses of the others.
            weight.WritableValues[0] = 3;
            using var part = new CertifiedCluster(WorkerPool.Get(2), new StoredRows(weight), null, WeightPrecision.Int8);
            var residual = Residual(weight.Values);
            if (Norm(residual) < Norm(weight.Values.ToArray().Select(value => (double)value)) / 200) return;
            using var scratch = new Scratch();
            var input = residual.Select(value => (float)(value * 1000)).ToArray();
            fixed (float* x = input)
            {
                var counts = default(ScreenCounts);
                Assert.True(part.Screen(WorkerPool.Get(1), scratch, x, stage: 0, withSums: false, out var screening, ref counts));
                var upper = screening.Upper[0];
                var logit = part.Rescore(screening, 0);
                var error = residual.Zip(input, (a, b) => a * b).Sum();
                Assert.True(upper >= logit);
                Assert.True(upper - logit < error / 2, $"The bound leaves {upper - logit} of an error of {error}.");
            }
        },
        iter: 300);

    // Generated classes give the kernels constant sizes, and rescoring takes them from the parameter.
    [Fact]
    public void Rescoring_HasTheBitsOfALayerOfConstantSizes()
    {
        using var scratch = new Scratch();
        var random = new Random(2);
        using HeadLayer head = new HeadLayer<LongRows>(default, hasBias: true);
        using TailLayer tail = new TailLayer<Projection, ShortRows>(0, default, default);
        foreach (var parameter in (Parameter[])[head.Weight, head.Bias!, tail.Projection, tail.Output])
        {
            foreach (ref var value in parameter.WritableValues) value = (float)random.NextDouble() - 0.5f;
        }

        float[] hidden = [.. Enumerable.Range(0, default(LongRows).Columns).Select(_ => (float)random.NextDouble() - 0.5f)];
        fixed (float* x = hidden)
        {
            Check(head.Weight, head.Bias, null, head.Cluster, scratch, x, isHuge: false, isInt4: false);
            Check(tail.Output, null, tail.Projection, tail.Cluster, scratch, x, isHuge: false, isInt4: true);
        }
    }

    private static void Check(Parameter weight, Parameter? bias, Parameter? projection, IDecodingCluster float32, Scratch scratch, float* hidden, bool isHuge, bool isInt4)
    {
        using var part = new CertifiedCluster(WorkerPool.Get(2), new StoredRows(weight, bias), projection is null ? null : new StoredRows(projection), isInt4 ? [WeightPrecision.Int4, WeightPrecision.Int8] : [WeightPrecision.Int8]);
        var pool = WorkerPool.Get(2);
        var logits = new float[weight.Rows];
        fixed (float* exact = logits)
        {
            var logSumExp = float32.ForwardOne(pool, scratch, hidden, exact).LogSumExp[0];
            var input = part.Input(pool, scratch, hidden);
            var counts = default(ScreenCounts);
            if (!part.Screen(pool, scratch, input, stage: 0, withSums: true, out var screening, ref counts))
            {
                Assert.True(isHuge, "Only huge logits are left to float32.");
                return;
            }

            var (low, high) = part.LogSumExp(screening);
            Assert.True(low <= logSumExp && logSumExp <= high, $"{logSumExp} is not in [{low}, {high}].");
            var upper = new ReadOnlySpan<float>(screening.Upper, weight.Rows).ToArray();
            Assert.Equal(upper.Max(), screening.LargestBound);
            for (var row = 0; row < weight.Rows; row++)
            {
                Assert.Equal(logits[row], part.Rescore(screening, row));
                Assert.True(part.Refine(screening, row, ref counts) >= logits[row], $"Row {row} has the logit {logits[row]} and a bound in int8 below it.");
                if (isInt4) continue;
                var approximate = Approximate(weight.Row(row), input) + (bias is null ? 0 : bias.Values[row]);
                Assert.True(upper[row] >= logits[row], $"Row {row} has the logit {logits[row]} and the bound {upper[row]}.");

                // The bound lies as far above the approximate logit as the true one may lie below it.
                Assert.True((2 * approximate) - upper[row] <= logits[row] + (1e-6 * (Math.Abs(approximate) + Math.Abs(upper[row]))), $"Row {row}");
            }
        }
    }

    private static double Norm(IEnumerable<double> values) => Math.Sqrt(values.Sum(value => value * value));

    private static double Approximate(ReadOnlySpan<float> row, float* input)
    {
        var values = row.ToArray();
        var residual = Residual(values);
        return Enumerable.Range(0, values.Length).Sum(k => (values[k] - residual[k]) * input[k]);
    }

    // What int8 with a scale a row leaves of each value.
    private static double[] Residual(ReadOnlySpan<float> row)
    {
        var values = row.ToArray();
        var scale = values.Max(Math.Abs) / 127;
        return [.. values.Select(value => value - (scale == 0 ? 0 : (double)scale * Math.Clamp(MathF.Round(value / scale), -127, 127)))];
    }

    private readonly struct LongRows : IMatrixShape
    {
        public int Rows => 331;

        public int Columns => 523;
    }

    private readonly struct Projection : IMatrixShape
    {
        public int Rows => 77;

        public int Columns => 523;
    }

    private readonly struct ShortRows : IMatrixShape
    {
        public int Rows => 1001;

        public int Columns => 77;
    }
}
