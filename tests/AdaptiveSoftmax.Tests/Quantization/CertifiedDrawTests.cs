using AdaptiveSoftmax.Vocabulary;
using CsCheck;

namespace AdaptiveSoftmax.Tests.Quantization;

/// <summary>Draws and top-k by bounds, against all logits and a few lines of float64.</summary>
public unsafe class CertifiedDrawTests
{
    private static readonly Gen<(float Temperature, int TopK, float TopP, float MinP)> s_filters =
        from temperature in Gen.OneOf(Gen.Const(0f), Gen.Const(0.05f), Gen.Const(0.8f), Gen.Const(1f), Gen.Const(6f), Gen.Const(1e30f))
        from topK in Gen.OneOf(Gen.Const(0), Gen.Int[1, 40])
        from topP in Gen.OneOf(Gen.Const(1f), Gen.Const(0.9f), Gen.Const(0.2f))
        from minP in Gen.OneOf(Gen.Const(0f), Gen.Const(0.1f), Gen.Const(0.9f))
        select (temperature, topK, topP, minP);

    [Fact]
    public void Draws_AreThoseOfTheStoredWeights_AndOfTheDefinition() => Gen.Select(CertifiedCase.Any, s_filters, Gen.Enum<ScreeningStages>(), Gen.Bool, Gen.Int).Sample(
        (@case, filters, stages, isHalf, seed) =>
        {
            using var float32 = Full(@case);
            using var copy = isHalf && @case.Kind != CertifiedCase.Trouble.Huge ? float32.Quantize(new QuantizationOptions { Head = WeightPrecision.BFloat16 }) : null;
            SoftmaxDecoder layer = copy is null ? float32 : copy;
            using var certified = copy is null ? float32.Certify(new CertifyOptions { Stages = stages }) : copy.Certify(new CertifyOptions { Stages = stages });
            using var session = layer.CreateSession();
            using var screened = certified.CreateSession();
            var random = new Random(seed);
            var vocabulary = layer.Layout.VocabularySize;
            var hidden = @case.Hidden();
            var history = layer.CreateHistory();
            for (var i = 0; i < vocabulary / 3; i++) history.Add(random.Next(vocabulary));
            for (var token = 0; token < @case.Layer.Tokens; token++)
            {
                var options = new DecodeOptions
                {
                    Sampler = SamplerKind.Gumbel,
                    Temperature = filters.Temperature,
                    TopK = filters.TopK,
                    TopP = filters.TopP,
                    MinP = filters.MinP,
                    PresencePenalty = random.Next(2) * 1.5f,
                    FrequencyPenalty = random.Next(3) == 0 ? 0.25f : 0,
                    RepetitionPenalty = random.Next(3) == 0 ? 0.7f + (float)random.NextDouble() : 1,
                    Bias = random.Next(2) == 0 ? null : layer.CreateBias(Enumerable.Range(0, vocabulary).Where(_ => random.Next(9) == 0).Select(slot => new KeyValuePair<int, float>(slot, random.Next(6) == 0 ? float.NegativeInfinity : (float)(random.NextDouble() * 8) - 4))),
                    Mask = random.Next(2) == 0 ? null : layer.CreateAllowMask(Enumerable.Range(0, vocabulary).Where(_ => random.Next(3) > 0).Append(0)),
                };
                var vector = hidden.AsSpan(token * layer.Layout.HiddenSize, layer.Layout.HiddenSize).ToArray();
                var position = new SampleRandom((ulong)seed, 0, token);
                var expected = Draw(session, vector, options, position, history);
                var actual = Draw(screened, vector, options with { LogProbError = float.PositiveInfinity }, position, history);
                Assert.Equal(expected.Token, actual.Token);
                Assert.Equal(expected.Fault, actual.Fault);
                if (expected.Fault is null) Assert.Equal(Defined(layer, vector, options, position, history), expected.Token);
            }
        },
        iter: 1000);

    [Fact]
    public void TopK_IsThatOfTheStoredWeights_WithLogProbsAsCloseAsAsked() => Gen.Select(CertifiedCase.Any, Gen.Int[0, 50], Gen.OneOf(Gen.Const(0.001f), Gen.Const(0.05f), Gen.Const(1f), Gen.Const(float.PositiveInfinity)), Gen.Enum<ScreeningStages>()).Sample(
        (@case, k, error, stages) =>
        {
            using var layer = Full(@case);
            using var certified = layer.Certify(new CertifyOptions { Stages = stages });
            var hidden = @case.Hidden();
            var options = new DecodeOptions { LogProbError = error };
            for (var token = 0; token < @case.Layer.Tokens; token++)
            {
                var vector = hidden.AsSpan(token * layer.Layout.HiddenSize, layer.Layout.HiddenSize).ToArray();
                var (expected, actual) = (new int[k], new int[k]);
                var (exact, bounded) = (new float[k], new float[k]);
                if (Fails(() => layer.TopK(vector, expected, exact, options)))
                {
                    Assert.True(Fails(() => certified.TopK(vector, actual, bounded, options)));
                    continue;
                }

                certified.TopK(vector, actual, bounded, options);
                Assert.Equal(expected, actual);
                var all = new float[layer.Layout.VocabularySize];
                layer.LogProb(vector, all);
                int[] ranks = [.. Enumerable.Range(0, all.Length).OrderByDescending(slot => Logits(layer, vector)[slot]).ThenBy(slot => slot).Take(k)];
                Assert.Equal(ranks, expected[..ranks.Length]);
                if (float.IsPositiveInfinity(error)) Assert.All([.. exact[..ranks.Length], .. bounded[..ranks.Length]], logProb => Assert.True(float.IsNaN(logProb)));
                for (var i = 0; i < ranks.Length && !float.IsPositiveInfinity(error); i++)
                {
                    Assert.Equal(all[ranks[i]], exact[i]);
                    Assert.True(Math.Abs((double)bounded[i] - exact[i]) <= error, $"{bounded[i]} for {exact[i]}");
                }
            }
        },
        iter: 300);

    [Theory]
    [InlineData(0.5f)]
    [InlineData(1f)]
    [InlineData(2f)]
    public void Draws_HaveTheDistribution(float temperature)
    {
        using var layer = CreateUnequal(scale: 4, out var hidden);
        using var certified = layer.Certify(new CertifyOptions { Stages = ScreeningStages.Int4ThenInt8 });
        var counts = CountDraws(certified, hidden, new DecodeOptions { Temperature = temperature, Mask = layer.CreateDenyMask([3]) }, draws: 40_000);
        var weights = Logits(layer, hidden).Select((logit, slot) => slot == 3 ? 0 : Math.Exp(logit / (double)temperature)).ToArray();
        Assert.Equal(0, counts[3]);
        Assert.InRange(ChiSquare.Score(counts, [.. weights.Select(weight => weight / weights.Sum())]), -6, 6);
        Assert.True(certified.Statistics.StoredPredictions < 40_000, "Some draws are decided by bounds.");
    }

    [Theory]
    [InlineData(0.5f)]
    [InlineData(1f)]
    [InlineData(2f)]
    public void DrawsOfEachFilter_HaveTheDistribution(float temperature)
    {
        using var layer = CreateUnequal(scale: 8, out var hidden);
        using var certified = layer.Certify(new CertifyOptions { Stages = ScreeningStages.Int8 });
        double[] logProbs = [.. Logits(layer, hidden).Select(logit => (double)logit - LogSumExp(layer, hidden))];
        foreach (var filters in (DecodeOptions[])[new() { TopK = 12 }, new() { MinP = 0.3f }, new() { TopP = 0.9f }, new() { TopK = 20, TopP = 0.9f, MinP = 0.1f }])
        {
            var options = filters with { Temperature = temperature };
            var expected = new ReferenceDecoder(logProbs, options).Distribution();
            Assert.Contains(0.0, expected);
            Assert.InRange(ChiSquare.Score(CountDraws(certified, hidden, options, draws: 20_000), expected), -6, 6);
        }
    }

    // Bounds are rounded to whole steps of 1.4e-45 then.
    [Theory]
    [InlineData(1)]
    [InlineData(100)]
    [InlineData(100_000)]
    public void SubnormalTemperatures_DrawToo(int steps)
    {
        using var layer = new DynamicAdaptiveSoftmax(SoftmaxLayout.CreateFull(8, 37), 4);
        using var certified = layer.Certify();
        var options = new DecodeOptions { Sampler = SamplerKind.Gumbel, Temperature = steps * float.Epsilon, LogProbError = float.PositiveInfinity };
        for (var position = 0; position < 200; position++)
        {
            var (random, other) = (new SampleRandom(7, 0, position), new SampleRandom(7, 0, position));
            var best = Enumerable.Range(0, 37).MaxBy(random.Noise.Of);
            Assert.Equal(best, layer.Sample(new float[8], options, ref random).Token);
            Assert.Equal(best, certified.Sample(new float[8], options, ref other).Token);
        }
    }

    // A batch's products round in their own way, and a row is the same in a batch of any size.
    [Fact]
    public void RowsOfABatch_DrawByTheirOwnOptions()
    {
        var layout = SoftmaxLayout.CreateFull(48, 900, hasHeadBias: true);
        using var layer = new DynamicAdaptiveSoftmax(layout, 8);
        foreach (ref var value in layer.Parameters[0].WritableValues) value *= 5;
        using var certified = layer.Certify(new CertifyOptions { Stages = ScreeningStages.Int4ThenInt8 });
        var random = new Random(3);
        foreach (var (rows, isMixed) in (ReadOnlySpan<(int, bool)>)[(1, false), (5, true), (20, true), (37, false)])
        {
            float[] hidden = [.. Enumerable.Range(0, rows * 48).Select(_ => (float)random.NextDouble() - 0.5f)];
            DecodeOptions[] options = [.. Enumerable.Range(0, rows).Select(i => new DecodeOptions
            {
                Sampler = isMixed && i % 4 == 3 ? SamplerKind.Inversion : SamplerKind.Gumbel,
                Temperature = i % 3,
                TopK = i % 2 * 30,
                PresencePenalty = 1,
                LogProbError = isMixed && i % 4 == 3 ? 0 : float.PositiveInfinity,
            })];
            DecodedToken[] Run(SoftmaxDecoder softmax)
            {
                using var session = softmax.CreateSession();
                DecodeSequence[] sequences = [.. options.Select((option, i) => new DecodeSequence(softmax, option, (ulong)i))];
                var results = new DecodedToken[rows];
                for (var step = 0; step < 5; step++) session.Sample(hidden, sequences, results);
                Assert.All(sequences, sequence => Assert.Equal(5, sequence.History.Length));
                return results;
            }

            var before = certified.Statistics.Predictions;
            Assert.Equal(Run(layer).Select(result => result.Token), Run(certified).Select(result => result.Token));

            // A product of stored weights has 16 lanes, and those to spare take rows that ask for no log-prob.
            var gumbel = options.Count(option => option.Sampler == SamplerKind.Gumbel);
            Assert.Equal(5 * (isMixed ? Math.Max(0, gumbel - (16 - (rows - gumbel))) : rows), certified.Statistics.Predictions - before);
        }
    }

    // Blocks of hard rows: near ties, zeros, what is not finite.
    [Fact]
    public void Batches_AreThoseOfTheStoredWeights() => Gen.Select(CertifiedCase.Any, Gen.Enum<ScreeningStages>(), Gen.Int[8, 40], Gen.Int).Sample(
        (@case, stages, rows, seed) =>
        {
            using var layer = Full(@case);
            using var certified = layer.Certify(new CertifyOptions { Stages = stages });
            var hidden = (@case with { Layer = @case.Layer with { Tokens = rows, Layout = layer.Layout } }).Hidden();
            var (expected, actual) = (new int[rows], new int[rows]);
            Assert.Equal(Fails(() => layer.Predict(hidden, expected)), Fails(() => certified.Predict(hidden, actual)));
            Assert.Equal(expected, actual);
            var options = new DecodeOptions { Sampler = SamplerKind.Gumbel, Temperature = 0.7f, TopK = (seed & 1) * 9, LogProbError = float.PositiveInfinity };
            DecodedToken[] Run(SoftmaxDecoder softmax)
            {
                using var session = softmax.CreateSession();
                DecodeSequence[] sequences = [.. Enumerable.Range(0, rows).Select(i => new DecodeSequence(softmax, options, (ulong)i))];
                var results = new DecodedToken[rows];
                Fails(() => session.Sample(hidden, sequences, results));
                return results;
            }

            Assert.Equal(Run(layer).Select(result => result.Token), Run(certified).Select(result => result.Token));
        },
        iter: 400);

    [Fact]
    public void WhatGumbelCannotDo_IsRefused()
    {
        using var adaptive = new DynamicAdaptiveSoftmax(SoftmaxLayout.Create(8, 40, [10]));
        using var full = new DynamicAdaptiveSoftmax(SoftmaxLayout.CreateFull(8, 40));
        var gumbel = new DecodeOptions { Sampler = SamplerKind.Gumbel };
        var position = default(SampleRandom);
        Assert.Contains("without tails", Assert.Throws<ArgumentException>(() => adaptive.Sample(new float[8], gumbel, ref position)).Message, StringComparison.Ordinal);
        Assert.Contains("ask TopK", Assert.Throws<ArgumentException>(() => full.Sample(new float[8], gumbel with { TopLogProbs = 2 }, ref position)).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => full.Sample(new float[8], gumbel with { LogProbs = LogProbKind.Adjusted }, ref position));
        Assert.Throws<ArgumentException>(() => full.Sample(new float[8], gumbel with { LogProbError = float.NaN }, ref position));
        Assert.Throws<ArgumentException>(() => full.Sample(new float[8], gumbel with { Sampler = (SamplerKind)7 }, ref position));
    }

    [Fact]
    public void ADraw_AllocatesNothing()
    {
        using var layer = new DynamicAdaptiveSoftmax(SoftmaxLayout.CreateFull(64, 3000), 3);
        foreach (ref var value in layer.Parameters[0].WritableValues) value *= 8;
        using var certified = layer.Certify();
        using var session = certified.CreateSession();
        var options = new DecodeOptions { Sampler = SamplerKind.Gumbel, LogProbError = 0.1f };
        var position = new SampleRandom(1);
        float[] hidden = layer.Parameters[0].Row(7).ToArray();
        for (var i = 0; i < 200; i++) session.Sample(hidden, options, ref position);
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 100; i++) session.Sample(hidden, options, ref position);
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
    }

    internal static DynamicAdaptiveSoftmax Full(CertifiedCase @case)
    {
        var layout = @case.Layer.Layout;
        return (@case with { Layer = @case.Layer with { Layout = SoftmaxLayout.CreateFull(layout.HiddenSize, layout.VocabularySize, layout.HasHeadBias) } }).CreateLayer();
    }

    internal static (int Token, string? Fault) Draw(DecodeSession session, float[] hidden, DecodeOptions options, SampleRandom position, TokenHistory history)
    {
        try
        {
            return (session.Sample(hidden, options, ref position, history).Token, null);
        }
        catch (DecodeException exception)
        {
            return (-1, exception.Message);
        }
    }

    internal static bool Fails(Action call)
    {
        try
        {
            call();
            return false;
        }
        catch (DecodeException)
        {
            return true;
        }
    }

    internal static float[] Logits(SoftmaxDecoder layer, float[] hidden)
    {
        using var scratch = new Scratch();
        var logits = new float[layer.Layout.HeadRows];
        fixed (float* x = hidden, target = logits) layer.DecodingHead.ForwardOne(layer.Pool, scratch, x, target);
        return logits;
    }

    // The contract, by sorting.
    internal static int Defined(SoftmaxDecoder layer, float[] hidden, DecodeOptions options, SampleRandom position, TokenHistory history)
    {
        var logits = Logits(layer, hidden);
        var logProbs = new float[logits.Length];
        layer.LogProb(hidden, logProbs);
        var logSumExp = (double)LogSumExp(layer, hidden);
        var scores = new List<(double Score, int Slot)>();
        for (var slot = 0; slot < logits.Length; slot++)
        {
            if (options.Mask?.IsAllowed(slot) == false) continue;
            double score = logits[slot];
            var count = history.Tokens.ToArray().Count(token => token == slot);
            if (count > 0)
            {
                if (options.RepetitionPenalty != 1) score = ((score - logSumExp) * options.RepetitionPenalty) + logSumExp;
                score -= options.PresencePenalty + ((double)options.FrequencyPenalty * count);
            }

            var at = options.Bias is null ? -1 : options.Bias.Slots(0).BinarySearch(slot);
            if (at >= 0) score += options.Bias!.Values(0)[at];
            if (!double.IsNegativeInfinity(score)) scores.Add((score, slot));
        }

        scores = [.. scores.OrderByDescending(entry => entry.Score).ThenBy(entry => entry.Slot)];
        if (options.Temperature == 0) return scores[0].Slot;
        if (options.TopK > 0) scores = [.. scores.Take(options.TopK)];
        double[] masses = [.. scores.Select(entry => Math.Exp((entry.Score - scores[0].Score) / options.Temperature))];
        if (options.TopP < 1)
        {
            var (sum, kept) = (0.0, 0);
            while (kept < masses.Length && sum < options.TopP * masses.Sum()) sum += masses[kept++];
            scores = scores[..Math.Max(1, kept)];
        }

        var limit = scores[0].Score + (options.Temperature * Math.Log(options.MinP));
        if (options.MinP > 0) scores = [.. scores.Where(entry => entry.Score >= limit)];
        var noise = position.Noise;
        return scores.OrderByDescending(entry => entry.Score + ((double)options.Temperature * noise.Of(entry.Slot))).ThenBy(entry => entry.Slot).First().Slot;
    }

    private static DynamicAdaptiveSoftmax CreateUnequal(float scale, out float[] hidden)
    {
        var layer = new DynamicAdaptiveSoftmax(SoftmaxLayout.CreateFull(24, 40), 4);
        foreach (ref var value in layer.Parameters[0].WritableValues) value *= scale;
        var random = new Random(2);
        hidden = [.. Enumerable.Range(0, 24).Select(_ => (float)random.NextDouble() - 0.5f)];
        return layer;
    }

    private static int[] CountDraws(CertifiedSoftmax certified, float[] hidden, DecodeOptions options, int draws)
    {
        using var session = certified.CreateSession();
        options = options with { Sampler = SamplerKind.Gumbel, LogProbError = float.PositiveInfinity };
        var counts = new int[certified.Layout.VocabularySize];
        var position = new SampleRandom(11);
        for (var i = 0; i < draws; i++) counts[session.Sample(hidden, options, ref position).Token]++;
        return counts;
    }

    private static float LogSumExp(SoftmaxDecoder layer, float[] hidden)
    {
        using var scratch = new Scratch();
        var logits = new float[layer.Layout.HeadRows];
        fixed (float* x = hidden, target = logits) return layer.DecodingHead.ForwardOne(layer.Pool, scratch, x, target).LogSumExp[0];
    }
}
