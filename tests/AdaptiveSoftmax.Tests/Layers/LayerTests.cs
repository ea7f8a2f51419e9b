using CsCheck;

namespace AdaptiveSoftmax.Tests;

public class LayerTests
{
    private static double[] Widen(float[] values) => [.. values.Select(value => (double)value)];

    [Fact]
    public void LogProb_AgreesWithTheDefinition() => LayerCase.Any.Sample(
        @case =>
        {
            using var layer = @case.CreateLayer();
            var reference = new ReferenceSoftmax(layer);
            var hidden = @case.Hidden();
            var output = new float[@case.Tokens * @case.Layout.VocabularySize];
            layer.LogProb(hidden, output);
            for (var token = 0; token < @case.Tokens; token++)
            {
                var expected = reference.LogProb(Widen(hidden).AsSpan(token * @case.Layout.HiddenSize, @case.Layout.HiddenSize));
                for (var slot = 0; slot < expected.Length; slot++)
                    Assert.Equal(expected[slot], output[(token * expected.Length) + slot], 2e-5 * (1 + Math.Abs(expected[slot])));
            }
        },
        iter: 60);

    [Fact]
    public void Predict_FindsAMostProbableToken_OneByOneAndInBlocks() => LayerCase.Any.Sample(
        @case =>
        {
            using var layer = @case.CreateLayer();
            var reference = new ReferenceSoftmax(layer);
            var hidden = @case.Hidden();
            var predictions = new int[@case.Tokens];
            layer.Predict(hidden, predictions);
            for (var token = 0; token < @case.Tokens; token++)
            {
                var vector = hidden.AsSpan(token * @case.Layout.HiddenSize, @case.Layout.HiddenSize);
                var expected = reference.LogProb(Widen(vector.ToArray()));
                Assert.Equal(expected.Max(), expected[predictions[token]], 1e-5);
                Assert.Equal(expected.Max(), expected[layer.Predict(vector)], 1e-5);
            }
        },
        iter: 60);

    [Fact]
    public void Predict_IsTheArgmaxOfLogProb_ToTheBit_AlsoAmongEqualLogProbs() => Gen.Select(LayerCase.Any, Gen.Int[0, 3]).Sample(
        (@case, grid) =>
        {
            using var layer = @case.CreateLayer();
            // Coarse weights make equal log-probs common, within a cluster and, with widths of 1, between clusters.
            if (grid > 0)
            {
                foreach (var parameter in layer.Parameters)
                {
                    foreach (ref var value in parameter.WritableValues) value = MathF.Round(value * grid * 4) / grid;
                }
            }

            var hidden = @case.Hidden();
            if (grid > 0) hidden = [.. hidden.Select(value => MathF.Round(value))];
            AssertPredictsArgmax(layer, hidden);
            for (var token = 0; token < Math.Min(@case.Tokens, 5); token++)
                AssertPredictsArgmax(layer, hidden.AsSpan(token * @case.Layout.HiddenSize, @case.Layout.HiddenSize).ToArray());
        },
        iter: 150);

    private static void AssertPredictsArgmax(DynamicAdaptiveSoftmax layer, float[] hidden)
    {
        var vocabulary = layer.Layout.VocabularySize;
        var tokens = hidden.Length / layer.Layout.HiddenSize;
        var predictions = new int[tokens];
        layer.Predict(hidden, predictions);
        var logProbs = new float[tokens * vocabulary];
        layer.LogProb(hidden, logProbs);
        for (var token = 0; token < tokens; token++)
        {
            var row = logProbs.AsSpan(token * vocabulary, vocabulary).ToArray();
            Assert.Equal(Array.IndexOf(row, row.Max()), predictions[token]);
        }
    }

    [Fact]
    public void Loss_AgreesWithTheDefinition() => Gen.Select(LayerCase.Any, Gen.Bool, Gen.Bool).Sample(
        (@case, smooth, mean) =>
        {
            var options = new LossOptions { LabelSmoothing = smooth ? 0.2f : 0, Reduction = mean ? Reduction.Mean : Reduction.Sum, IgnoreIndex = -7 };
            using var layer = @case.CreateLayer();
            var hidden = @case.Hidden();
            var targets = @case.Targets(options.IgnoreIndex);
            var expected = new ReferenceSoftmax(layer).Loss(Widen(hidden), targets, options);
            Assert.Equal(expected, layer.Loss(hidden, targets, options), 1e-5 * (1 + Math.Abs(expected)));
        },
        iter: 60);

    [Fact]
    public void Backward_AgreesWithFiniteDifferencesOfTheDefinition() => Gen.Select(LayerCase.Any, Gen.Bool, Gen.Bool, Gen.Int).Sample(
        (@case, smooth, mean, pick) =>
        {
            var options = new LossOptions { LabelSmoothing = smooth ? 0.3f : 0, Reduction = mean ? Reduction.Mean : Reduction.Sum };
            using var layer = @case.CreateLayer();
            var hidden = @case.Hidden();
            var targets = @case.Targets(options.IgnoreIndex);
            var hiddenGradient = new float[hidden.Length];
            var loss = layer.Backward(hidden, targets, hiddenGradient, options);
            Assert.Equal(layer.Loss(hidden, targets, options), loss);

            var reference = new ReferenceSoftmax(layer);
            var wide = Widen(hidden);
            var random = new Random(pick);
            foreach (var parameter in layer.Parameters)
            {
                var weights = reference.Weights[parameter.Name];
                for (var probe = 0; probe < 3; probe++)
                {
                    var at = random.Next(weights.Length);
                    var slope = Slope(reference, weights, at, wide, targets, options);
                    var actual = parameter.HasGradient ? parameter.Gradient[at] : 0;
                    Assert.Equal(slope, actual, 2e-4 * (1 + Math.Abs(slope)));
                }
            }

            for (var probe = 0; probe < Math.Min(5, wide.Length); probe++)
            {
                var at = random.Next(wide.Length);
                var slope = Slope(reference, wide, at, wide, targets, options);
                Assert.Equal(slope, hiddenGradient[at], 2e-4 * (1 + Math.Abs(slope)));
            }
        },
        iter: 40);

    [Fact]
    public void Backward_GivesTheSameBitsForAnyNumberOfThreadsAndAnyScratchMemory() => LayerCase.Any.Sample(
        @case =>
        {
            var expected = Bits(@case, threads: 1, scratchBytes: 64 << 20);
            foreach (var threads in (ReadOnlySpan<int>)[2, 3, 7]) Assert.Equal(expected, Bits(@case, threads, scratchBytes: 64 << 20));
            Assert.Equal(expected, Bits(@case, threads: 2, scratchBytes: 0));
        },
        iter: 30);

    private static int[] Bits(LayerCase @case, int threads, long scratchBytes)
    {
        using var layer = @case.CreateLayer(threads, scratchBytes);
        var hidden = @case.Hidden();
        var hiddenGradient = new float[hidden.Length];
        var loss = layer.Backward(hidden, @case.Targets(-100), hiddenGradient);
        var gradients = layer.Parameters.SelectMany(parameter => parameter.HasGradient ? parameter.Gradient.ToArray() : []);
        return [.. new[] { loss }.Concat(hiddenGradient).Concat(gradients).Select(BitConverter.SingleToInt32Bits)];
    }

    private static double Slope(ReferenceSoftmax reference, double[] values, int at, double[] hidden, int[] targets, LossOptions options)
    {
        const double Step = 1e-5;
        var original = values[at];
        values[at] = original + Step;
        var above = reference.Loss(hidden, targets, options);
        values[at] = original - Step;
        var below = reference.Loss(hidden, targets, options);
        values[at] = original;
        return (above - below) / (2 * Step);
    }
}
