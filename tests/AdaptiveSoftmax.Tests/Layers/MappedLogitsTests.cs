using AdaptiveSoftmax.Tests.Checkpoints;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tests.Layers;

/// <summary>Full softmaxes whose logits are scaled and capped: decoding, losses and gradients against float64.</summary>
public sealed class MappedLogitsTests
{
    private const int Hidden = 20;
    private const int Tokens = 300;

    // Gemma's cap, Cohere's scale, both, and a cap that most logits pass.
    public static TheoryData<double, double, bool> Maps => new()
    {
        { 1, 30, false },
        { 0.0625, double.PositiveInfinity, true },
        { 0.5, 5, true },
        { 1, 0.5, false },
    };

    [Theory]
    [MemberData(nameof(Maps))]
    public void LogProbsAndPredictions_AreThoseOfMappedLogits(double scale, double cap, bool hasBias)
    {
        using var layer = CreateLayer(scale, cap, hasBias);
        using var halves = layer.Quantize(new QuantizationOptions { Head = WeightPrecision.BFloat16 });
        foreach (var count in (int[])[1, 5, 40])
        {
            var hidden = Values(count * Hidden, seed: count);
            var logProbs = new float[count * Tokens];
            layer.LogProb(hidden, logProbs);
            var reference = new double[count][];
            for (var row = 0; row < count; row++)
            {
                reference[row] = LogProbs(layer, Widen(hidden.AsSpan(row * Hidden, Hidden)), scale, cap);
                for (var token = 0; token < Tokens; token++) Assert.Equal(reference[row][token], logProbs[(row * Tokens) + token], 1e-5);
            }

            var predicted = new int[count];
            layer.Predict(hidden, predicted);
            for (var row = 0; row < count; row++) Assert.Equal(reference[row].Max(), reference[row][predicted[row]], 1e-5);

            halves.LogProb(hidden, logProbs);
            for (var i = 0; i < logProbs.Length; i++) Assert.Equal(reference[i / Tokens][i % Tokens], logProbs[i], 0.05);
        }
    }

    // Saturated logits tie, and the lower slot must win as it does without screening.
    [Theory]
    [MemberData(nameof(Maps))]
    public void Certified_PredictsTheSame(double scale, double cap, bool hasBias)
    {
        foreach (var factor in (float[])[1, 30, 1000])
        {
            using var layer = CreateLayer(scale, cap, hasBias, factor);
            foreach (var stages in Enum.GetValues<ScreeningStages>())
            {
                using var certified = layer.Certify(new CertifyOptions { Stages = stages });
                for (var seed = 0; seed < 50; seed++)
                {
                    var hidden = Values(Hidden, seed);
                    Assert.Equal(layer.Predict(hidden), certified.Predict(hidden));
                }

                if (factor == 1 && cap >= 5) Assert.True(certified.Statistics.StoredPredictions < 10);
                int[] expected = new int[30], predicted = new int[30];
                layer.Predict(Values(30 * Hidden, seed: 5), expected);
                certified.Predict(Values(30 * Hidden, seed: 5), predicted);
                Assert.Equal(expected, predicted);
                for (var seed = 0; seed < 10; seed++) AssertSameDraws(layer, certified, Values(Hidden, seed), seed);
            }
        }
    }

    [Fact]
    public void SmallWeightsOfAFile_MapLogitsToo()
    {
        using var layer = CreateLayer(0.5, 5, hasBias: true);
        using var small = layer.Quantize(new QuantizationOptions { Head = WeightPrecision.Int8 });
        using var folder = new TemporaryFolder();
        small.Save(folder["small.safetensors"]);
        using var loaded = DynamicAdaptiveSoftmax.LoadQuantized(folder["small.safetensors"], layer.Layout);
        float[] hidden = Values(Hidden, 3), before = new float[Tokens], after = new float[Tokens];
        small.LogProb(hidden, before);
        loaded.LogProb(hidden, after);
        Assert.Equal(before, after);
    }

    [Theory]
    [MemberData(nameof(Maps))]
    public void Gradients_AreFiniteDifferences_OfTheLoss(double scale, double cap, bool hasBias)
    {
        // Few tokens, which have a path of their own, and many.
        foreach (var (count, smoothing) in ((int, float)[])[(3, 0), (40, 0), (40, 0.1f)])
        {
            using var layer = CreateLayer(scale, cap, hasBias);
            var hidden = Values(count * Hidden, seed: 9);
            int[] targets = [.. Enumerable.Range(0, count).Select(i => i * 7 % Tokens)];
            var byHidden = new float[hidden.Length];
            var options = new LossOptions { LabelSmoothing = smoothing };
            var loss = layer.Backward(hidden, targets, byHidden, options);
            double[] vectors = Widen(hidden), weight = Widen(layer.Parameters[0].Values), bias = hasBias ? Widen(layer.Parameters[1].Values) : new double[Tokens];
            Assert.Equal(Loss(), loss, 1e-5);
            var random = new Random(11);
            for (var i = 0; i < 40; i++)
            {
                // A row that is a target, or any.
                var row = i % 2 == 0 ? targets[random.Next(count)] : random.Next(Tokens);
                var at = (row * Hidden) + random.Next(Hidden);
                Assert.Equal(Difference(weight, at), layer.Parameters[0].Gradient[at], 2e-5);
                if (hasBias) Assert.Equal(Difference(bias, row), layer.Parameters[1].Gradient[row], 2e-5);
                at = random.Next(vectors.Length);
                Assert.Equal(Difference(vectors, at), byHidden[at], 2e-5);
            }

            double Difference(double[] values, int at)
            {
                const double Step = 1e-5;
                var old = values[at];
                values[at] = old + Step;
                var above = Loss();
                values[at] = old - Step;
                var below = Loss();
                values[at] = old;
                return (above - below) / (2 * Step);
            }

            double Loss()
            {
                var sum = 0.0;
                for (var row = 0; row < count; row++)
                {
                    var logProbs = LogSoftmax(weight, bias, vectors.AsSpan(row * Hidden, Hidden), scale, cap);
                    sum -= ((1 - smoothing) * logProbs[targets[row]]) + (smoothing * logProbs.Average());
                }

                return sum / count;
            }
        }
    }

    [Fact]
    public void WeightsOfAnotherMap_AreRefusedByIt()
    {
        using var folder = new TemporaryFolder();
        using var capped = new DynamicAdaptiveSoftmax(SoftmaxLayout.CreateFull(Hidden, Tokens, logitScale: 0.5, logitSoftCap: 30));
        capped.Save(folder["weights.safetensors"]);
        using var same = new DynamicAdaptiveSoftmax(capped.Layout, seed: 2);
        same.Restore(folder["weights.safetensors"]);
        Assert.True(capped.Parameters[0].Values.SequenceEqual(same.Parameters[0].Values));
        using var plain = new DynamicAdaptiveSoftmax(SoftmaxLayout.CreateFull(Hidden, Tokens));
        var mismatch = Assert.Throws<CheckpointMismatchException>(() => plain.Restore(folder["weights.safetensors"]));
        Assert.Equal(["logit scale: 0.5 in the file, 1 in the class", "soft cap of logits: 30 in the file, none in the class"], mismatch.Differences);
    }

    [Theory]
    [InlineData(0, 30)]
    [InlineData(double.NaN, 30)]
    [InlineData(1, -30)]
    [InlineData(1, 1e7)]
    public void FactorsOutOfRange_AreRefused(double scale, double cap) =>
        Assert.Contains("it must be from", Assert.Throws<ArgumentException>(() => SoftmaxLayout.CreateFull(Hidden, Tokens, false, scale, cap)).Message, StringComparison.Ordinal);

    private static void AssertSameDraws(SoftmaxDecoder layer, SoftmaxDecoder certified, float[] hidden, int seed)
    {
        using var session = layer.CreateSession();
        using var screened = certified.CreateSession();
        var options = new DecodeOptions { Sampler = SamplerKind.Gumbel, Temperature = 0.8f };
        var (random, same) = (new SampleRandom((ulong)seed, 0, 0), new SampleRandom((ulong)seed, 0, 0));
        Assert.Equal(session.Sample(hidden, options, ref random).Token, screened.Sample(hidden, options with { LogProbError = float.PositiveInfinity }, ref same).Token);
        int[] best = new int[7], found = new int[7];
        float[] exact = new float[7], bounded = new float[7];
        session.TopK(hidden, best, exact, new DecodeOptions { LogProbError = 0.1f });
        screened.TopK(hidden, found, bounded, new DecodeOptions { LogProbError = 0.1f });
        Assert.Equal(best, found);
        for (var i = 0; i < best.Length; i++) Assert.Equal(exact[i], bounded[i], 0.1);
    }

    private static DynamicAdaptiveSoftmax CreateLayer(double scale, double cap, bool hasBias, float factor = 1)
    {
        var layer = new DynamicAdaptiveSoftmax(SoftmaxLayout.CreateFull(Hidden, Tokens, hasBias, scale, cap), seed: 4);
        foreach (var parameter in layer.Parameters)
        {
            foreach (ref var value in parameter.WritableValues) value *= 12 * factor;
        }

        return layer;
    }

    private static double[] LogProbs(DynamicAdaptiveSoftmax layer, double[] hidden, double scale, double cap) =>
        LogSoftmax(Widen(layer.Parameters[0].Values), layer.Layout.HasHeadBias ? Widen(layer.Parameters[1].Values) : new double[Tokens], hidden, scale, cap);

    private static double[] LogSoftmax(double[] weight, double[] bias, ReadOnlySpan<double> hidden, double scale, double cap)
    {
        var logits = new double[Tokens];
        for (var token = 0; token < Tokens; token++)
        {
            logits[token] = bias[token];
            for (var k = 0; k < Hidden; k++) logits[token] += weight[(token * Hidden) + k] * hidden[k];
            logits[token] *= scale;
            if (!double.IsInfinity(cap)) logits[token] = cap * Math.Tanh(logits[token] / cap);
        }

        var logSumExp = Math.Log(logits.Sum(Math.Exp));
        return [.. logits.Select(logit => logit - logSumExp)];
    }

    private static double[] Widen(ReadOnlySpan<float> values) => [.. values.ToArray().Select(value => (double)value)];

    private static float[] Values(int count, int seed)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(_ => (random.NextSingle() * 2) - 1)];
    }
}
