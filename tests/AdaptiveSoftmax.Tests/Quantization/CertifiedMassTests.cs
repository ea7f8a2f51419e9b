using AdaptiveSoftmax.Vocabulary;
using CsCheck;

namespace AdaptiveSoftmax.Tests.Quantization;

/// <summary>Choices of certified decoders that hang on a sum over all rows: nuclei, and repetition penalties.</summary>
public unsafe class CertifiedMassTests
{
    [Fact]
    public void Ranks_UnderARepetitionPenalty_AreThoseOfTheStoredWeights() => Gen.Select(CertifiedCase.Any, Gen.Int[1, 40], Gen.Float[0.5f, 2f], Gen.Enum<ScreeningStages>(), Gen.Int).Sample(
        (@case, k, penalty, stages, seed) =>
        {
            using var layer = CertifiedDrawTests.Full(@case);
            using var certified = layer.Certify(new CertifyOptions { Stages = stages });
            var random = new Random(seed);
            var history = layer.CreateHistory();
            for (var i = random.Next(layer.Layout.VocabularySize); i >= 0; i--) history.Add(random.Next(layer.Layout.VocabularySize));
            var options = new DecodeOptions { RepetitionPenalty = penalty, PresencePenalty = random.Next(2), LogProbError = random.Next(2) == 0 ? 0.5f : float.PositiveInfinity };
            for (var token = 0; token < @case.Layer.Tokens; token++)
            {
                var vector = @case.Hidden().AsSpan(token * layer.Layout.HiddenSize, layer.Layout.HiddenSize).ToArray();
                var (expected, actual, logProbs) = (new int[k], new int[k], new float[k]);
                using var session = layer.CreateSession();
                using var screened = certified.CreateSession();
                if (CertifiedDrawTests.Fails(() => session.TopK(vector, expected, logProbs, options, history)))
                {
                    Assert.True(CertifiedDrawTests.Fails(() => screened.TopK(vector, actual, logProbs, options, history)));
                    continue;
                }

                screened.TopK(vector, actual, logProbs, options, history);
                Assert.Equal(expected, actual);
                var logits = CertifiedDrawTests.Logits(layer, vector);
                var logSumExp = LogSumExp(logits);
                double Score(int slot) => history.Tokens.Contains(slot) ? ((logits[slot] - logSumExp) * (double)penalty) + logSumExp - options.PresencePenalty : logits[slot];
                for (var i = 1; i < k && expected[i] >= 0; i++)
                {
                    var (better, worse) = (Score(expected[i - 1]), Score(expected[i]));
                    Assert.True(better >= worse - ((Math.Abs(better) + Math.Abs(worse) + Math.Abs(logSumExp) + 1) * 1e-5), $"{better} before {worse}");
                }
            }
        },
        iter: 300);

    [Fact]
    public void Bounds_HoldTheMass() => Gen.Select(CertifiedCase.Any, Gen.OneOf(Gen.Const(0.3), Gen.Const(1.0), Gen.Const(4.0)), Gen.Enum<ScreeningStages>(), Gen.Int[0, 3]).Sample(
        (@case, temperature, stages, known) =>
        {
            using var layer = CertifiedDrawTests.Full(@case);
            using var certified = layer.Certify(new CertifyOptions { Stages = stages });
            using var scratch = new Scratch();
            var masses = new MassBounds();
            var vector = @case.Hidden()[..layer.Layout.HiddenSize];
            var logits = CertifiedDrawTests.Logits(layer, vector);
            var source = certified.CreateScreenedLogits()!;
            fixed (float* hidden = vector)
            {
                for (var isFirst = true; source.TryBegin(scratch, hidden, isFirst, isClosest: false); isFirst = false)
                {
                    var reference = logits.Max();
                    if (!masses.TryBegin(layer.Pool, source, reference, temperature, source.LargestLogit)) continue;
                    LogitDecoder.ScoredRow[] best = [.. logits.Select((logit, slot) => new LogitDecoder.ScoredRow(slot, logit, logit, logit)).Order().Take(known * 5)];
                    var (least, most) = masses.Total(best, default);
                    var mass = logits.Sum(logit => Math.Exp(((double)logit - reference) / temperature));
                    Assert.InRange(mass, least, most);
                    if (best.Length >= logits.Length) Assert.InRange(most / least, 1, 1 + (8 * masses.Error) + (logits.Length * 1e-36 / mass));
                }
            }
        },
        iter: 500);

    /// <summary>Of scores that a log-sum-exp which is known by bounds alone moves, and that are not those of the logits' own bounds any more.</summary>
    [Fact]
    public void Bounds_HoldTheMassOfPenalisedScores() => Gen.Select(CertifiedCase.Any, Gen.OneOf(Gen.Const(0.5), Gen.Const(1.0), Gen.Const(4.0)), Gen.OneOf(Gen.Const(0.4f), Gen.Const(0.9f), Gen.Const(3f)), Gen.Double[1e-6, 2], Gen.Int[0, 3], Gen.Int).Sample(
        (@case, temperature, penalty, gap, known, seed) =>
        {
            using var layer = CertifiedDrawTests.Full(@case);
            using var certified = layer.Certify(new CertifyOptions { Stages = ScreeningStages.Int4 });
            using var scratch = new Scratch();
            var (random, history, masses) = (new Random(seed), layer.CreateHistory(), new MassBounds());
            for (var i = random.Next(layer.Layout.VocabularySize); i >= 0; i--) history.Add(random.Next(layer.Layout.VocabularySize));
            var options = new DecodeOptions { RepetitionPenalty = penalty };
            var vector = @case.Hidden()[..layer.Layout.HiddenSize];
            var logits = CertifiedDrawTests.Logits(layer, vector);
            var logSumExp = LogSumExp(logits);
            double[] expected = [.. logits.Select((logit, slot) => history.Tokens.Contains(slot) ? ((logit - logSumExp) * penalty) + logSumExp : logit)];
            var source = certified.CreateScreenedLogits()!;
            fixed (float* hidden = vector)
            {
                if (!source.TryBegin(scratch, hidden, isFirst: true, isClosest: false)) return;
                var scores = new LogitScores(source, options, history, logSumExp - (gap * random.NextDouble()), logSumExp + gap);
                scores.Apply();
                var reference = expected.Max();
                if (!masses.TryBegin(layer.Pool, source, reference, temperature, source.LargestLogit + scores.LargestShift)) return;
                var rows = new LogitDecoder.ScoredRow[Math.Min(5 * known, logits.Length)];
                foreach (var (slot, at) in Enumerable.Range(0, logits.Length).OrderByDescending(slot => expected[slot]).Take(rows.Length).Select((slot, at) => (slot, at)))
                {
                    var (low, high) = scores.Bounds(slot, logits[slot]);
                    Assert.InRange(expected[slot], low, high);
                    rows[at] = new LogitDecoder.ScoredRow(slot, logits[slot], low, high);
                }

                var (least, most) = masses.Total(rows, scores);
                Assert.InRange(expected.Sum(score => Math.Exp((score - reference) / temperature)), least, most);
            }
        },
        iter: 500);

    // Of a head whose tokens are as unequal as those of text, bounds decide nearly all.
    [Theory]
    [InlineData(0.9f, 1f, 0, 0f)]
    [InlineData(1f, 1.2f, 0, 0f)]
    [InlineData(1f, 1.2f, 20, 0f)]
    [InlineData(1f, 0.8f, 0, 0.05f)]
    [InlineData(0.9f, 1.2f, 0, 0.02f)]
    [InlineData(0.9f, 1.2f, 30, 0f)]
    public void BoundsDecide_AndDrawWhatTheStoredWeightsDraw(float topP, float penalty, int topK, float minP)
    {
        using var layer = CreateTrained(64, 3000, seed: 5);
        using var certified = layer.Certify(new CertifyOptions { Stages = ScreeningStages.Int8 });
        using var session = layer.CreateSession();
        using var screened = certified.CreateSession();
        var random = new Random(9);
        var history = layer.CreateHistory();
        for (var i = 0; i < 60; i++) history.Add(random.Next(200));
        var options = new DecodeOptions { Sampler = SamplerKind.Gumbel, Temperature = 0.8f, TopP = topP, RepetitionPenalty = penalty, TopK = topK, MinP = minP, LogProbError = float.PositiveInfinity };
        const int Draws = 300;
        for (var i = 0; i < Draws; i++)
        {
            float[] hidden = [.. Enumerable.Range(0, 64).Select(_ => (float)random.NextDouble() - 0.5f)];
            if (i % 5 == 0) history.Add(CertifiedDrawTests.Draw(session, hidden, DecodeOptions.Greedy, default, history).Token);
            var expected = CertifiedDrawTests.Draw(session, hidden, options, new SampleRandom(3, 0, i), history).Token;
            Assert.Equal(CertifiedDrawTests.Defined(layer, hidden, options, new SampleRandom(3, 0, i), history), expected);
            Assert.Equal(expected, CertifiedDrawTests.Draw(screened, hidden, options, new SampleRandom(3, 0, i), history).Token);
        }

        var statistics = certified.Statistics;
        Assert.InRange(statistics.StoredPredictions, 0, Draws / 10);
        Assert.Equal(statistics.StoredPredictions, statistics.StoredMassPredictions);
        Assert.InRange(statistics.MassPredictions, Draws / 2, Draws);
        Assert.InRange(statistics.RescoredShare, 0, 0.08);
    }

    // int4 alone, more rows than are read for the log-sum-exp, and strong penalties: bounds leave much open, and what they decide is right.
    [Theory]
    [InlineData(1)]
    [InlineData(4)]
    public void WideBounds_DecideNothingWrongly(double logitScale)
    {
        using var layer = new DynamicAdaptiveSoftmax(SoftmaxLayout.CreateFull(32, 600, logitScale: logitScale), 5);
        foreach (ref var value in layer.Parameters[0].WritableValues) value *= (float)(6 / logitScale);
        using var certified = layer.Certify(new CertifyOptions { Stages = ScreeningStages.Int4 });
        using var session = layer.CreateSession();
        var random = new Random(9);
        for (var i = 0; i < 1500; i++)
        {
            float[] hidden = [.. Enumerable.Range(0, 32).Select(_ => ((float)random.NextDouble() * 2) - 1)];
            var history = layer.CreateHistory();
            for (var count = 1 + random.Next(300); count > 0; count--) history.Add(random.Next(600));
            var options = new DecodeOptions
            {
                Sampler = SamplerKind.Gumbel,
                Temperature = random.Next(2) == 0 ? 0.5f : 1,
                TopP = random.Next(2) == 0 ? 1 : 0.3f + (0.6f * (float)random.NextDouble()),
                TopK = random.Next(2) * (1 + random.Next(30)),
                MinP = random.Next(2) * (float)random.NextDouble(),
                RepetitionPenalty = random.Next(2) == 0 ? 3 : 0.4f,
                LogProbError = float.PositiveInfinity,
            };

            // A session of its own, which has not given up yet.
            using var screened = certified.CreateSession();
            var position = new SampleRandom(3, 0, i);
            Assert.Equal(CertifiedDrawTests.Draw(session, hidden, options, position, history), CertifiedDrawTests.Draw(screened, hidden, options, position, history));
            var (expected, actual, logProbs) = (new int[3], new int[3], new float[3]);
            session.TopK(hidden, expected, logProbs, options, history);
            screened.TopK(hidden, actual, logProbs, options, history);
            Assert.Equal(expected, actual);
        }

        Assert.InRange(certified.Statistics.MassPredictions - certified.Statistics.StoredMassPredictions, logitScale == 1 ? 300 : 0, logitScale == 1 ? 2900 : 0);
    }

    [Theory]
    [InlineData(0.5f, 0.8f, 1f)]
    [InlineData(1f, 0.8f, 1f)]
    [InlineData(2f, 0.8f, 1f)]
    [InlineData(0.5f, 1f, 1.4f)]
    [InlineData(1f, 1f, 1.4f)]
    [InlineData(2f, 1f, 1.4f)]
    [InlineData(1f, 0.7f, 1.4f)]
    public void Draws_HaveTheDistribution(float temperature, float topP, float penalty)
    {
        using var layer = new DynamicAdaptiveSoftmax(SoftmaxLayout.CreateFull(24, 40), 4);
        foreach (ref var value in layer.Parameters[0].WritableValues) value *= 4;
        using var certified = layer.Certify(new CertifyOptions { Stages = ScreeningStages.Int4ThenInt8 });
        using var session = certified.CreateSession();
        var random = new Random(2);
        float[] hidden = [.. Enumerable.Range(0, 24).Select(_ => (float)random.NextDouble() - 0.5f)];
        var history = layer.CreateHistory();
        history.Add([1, 7, 9, 30, 31]);
        var options = new DecodeOptions { Sampler = SamplerKind.Gumbel, Temperature = temperature, TopP = topP, RepetitionPenalty = penalty, LogProbError = float.PositiveInfinity };
        var counts = new int[40];
        var position = new SampleRandom(11);
        const int Draws = 20_000;
        for (var i = 0; i < Draws; i++) counts[session.Sample(hidden, options, ref position, history).Token]++;
        var logits = CertifiedDrawTests.Logits(layer, hidden);
        var logSumExp = LogSumExp(logits);
        double[] masses = [.. logits.Select((logit, slot) => Math.Exp((history.Tokens.Contains(slot) ? ((logit - logSumExp) * penalty) + logSumExp : logit) / temperature))];
        var (target, sum) = (topP * masses.Sum(), 0.0);
        foreach (var slot in Enumerable.Range(0, 40).OrderByDescending(slot => masses[slot]))
        {
            var isIn = sum < target || topP == 1;
            sum += masses[slot];
            if (!isIn) masses[slot] = 0;
        }

        Assert.All(Enumerable.Range(0, 40).Where(slot => masses[slot] == 0), slot => Assert.Equal(0, counts[slot]));
        var kept = Enumerable.Range(0, 40).Where(slot => masses[slot] > 0).ToArray();
        Assert.InRange(ChiSquare.Score([.. kept.Select(slot => counts[slot])], [.. kept.Select(slot => masses[slot] / masses.Sum())]), -6, 6);
        Assert.True(certified.Statistics.StoredPredictions < Draws, "Some draws are decided by bounds.");
    }

    [Fact]
    public void RowsOfABatch_WithPenaltiesAndNuclei_AreThoseOfTheStoredWeights()
    {
        using var layer = CreateTrained(48, 900, seed: 8);
        using var certified = layer.Certify(new CertifyOptions { Stages = ScreeningStages.Int4ThenInt8 });
        var random = new Random(3);
        foreach (var rows in (ReadOnlySpan<int>)[1, 6, 20])
        {
            float[] hidden = [.. Enumerable.Range(0, rows * 48).Select(_ => (float)random.NextDouble() - 0.5f)];
            int[] Run(SoftmaxDecoder softmax)
            {
                using var session = softmax.CreateSession();
                DecodeSequence[] sequences = [.. Enumerable.Range(0, rows).Select(i => new DecodeSequence(softmax, new DecodeOptions
                {
                    Sampler = SamplerKind.Gumbel,
                    Temperature = 0.5f,
                    TopP = i % 3 == 0 ? 1 : 0.8f,
                    RepetitionPenalty = i % 2 == 0 ? 1 : 1.3f,
                    LogProbError = float.PositiveInfinity,
                }, (ulong)i))];
                var results = new DecodedToken[rows];
                for (var step = 0; step < 6; step++) session.Sample(hidden, sequences, results);
                return [.. sequences.SelectMany(sequence => sequence.History.Tokens.ToArray())];
            }

            var before = certified.Statistics;
            Assert.Equal(Run(layer), Run(certified));
            var after = certified.Statistics;
            Assert.Equal(6 * rows, after.Predictions - before.Predictions);
            Assert.True(after.StoredPredictions - before.StoredPredictions < 6 * rows, "Some draws are decided by bounds.");
        }
    }

    // Half of the mass is in rows that are not read, and the best tokens, of which four are penalised, are closer to each other than
    // the log-sum-exp is known.
    [Fact]
    public void CloseTokens_AreDrawnAsByTheStoredWeights()
    {
        const int Tokens = 3000, Close = 8;
        using var layer = new DynamicAdaptiveSoftmax(SoftmaxLayout.CreateFull(32, Tokens, hasHeadBias: true), 5);
        for (var slot = 0; slot < Tokens; slot++)
        {
            foreach (ref var value in layer.Parameters[0].WritableRow(slot)) value *= slot < Close ? 0.3f : 3;
            layer.Parameters[1].WritableValues[slot] = slot < Close / 2 ? 8 - (0.05f * slot) : slot < Close ? 5.9f - (0.1f * (slot - (Close / 2))) : 1;
        }

        using var certified = layer.Certify(new CertifyOptions { Stages = ScreeningStages.Int4 });
        using var session = layer.CreateSession();
        var random = new Random(3);
        for (var i = 0; i < 2000; i++)
        {
            float[] hidden = [.. Enumerable.Range(0, 32).Select(_ => ((float)random.NextDouble() * 2) - 1)];
            var history = layer.CreateHistory();
            history.Add([0, 1, 2, 3, .. Enumerable.Range(0, 20).Select(_ => Close + random.Next(Tokens - Close))]);
            var options = new DecodeOptions { Sampler = SamplerKind.Gumbel, TopK = 1 + random.Next(6), TopP = 0.2f + (0.7f * (float)random.NextDouble()), RepetitionPenalty = 2, LogProbError = float.PositiveInfinity };

            // A session of its own, which has not given up yet.
            using var screened = certified.CreateSession();
            var position = new SampleRandom(3, 0, i);
            Assert.Equal(CertifiedDrawTests.Draw(session, hidden, options, position, history), CertifiedDrawTests.Draw(screened, hidden, options, position, history));
        }

        var decided = certified.Statistics.MassPredictions - certified.Statistics.StoredMassPredictions;
        Assert.InRange(decided, 200, 1990);
    }

    // A head that is nearly flat has no nucleus that bounds find: after a while they are hardly tried.
    [Fact]
    public void NucleiThatStayOpen_AreTriedLessAndLess()
    {
        using var layer = new DynamicAdaptiveSoftmax(SoftmaxLayout.CreateFull(16, 2000), 5);
        using var certified = layer.Certify();
        using var session = certified.CreateSession();
        var position = new SampleRandom(1);
        var options = new DecodeOptions { Sampler = SamplerKind.Gumbel, TopP = 0.9f, LogProbError = float.PositiveInfinity };
        for (var i = 0; i < 1000; i++) session.Sample(new float[16], options, ref position);
        Assert.InRange(certified.Statistics.Predictions, 1, 40);
        Assert.Equal(certified.Statistics.Predictions, certified.Statistics.StoredPredictions);
    }

    private static DynamicAdaptiveSoftmax CreateTrained(int hiddenSize, int tokens, ulong seed)
    {
        var layer = new DynamicAdaptiveSoftmax(SoftmaxLayout.CreateFull(hiddenSize, tokens, hasHeadBias: true), seed);
        foreach (ref var value in layer.Parameters[0].WritableValues) value *= 4;
        var bias = layer.Parameters[1].WritableValues;
        for (var slot = 0; slot < tokens; slot++) bias[slot] = -1.5f * MathF.Log(1 + slot);
        return layer;
    }

    private static double LogSumExp(float[] logits)
    {
        var largest = (double)logits.Max();
        return largest + Math.Log(logits.Sum(logit => Math.Exp(logit - largest)));
    }
}
