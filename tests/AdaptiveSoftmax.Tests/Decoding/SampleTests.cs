using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tests;

public class SampleTests
{
    private const int Draws = 20_000;

    private static readonly (float Temperature, float TopP)[] s_cold = [(1e-38f, 1), (1e-38f, 0.9f), (1e-6f, 1), (1e-6f, 0.9f), (1e-3f, 1), (1e-3f, 0.9f)];

    [Fact]
    public void Sample_DrawsOnlyWhatTheFiltersLeave_AndReportsItsLogProb() => DecodeCase.ForEach(300, test =>
    {
        var reference = test.Reference();
        var (scores, expected) = (reference.Scores(), reference.Distribution());
        var reported = test.Options.LogProbs == LogProbKind.Model ? test.LogProbs : reference.Adjusted();
        var lowest = expected.Select((p, token) => (p, token)).Where(pair => pair.p > 0).Min(pair => scores[pair.token]);
        var random = new SampleRandom(3);
        for (var i = 0; i < 20; i++)
        {
            var result = test.Layer.Sample(test.Hidden, test.Options, ref random, test.History);

            // At the filters' edge rounding may prefer a token of nearly the same score.
            if (expected[result.Token] == 0) Assert.Equal(lowest, scores[result.Token], 1e-3);
            Assert.Equal(reported[result.Token], result.LogProb, 2e-4);
            Assert.Equal(0, result.UnseenMass);
        }
    });

    [Theory]
    [MemberData(nameof(Settings))]
    public void Sample_HasTheReferencesDistribution(string name, DecodeOptions options)
    {
        Assert.NotEmpty(name);
        var layout = SoftmaxLayout.Create(8, 60, [10, 20, 40], [4, 3, 2]);
        using var layer = new DynamicAdaptiveSoftmax(layout, seed: 5);
        foreach (var parameter in layer.Parameters)
        {
            foreach (ref var value in parameter.WritableValues) value *= 3;
        }

        float[] hidden = [0.9f, -0.4f, 1.2f, 0.3f, -1.1f, 0.7f, -0.2f, 0.5f];
        var bias = new Dictionary<int, float> { [3] = 1.5f, [25] = 2, [50] = -3, [41] = 4 };
        var allowed = Enumerable.Range(0, 60).Where(token => token % 5 != 0).ToHashSet();
        var history = layer.CreateHistory();
        history.Add([1, 1, 12, 27, 27, 27, 55]);
        var isAdjusted = options.PresencePenalty != 0;
        if (isAdjusted) options = options with { Bias = layer.CreateBias(bias), Mask = layer.CreateAllowMask(allowed) };
        var reference = new ReferenceDecoder(new ReferenceSoftmax(layer).LogProb([.. hidden.Select(value => (double)value)]), options)
        {
            History = new() { [1] = 2, [12] = 1, [27] = 3, [55] = 1 },
            Bias = isAdjusted ? bias : [],
            Allowed = isAdjusted ? allowed : null,
        };

        using var session = layer.CreateSession();
        var random = new SampleRandom(11);
        var counts = new int[60];
        for (var i = 0; i < Draws; i++) counts[session.Sample(hidden, options, ref random, history).Token]++;
        Assert.InRange(ChiSquare.Score(counts, reference.Distribution()), -6, 6);

        // The same through the batch, whose rows have streams of their own.
        const int Rows = 50;
        var many = Enumerable.Repeat(hidden, Rows).SelectMany(vector => vector).ToArray();
        var results = new DecodedToken[Rows];
        counts.AsSpan().Clear();
        for (var i = 0; i < Draws / Rows; i++)
        {
            var sequences = Enumerable.Range(0, Rows).Select(row => NewSequence((ulong)((i * Rows) + row))).ToArray();
            session.Sample(many, sequences, results);
            foreach (var result in results) counts[result.Token]++;
        }

        Assert.InRange(ChiSquare.Score(counts, reference.Distribution()), -6, 6);

        DecodeSequence NewSequence(ulong seed)
        {
            var sequence = new DecodeSequence(layer, options, seed);
            sequence.History.Add([1, 1, 12, 27, 27, 27, 55]);
            return sequence;
        }
    }

    /// <summary>Random numbers are counted by position and purpose: what else is computed or reported moves none.</summary>
    [Fact]
    public void NothingButSeedAndOptionsOfChoice_MovesADraw() => DecodeCase.ForEach(300, test =>
    {
        using var session = test.Layer.CreateSession();
        using var other = test.Layer.CreateSession();
        DecodeOptions[] variants =
        [
            test.Options with { Policy = DecodePolicy.Full },
            test.Options with { TopLogProbs = 5 },
            test.Options with { TopLogProbs = 5, Policy = DecodePolicy.Full },
            test.Options with { LogProbs = 1 - test.Options.LogProbs },
            test.Options with { Policy = DecodePolicy.Budget(test.Layer.Layout.TailCount) },
        ];
        for (var seed = 0ul; seed < 12; seed++)
        {
            var random = new SampleRandom(seed);
            var token = session.Sample(test.Hidden, test.Options, ref random, test.History).Token;
            Assert.Equal(1, random.Position);
            foreach (var options in variants)
            {
                var again = new SampleRandom(seed);
                Assert.Equal(token, other.Sample(test.Hidden, options, ref again, test.History).Token);
                Assert.Equal(random, again);
            }
        }
    });

    [Fact]
    public void AlternativesUnderABudget_CostNoTokenItsTail() => DecodeCase.ForEach(200, test =>
    {
        foreach (var policy in new[] { DecodePolicy.Budget(1), DecodePolicy.HeadOnly })
        {
            var options = test.Options with { Policy = policy };
            if (HasNoToken(options)) continue;
            for (var seed = 0ul; seed < 6; seed++)
            {
                SampleRandom plain = new(seed), more = new(seed);
                Assert.Equal(
                    test.Layer.Sample(test.Hidden, options, ref plain, test.History).Token,
                    test.Layer.Sample(test.Hidden, options with { TopLogProbs = 9, LogProbs = LogProbKind.Adjusted }, ref more, test.History).Token);
            }
        }

        bool HasNoToken(DecodeOptions options)
        {
            try
            {
                var random = new SampleRandom(0);
                test.Layer.Sample(test.Hidden, options with { LogProbs = LogProbKind.Model }, ref random, test.History);
                return false;
            }
            catch (DecodeException)
            {
                return true;
            }
        }
    });

    // Clusters of log-odds 4, 3 and 2 over nine tokens of the shortlist.
    [Fact]
    public void BudgetOfOne_DrawsExactly_AtTemperatureOne()
    {
        using var layer = new DynamicAdaptiveSoftmax(SoftmaxLayout.Create(8, 100, [9, 40, 70], [2, 2, 2], hasHeadBias: true));
        foreach (var parameter in layer.Parameters) parameter.WritableValues.Clear();
        float[] logits = [4, 3, 2];
        logits.CopyTo(layer.Parameters[1].WritableValues[9..]);
        var random = new SampleRandom(2);
        var counts = new int[4];
        for (var i = 0; i < 3000; i++)
        {
            var result = layer.Sample(new float[8], new DecodeOptions { Policy = DecodePolicy.Budget(1) }, ref random);
            counts[result.Cluster]++;
            Assert.Equal(0, result.UnseenMass);
            Assert.InRange(result.TailsVisited, 0, 1);
        }

        var sum = 9 + logits.Sum(MathF.Exp);
        Assert.InRange(ChiSquare.Score(counts, [9 / sum, .. logits.Select(logit => (double)MathF.Exp(logit) / sum)]), -6, 6);
    }

    [Fact]
    public void Uniform_IsForTheCaller_AndCounted()
    {
        var random = new SampleRandom(5, stream: 2);
        Assert.Equal(random.Uniform(), random.Uniform());
        Assert.Equal(random.Next().Uniform(3), new SampleRandom(5, 2, position: 1).Uniform(3));
        Assert.Equal(4000, Enumerable.Range(0, 1000).SelectMany(at => (double[])[random.At(at).Uniform(), random.At(at).Uniform(1), new SampleRandom(6, 2, at).Uniform(), new SampleRandom(5, 3, at).Uniform()]).Distinct().Count());
        Assert.Throws<ArgumentOutOfRangeException>(() => random.At(-1));
    }

    [Fact]
    public void TailTokenAboveTheHeadsBest_LeavesTheNucleusWhole()
    {
        using var layer = new DynamicAdaptiveSoftmax(SoftmaxLayout.Create(8, 50, [10], [4]));
        foreach (var parameter in layer.Parameters) parameter.WritableValues.Clear();
        var biases = Enumerable.Range(0, 10).ToDictionary(token => token, token => -0.3f * token);
        biases[30] = MathF.Log(40) + 1;
        var options = new DecodeOptions { TopP = 0.8f, Bias = layer.CreateBias(biases) };

        using var session = layer.CreateSession();
        var random = new SampleRandom(5);
        var drawn = Enumerable.Range(0, 1000).Select(_ => session.Sample(new float[8], options, ref random).Token).Distinct().Order();

        // Relative to token 30 the head's weigh exp(-1 - 0.3 i) and the tail's others exp(-1) / 40: 0.8 of their sum is 2.17.
        Assert.Equal([0, 1, 2, 3, 4, 5, 30], drawn);
    }

    public static TheoryData<string, DecodeOptions> Settings()
    {
        var adjusted = new DecodeOptions { PresencePenalty = 0.5f, FrequencyPenalty = -0.7f, RepetitionPenalty = 1.3f };
        return new TheoryData<string, DecodeOptions>
        {
            { "plain", new() },
            { "cold", new() { Temperature = 0.5f } },
            { "hot", new() { Temperature = 2.5f } },
            { "top-k", new() { TopK = 12, Temperature = 1.4f } },
            { "cold top-k", new() { TopK = 12, Temperature = 0.6f } },
            { "hot top-k", new() { TopK = 12, Temperature = 2.2f } },
            { "top-p", new() { TopP = 0.8f } },
            { "hot top-p", new() { TopP = 0.6f, Temperature = 2 } },
            { "cold top-p", new() { TopP = 0.95f, Temperature = 0.6f } },
            { "min-p", new() { MinP = 0.1f, Temperature = 1.7f } },
            { "cold min-p", new() { MinP = 0.02f, Temperature = 0.6f } },
            { "plain min-p", new() { MinP = 0.1f } },
            { "all filters", new() { TopK = 30, TopP = 0.9f, MinP = 0.05f, Temperature = 1.5f } },
            { "cold, all filters", new() { TopK = 30, TopP = 0.95f, MinP = 0.01f, Temperature = 0.6f } },
            { "plain, all filters", new() { TopK = 30, TopP = 0.9f, MinP = 0.05f } },
            { "adjusted", adjusted },
            { "adjusted cold", adjusted with { Temperature = 0.7f } },
            { "adjusted hot", adjusted with { Temperature = 2 } },
            { "adjusted top-p", adjusted with { TopP = 0.7f, Temperature = 1.2f } },
            { "adjusted cold top-p", adjusted with { TopP = 0.9f, Temperature = 0.6f } },
            { "adjusted hot top-p", adjusted with { TopP = 0.7f, Temperature = 2 } },
            { "adjusted, the rest", adjusted with { TopK = 20, MinP = 0.02f } },
            { "adjusted cold, the rest", adjusted with { TopK = 20, MinP = 0.02f, Temperature = 0.6f } },
            { "adjusted hot, the rest", adjusted with { TopK = 20, MinP = 0.02f, Temperature = 2 } },
            { "with alternatives", new() { TopLogProbs = 15, Temperature = 1.5f } },
            { "all tails", new() { Policy = DecodePolicy.Full, Temperature = 1.5f } },
        };
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void SameSeed_GivesTheSameTokens_WithAnyNumberOfThreads(int threads)
    {
        var layout = SoftmaxLayout.Create(32, 3000, [400, 1500], [16, 8]);
        var expected = Decode(layout, threads: 1);
        Assert.Equal(expected, Decode(layout, threads));
    }

    [Fact]
    public void LowTemperature_NeitherOverflowsNorUnderflows() => DecodeCase.ForEach(60, test =>
    {
        foreach (var (temperature, topP) in s_cold)
        {
            var random = new SampleRandom(1);
            var options = test.Options with { Temperature = temperature, TopK = 0, TopP = topP };
            var token = test.Layer.Sample(test.Hidden, options, ref random, test.History).Token;
            var scores = test.Reference().Scores();
            Assert.Equal(scores.Max(), scores[token], 0.02);
        }
    });

    [Fact]
    public void TopLogProbs_AreThoseOfTopK() => DecodeCase.ForEach(60, test =>
    {
        using var session = test.Layer.CreateSession();
        var k = Math.Min(5, test.Reference().Order().Length);
        var (tokens, logProbs, alternatives) = (new int[k], new float[k], new TokenLogProb[k]);
        session.TopK(test.Hidden, tokens, logProbs, test.Options, test.History);
        var random = new SampleRandom(1);
        session.Sample(test.Hidden, test.Options with { TopLogProbs = k }, ref random, test.History);
        Assert.Equal(k, session.CopyTopLogProbs(alternatives));
        Assert.Equal(tokens, alternatives.Select(token => token.Token));
    });

    [Fact]
    public void HeadOnly_DrawsFromTheShortlist_AndTellsTheRest()
    {
        var layout = SoftmaxLayout.Create(2, 12, [4, 8], [1, 1]);
        using var layer = new DynamicAdaptiveSoftmax(layout);
        foreach (var parameter in layer.Parameters) parameter.WritableValues.Clear();
        var random = new SampleRandom(1);
        for (var i = 0; i < 100; i++)
        {
            var result = layer.Sample([1, 1], new DecodeOptions { Policy = DecodePolicy.HeadOnly }, ref random);
            Assert.InRange(result.Token, 0, 3);
            Assert.Equal((0, 0), (result.Cluster, result.TailsVisited));
            Assert.Equal(2.0 / 6, result.UnseenMass, 1e-6);
        }
    }

    private static int[] Decode(SoftmaxLayout layout, int threads)
    {
        using var layer = new DynamicAdaptiveSoftmax(layout, seed: 2, new AdaptiveSoftmaxOptions { Threads = threads });
        var random = new Random(4);
        var sequences = Enumerable.Range(0, 40).Select(row => new DecodeSequence(layer, new DecodeOptions { Temperature = 1.2f, TopP = row % 2 == 0 ? 1 : 0.9f }, (ulong)row)).ToArray();
        var hidden = Enumerable.Range(0, 40 * layout.HiddenSize).Select(_ => (float)random.NextDouble()).ToArray();
        var results = new DecodedToken[40];
        using var session = layer.CreateSession();
        session.Sample(hidden, sequences, results);
        return [.. results.Select(result => result.Token), .. Enumerable.Range(0, 40).Select(row => session.Sample(hidden.AsSpan(row * layout.HiddenSize, layout.HiddenSize), sequences[row]).Token)];
    }
}
