using AdaptiveSoftmax.Vocabulary;
using CsCheck;

namespace AdaptiveSoftmax.Tests.Quantization;

/// <summary>Batches of a certified dense head, whose rows are decided by bounds or by the stored weights, each as its own options ask.</summary>
public class CertifiedBatchTests
{
    private static readonly Gen<int> s_rows = Gen.OneOf([.. new[] { 1, 2, 7, 16, 17, 40 }.Select(Gen.Const)]);

    [Fact]
    public void Draws_AreThoseOfTheStoredWeights_AndOfEachRowAlone() => Gen.Select(CertifiedCase.Any, s_rows, Gen.Enum<ScreeningStages>(), Gen.Bool, Gen.Int).Sample(
        (@case, rows, stages, isTrained, seed) =>
        {
            using var layer = isTrained ? CreateTrained((ulong)seed, 40 + (seed & 511)) : CertifiedDrawTests.Full(@case);
            using var certified = layer.Certify(new CertifyOptions { Stages = stages });
            using var session = certified.CreateSession();
            using var stored = layer.CreateSession();
            var batch = new MixedBatch(layer, Hidden(@case, layer, rows), seed);
            var expected = batch.Draw(layer, stored, rows);
            var actual = batch.Draw(certified, session, rows);
            MixedBatch.AssertSameTokens(expected, actual, options => options.Sampler == SamplerKind.Gumbel);
            MixedBatch.AssertSame(actual, batch.Draw(certified, session, rowsPerCall: 1));
        },
        iter: 400);

    [Fact]
    public void Ranks_AreThoseOfTheStoredWeights_AndOfEachRowAlone() => Gen.Select(CertifiedCase.Any, s_rows, Gen.Enum<ScreeningStages>(), Gen.Bool, Gen.Int).Sample(
        (@case, rows, stages, isTrained, seed) =>
        {
            using var layer = isTrained ? CreateTrained((ulong)seed, 40 + (seed & 511)) : CertifiedDrawTests.Full(@case);
            using var certified = layer.Certify(new CertifyOptions { Stages = stages });
            using var session = certified.CreateSession();
            using var stored = layer.CreateSession();
            var batch = new MixedBatch(layer, Hidden(@case, layer, rows), seed);
            var k = (seed & 7) * 3;
            var expected = batch.Rank(layer, stored, k, rows);
            var actual = batch.Rank(certified, session, k, rows);
            MixedBatch.AssertSameTokens(expected, actual, options => options.LogProbError > 0 && options.LogProbs == LogProbKind.Model);
            MixedBatch.AssertSame(actual, batch.Rank(certified, session, k, rowsPerCall: 1));
        },
        iter: 400);

    // Of options of all in one, which have no history, and with one row retrieved.
    [Fact]
    public void Ranks_WithOneSetOfOptions_AreThoseOfTheStoredWeights() => Gen.Select(CertifiedCase.Any, s_rows, Gen.OneOf(Gen.Const(0.3f), Gen.Const(float.PositiveInfinity)), Gen.Int).Sample(
        (@case, rows, error, seed) =>
        {
            using var layer = CertifiedDrawTests.Full(@case);
            using var certified = layer.Certify();
            var (random, k) = (new Random(seed), 4);
            var hidden = Hidden(@case, layer, rows);
            var options = new DecodeOptions { LogProbError = error, Mask = layer.CreateAllowMask(Enumerable.Range(0, layer.Layout.VocabularySize).Where(_ => random.Next(3) > 0).Append(0)) };
            var retrieved = new RetrievedTokens?[rows];
            retrieved[seed & (rows > 1 ? 1 : 0)] = layer.CreateRetrieved();
            foreach (var found in retrieved) found?.Add(0, 1);
            (int[], float[], TopKResult[], string?) Run(SoftmaxDecoder softmax)
            {
                using var session = softmax.CreateSession();
                var (tokens, logProbs, results) = (new int[rows * k], new float[rows * k], new TopKResult[rows]);
                try
                {
                    session.TopK(hidden, retrieved, 0.25f, tokens, logProbs, results, options);
                    return (tokens, logProbs, results, null);
                }
                catch (DecodeException exception)
                {
                    return (tokens, logProbs, results, exception.Message);
                }
            }

            var (expected, exact, counts, fault) = Run(layer);
            var (actual, given, counted, message) = Run(certified);
            Assert.Equal(expected, actual);
            Assert.Equal(counts, counted);
            Assert.Equal(fault, message);
            for (var i = 0; i < exact.Length; i++)
            {
                if (retrieved[i / k] is not null || expected[i] < 0) Assert.Equal(exact[i], given[i]);
                else if (float.IsPositiveInfinity(error)) Assert.True(float.IsNaN(given[i]));
                else Assert.True(Math.Abs((double)exact[i] - given[i]) <= error, $"{given[i]} for {exact[i]}");
            }
        },
        iter: 300);

    // Neither a row that needs stored weights nor one that asks for a log-prob keeps the others from their bounds. A product of stored
    // weights has 16 lanes, and those to spare take rows that ask for no log-prob, the first ones.
    [Theory]
    [InlineData(7)]
    [InlineData(17)]
    [InlineData(40)]
    [InlineData(56)]
    public void EachRow_IsDecidedByWhatItAsksFor(int rows)
    {
        using var layer = CreateTrained(seed: 5, tokens: 3000);
        using var certified = layer.Certify(new CertifyOptions { Stages = ScreeningStages.Int8 });
        using var session = certified.CreateSession();
        using var other = certified.CreateSession();
        var gumbel = new DecodeOptions { Sampler = SamplerKind.Gumbel, Temperature = 0.8f, LogProbError = float.PositiveInfinity };
        DecodeOptions[] kinds = [gumbel, gumbel with { LogProbError = 0.2f }, gumbel with { TopP = 0.9f }, gumbel with { RepetitionPenalty = 1.2f }, new(), gumbel with { LogProbError = 0 }, gumbel with { LogProbError = 1e-7f }];
        DecodeSequence[] sequences = [.. Enumerable.Range(0, rows).Select(row => new DecodeSequence(certified, kinds[row % 7], (ulong)row))];
        var random = new Random(3);
        float[] hidden = [.. Enumerable.Range(0, rows * Size).Select(_ => random.NextSingle() - 0.5f)];
        session.Sample(hidden, sequences, new DecodedToken[rows]);
        var statistics = session.Statistics;
        var (stored, inLanes) = (Enumerable.Range(0, rows).Count(row => row % 7 > 3), Enumerable.Range(0, rows).Where(row => row % 7 is 0 or 2 or 3).ToList());
        inLanes = inLanes[..Math.Min(inLanes.Count, ((stored + 15) / 16 * 16) - stored)];
        var screened = rows - stored - inLanes.Count;
        Assert.Equal(screened, statistics.Predictions);
        Assert.Equal(0, statistics.StoredPredictions);
        Assert.Equal(screened * 3000L, statistics.ScreenedRows);
        Assert.InRange(statistics.RescoredShare, 0, 0.1);
        Assert.Equal(Enumerable.Range(0, rows).Except(inLanes).Count(row => row % 7 is 1 or 2), statistics.MassPredictions);

        // A session counts its own calls, the decoder those of all.
        var (tokens, logProbs, results) = (new int[rows * 5], new float[rows * 5], new TopKResult[rows]);
        other.TopK(hidden, tokens, logProbs, results, new DecodeOptions { LogProbError = 0.3f });
        Assert.Equal(rows, other.Statistics.Predictions);
        Assert.Equal(0, other.Statistics.StoredPredictions);
        Assert.Equal(statistics, session.Statistics);
        Assert.Equal(statistics.RescoredRows + other.Statistics.RescoredRows, certified.Statistics.RescoredRows);
        Assert.Equal(statistics.Predictions + rows, certified.Statistics.Predictions);
        using var plain = layer.CreateSession();
        Assert.Equal(default, plain.Statistics);
    }

    // What was decided before is not seen: a nucleus that stays open makes later ones be tried less, but not where a log-prob is wanted.
    [Fact]
    public void ARowsBits_DoNotHangOnWhatWasDecidedBefore()
    {
        using var layer = CreateTrained(seed: 6, tokens: 2000);
        using var certified = layer.Certify();
        using var used = certified.CreateSession();
        var options = new DecodeOptions { Sampler = SamplerKind.Gumbel, TopP = 0.9f, LogProbError = 0.5f };
        for (var i = 0; i < 40; i++) used.Sample(new float[Size], [new DecodeSequence(certified, options with { LogProbError = float.PositiveInfinity })], new DecodedToken[1]);
        Assert.InRange(used.Statistics.Predictions, 1, 39);
        var random = new Random(3);
        for (var i = 0; i < 20; i++)
        {
            float[] hidden = [.. Enumerable.Range(0, Size).Select(_ => random.NextSingle() - 0.5f)];
            var before = used.Statistics.Predictions;
            using var fresh = certified.CreateSession();
            var (expected, actual) = (new DecodedToken[1], new DecodedToken[1]);
            fresh.Sample(hidden, [new DecodeSequence(certified, options, (ulong)i)], expected);
            used.Sample(hidden, [new DecodeSequence(certified, options, (ulong)i)], actual);
            Assert.Equal(expected, actual);
            Assert.Equal(before + 1, used.Statistics.Predictions);
        }
    }

    [Fact]
    public void MorePlacesThanAreReadOneByOne_AreLeftToTheStoredWeights()
    {
        using var layer = CreateTrained(seed: 6, tokens: 2000);
        using var certified = layer.Certify();
        using var session = certified.CreateSession();
        var hidden = new float[3 * Size];
        foreach (var (k, predictions) in (ReadOnlySpan<(int, int)>)[(141, 3), (142, 3)])
        {
            session.TopK(hidden, new int[3 * k], new float[3 * k], new TopKResult[3], new DecodeOptions { LogProbError = float.PositiveInfinity });
            Assert.Equal(predictions, session.Statistics.Predictions);
        }
    }

    [Fact]
    public void RowsThatBoundsLeaveOpen_ArePredictedAsABlock() => Gen.Select(s_rows, Gen.Int).Sample(
        (rows, seed) =>
        {
            using var layer = CreateTrained(seed: 6, tokens: 500);
            using var certified = layer.Certify();
            var random = new Random(seed);
            float[] hidden = [.. Enumerable.Range(0, rows * Size).Select(_ => random.NextSingle() - 0.5f)];
            for (var row = 0; row < rows; row++)
            {
                // All the same but for the bias, or none at all.
                if (random.Next(2) == 0) hidden.AsSpan(row * Size, Size).Fill(random.Next(4) == 0 ? float.NaN : 1e33f);
            }

            var (expected, actual) = (new int[rows], new int[rows]);
            var fault = Record.Exception(() => layer.Predict(hidden, expected));
            Assert.Equal(fault?.Message, Record.Exception(() => certified.Predict(hidden, actual))?.Message);
            Assert.Equal(expected, actual);
        },
        iter: 60);

    [Fact]
    public void ABatch_AllocatesNothing()
    {
        using var layer = CreateTrained(seed: 5, tokens: 3000);
        using var certified = layer.Certify();
        using var session = certified.CreateSession();
        var gumbel = new DecodeOptions { Sampler = SamplerKind.Gumbel, Temperature = 0.8f, LogProbError = float.PositiveInfinity };
        DecodeOptions[] kinds = [gumbel, gumbel with { LogProbError = 0.2f }, gumbel with { TopP = 0.9f }, new()];
        DecodeSequence[] sequences = [.. Enumerable.Range(0, 8).Select(row => new DecodeSequence(certified, kinds[row % 4], (ulong)row))];
        var (tokens, logProbs, ranked, drawn) = (new int[40], new float[40], new TopKResult[8], new DecodedToken[8]);
        var random = new Random(3);
        float[] hidden = [.. Enumerable.Range(0, 8 * Size).Select(_ => random.NextSingle() - 0.5f)];
        void Step()
        {
            session.Sample(hidden, sequences, drawn);
            session.TopK(hidden, sequences, tokens, logProbs, ranked);
            foreach (var sequence in sequences) sequence.History.CutBack(0);
        }

        for (var i = 0; i < 200; i++) Step();
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 50; i++) Step();
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
    }

    [Fact]
    public void RanksOfSequences_AreByTheOptionsAndTheHistoryOfEach()
    {
        using var layer = CreateTrained(seed: 5, tokens: 300);
        using var certified = layer.Certify();
        foreach (var softmax in (SoftmaxDecoder[])[layer, certified])
        {
            using var session = softmax.CreateSession();
            var options = new DecodeOptions { LogProbError = float.PositiveInfinity };
            var hidden = new float[3 * Size];
            DecodeSequence[] sequences = [new(softmax, options), new(softmax, options with { PresencePenalty = 50 }), new(softmax, options with { Mask = softmax.CreateAllowMask([7, 9]) })];
            foreach (var sequence in sequences) sequence.History.Add([0, 1]);
            var tokens = new int[6];
            session.TopK(hidden, sequences, tokens, new float[6], new TopKResult[3]);
            Assert.Equal([0, 1, 2, 3, 7, 9], tokens);
        }
    }

    [Fact]
    public void RanksOfSequences_CheckTheirSizes()
    {
        using var layer = CreateTrained(seed: 5, tokens: 30);
        using var session = layer.CreateSession();
        var sequence = new DecodeSequence(layer);
        var hidden = new float[2 * Size];
        Assert.Contains("2 results of 1 sequences", Assert.Throws<ArgumentException>(() => session.TopK(hidden, [sequence], new int[2], new float[2], new TopKResult[2])).Message, StringComparison.Ordinal);
        Assert.Contains("Sequence 1 is null", Assert.Throws<ArgumentException>(() => session.TopK(hidden, [sequence, null!], new int[2], new float[2], new TopKResult[2])).Message, StringComparison.Ordinal);
        Assert.Contains("[rows, k]", Assert.Throws<ArgumentException>(() => session.TopK(hidden, [sequence, sequence], new int[3], new float[3], new TopKResult[2])).Message, StringComparison.Ordinal);
        Assert.Contains("share memory", Assert.Throws<ArgumentException>(() => session.TopK(hidden, [sequence, sequence], new int[2], hidden.AsSpan(0, 2), new TopKResult[2])).Message, StringComparison.Ordinal);
        session.TopK([], [], [], [], []);
        session.TopK(hidden, [sequence, sequence], new int[2], new float[2], new TopKResult[2]);
        Assert.Equal(0, sequence.History.Length);
    }

    private const int Size = 64;

    private static float[] Hidden(CertifiedCase @case, SoftmaxDecoder layer, int rows) =>
        (@case with { Layer = @case.Layer with { Tokens = rows, Layout = layer.Layout } }).Hidden();

    // Tokens as unequal as those of text.
    private static DynamicAdaptiveSoftmax CreateTrained(ulong seed, int tokens)
    {
        var layer = new DynamicAdaptiveSoftmax(SoftmaxLayout.CreateFull(Size, tokens, hasHeadBias: true), seed);
        foreach (ref var value in layer.Parameters[0].WritableValues) value *= 4;
        var bias = layer.Parameters[1].WritableValues;
        for (var slot = 0; slot < tokens; slot++) bias[slot] = -1.5f * MathF.Log(1 + slot);
        return layer;
    }
}
