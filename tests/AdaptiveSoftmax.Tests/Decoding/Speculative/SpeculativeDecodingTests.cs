using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tests;

public class SpeculativeDecodingTests
{
    private const int Length = 12;

    /// <summary>Tokens and log-probs of plain decoding, to the bit, whatever was drafted.</summary>
    [Fact]
    public void Greedy_GivesTheTokensOfPlainDecoding() => DecodeCase.ForEach(300, test =>
    {
        var options = test.Options with { Temperature = 0 };
        var model = new PrefixModel(test.Layer.Layout.HiddenSize);
        var plain = model.DecodePlainly(test.Layer, options, seed: 0, Length);
        foreach (var quality in new[] { 0, 0.6, 1 })
        {
            using var speculation = new SpeculativeDecoding(test.Layer);
            Assert.Equal(plain, Decode(test.Layer, speculation, model, options, plain, quality));
        }
    });

    [Theory]
    [InlineData(1, 0)]
    [InlineData(0.7f, 0)]
    [InlineData(1.8f, 9)]
    [InlineData(0, 0)]
    public void GumbelDraws_GiveTheTokensOfPlainDecoding_AlsoFromBounds(float temperature, int topK)
    {
        using var layer = new DynamicAdaptiveSoftmax(SoftmaxLayout.CreateFull(32, 700), seed: 4);
        foreach (var parameter in layer.Parameters)
        {
            foreach (ref var value in parameter.WritableValues) value *= 4;
        }

        using var certified = layer.Certify();
        var options = new DecodeOptions { Temperature = temperature, TopK = topK, Sampler = SamplerKind.Gumbel };
        var model = new PrefixModel(32);
        for (var seed = 0ul; seed < 10; seed++)
        {
            var plain = model.DecodePlainly(layer, options, seed, Length);
            foreach (var quality in new[] { 0, 0.7, 1 })
            {
                using var exact = new SpeculativeDecoding(layer);
                using var screened = new SpeculativeDecoding(certified);
                Assert.Equal(plain, Decode(layer, exact, model, options, plain, quality, seed));
                var unreported = options with { LogProbError = float.PositiveInfinity };
                Assert.Equal(plain.Select(token => token.Token), Decode(certified, screened, model, unreported, plain, quality, seed).Select(token => token.Token));
            }
        }
    }

    /// <summary>A block begins without a history and has one after its first token: what a penalty then needs, bounds of mapped logits do not give.</summary>
    [Fact]
    public void PenalisedDrawsOfScaledLogits_GiveTheTokensOfPlainDecoding()
    {
        using var layer = new DynamicAdaptiveSoftmax(SoftmaxLayout.CreateFull(32, 700, logitScale: 16), seed: 4);
        using var certified = layer.Certify();
        var options = new DecodeOptions { Sampler = SamplerKind.Gumbel, RepetitionPenalty = 1.2f };
        var model = new PrefixModel(32);
        for (var seed = 0ul; seed < 60; seed++)
        {
            var plain = model.DecodePlainly(layer, options, seed, Length);
            using var screened = new SpeculativeDecoding(certified);
            var unreported = options with { LogProbError = float.PositiveInfinity };
            Assert.Equal(plain.Select(token => token.Token), Decode(certified, screened, model, unreported, plain, quality: 1, seed).Select(token => token.Token));
        }

        // Whatever hung on a sum was left to the stored weights.
        Assert.Equal(certified.Statistics.StoredMassPredictions, certified.Statistics.MassPredictions);
        Assert.True(certified.Statistics.Predictions > certified.Statistics.StoredPredictions);
    }

    /// <summary>Nothing is drafted, so nothing differs.</summary>
    [Fact]
    public void EmptyDrafts_AreAPlainDraw() => DecodeCase.ForEach(100, test =>
    {
        var model = new PrefixModel(test.Layer.Layout.HiddenSize);
        var plain = model.DecodePlainly(test.Layer, test.Options, seed: 5, Length);
        using var speculation = new SpeculativeDecoding(test.Layer);
        Assert.Equal(plain, Decode(test.Layer, speculation, model, test.Options, plain, quality: 1, seed: 5, longest: 0));
    });

    /// <summary>All but what rounding makes of equal probabilities.</summary>
    [Fact]
    public void ADraftOfTheTargetsOwnDistribution_IsAccepted()
    {
        var (drafted, accepted) = (0, 0);
        DecodeCase.ForEach(200, test =>
        {
            if (test.Options.Temperature < 0.2f) return;
            var probabilities = test.Reference().Distribution().Select(p => (float)p).ToArray();
            using var speculation = new SpeculativeDecoding(test.Layer);
            var results = new DecodedToken[2];
            for (var seed = 0ul; seed < 20; seed++)
            {
                var token = Enumerable.Range(0, probabilities.Length).OrderByDescending(candidate => probabilities[candidate]).ElementAt((int)seed % 4 % probabilities.Length);
                if (probabilities[token] == 0) continue;
                speculation.Draft.Add(token, probabilities);
                Interlocked.Increment(ref drafted);
                if (speculation.Verify([.. test.Hidden, .. test.Hidden], Sequence(test, seed), results) == 2) Interlocked.Increment(ref accepted);
            }
        });
        Assert.True(drafted > 500 && accepted > 0.995 * drafted, $"{accepted} of {drafted}");
    }

    [Fact]
    public void NothingButSeedAndOptionsOfChoice_MovesAToken() => DecodeCase.ForEach(200, test =>
    {
        using var speculation = new SpeculativeDecoding(test.Layer);
        using var other = new SpeculativeDecoding(test.Layer);
        var random = new Random(3);
        DecodeOptions[] variants =
        [
            test.Options,
            test.Options with { Policy = DecodePolicy.Full },
            test.Options with { TopLogProbs = 5, Policy = DecodePolicy.Full },
            test.Options with { TopLogProbs = 5, LogProbs = 1 - test.Options.LogProbs },
        ];
        for (var seed = 0ul; seed < 6; seed++)
        {
            var logits = Logits(test.LogProbs, random, 3);
            var tokens = Verify(speculation, test.Options, seed, logits);
            foreach (var options in variants) Assert.Equal((tokens, options), (Verify(other, options, seed, logits), options));
        }

        (int, int, int) Verify(SpeculativeDecoding verifier, DecodeOptions options, ulong seed, float[] logits)
        {
            var sequence = Sequence(test, seed, options);
            var results = new DecodedToken[2];
            var drafted = verifier.Draft.Draw(logits, sequence);
            var count = verifier.Verify([.. test.Hidden, .. test.Hidden], sequence, results);
            Assert.Equal(count, (int)sequence.Random.Position);
            return (drafted, results[0].Token, count);
        }
    });

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void SameSeed_GivesTheSameTokens_WithAnyNumberOfThreads(int threads)
    {
        var layout = SoftmaxLayout.Create(32, 3000, [400, 1500], [16, 8]);
        Assert.Equal(Run(1), Run(threads));

        List<DecodedToken> Run(int number)
        {
            using var layer = new DynamicAdaptiveSoftmax(layout, seed: 2, new AdaptiveSoftmaxOptions { Threads = number });
            foreach (var parameter in layer.Parameters)
            {
                foreach (ref var value in parameter.WritableValues) value *= 3;
            }

            using var speculation = new SpeculativeDecoding(layer);
            var options = new DecodeOptions { Temperature = 1.3f };
            var model = new PrefixModel(32);
            return Decode(layer, speculation, model, options, model.DecodePlainly(layer, options, 8, 40), quality: 0.8, seed: 8);
        }
    }

    /// <summary>At temperature 1 every mass is known from the head, so a test needs the drafted token's tail and a draw the tail that it falls on.</summary>
    [Fact]
    public void ATestComputesTheDraftedTokensTail_AndADrawTheOneItFallsOn()
    {
        using var layer = ChiSquareCase.CreateLayer();
        var random = new Random(6);
        using var speculation = new SpeculativeDecoding(layer);
        var (accepted, rejected) = (new int[4], new int[4]);
        var results = new DecodedToken[2];
        for (var i = 0; i < 4000; i++)
        {
            var hidden = ChiSquareCase.RandomHidden(random);
            var isOfTheHead = i % 2 == 0;
            var drafted = random.Next(isOfTheHead ? 10 : 60);
            speculation.Draft.Add(drafted, Enumerable.Range(0, 60).Select(token => token == drafted || (!isOfTheHead && token % 7 == 0) ? 1f : 0).ToArray());
            var before = speculation.Statistics.TailsVisited;
            var count = speculation.Verify([.. hidden, .. hidden], new DecodeSequence(layer, seed: (ulong)i), results);
            var ownTail = layer.Layout.ClusterOf(drafted) > 0 ? 1 : 0;
            if (count == 2)
            {
                Assert.Equal(ownTail, results[0].TailsVisited);
                accepted[results[0].TailsVisited]++;
            }
            else
            {
                // The drafted token's tail, where its gate did not decide, and then those on which draws fall.
                if (isOfTheHead) Assert.Equal(results[0].Cluster > 0 ? 1 : 0, results[0].TailsVisited);
                rejected[results[0].TailsVisited]++;
            }

            Assert.Equal(speculation.Statistics.TailsVisited - before, results[..count].Sum(result => result.TailsVisited));
        }

        Assert.True(accepted[0] > 30 && accepted[1] > 30 && rejected[0] > 30 && rejected[1] > 30, $"{string.Join(' ', accepted)}, {string.Join(' ', rejected)}");
        Assert.Equal(0, accepted[2] + accepted[3]);
    }

    /// <summary>The gate alone rejects a token that it makes improbable.</summary>
    [Fact]
    public void AGateThatIsTooSmall_RejectsWithoutItsTail()
    {
        using var layer = new DynamicAdaptiveSoftmax(SoftmaxLayout.Create(8, 50, [10], [4], hasHeadBias: true));
        foreach (var parameter in layer.Parameters) parameter.WritableValues.Clear();
        layer.Parameters[1].WritableValues[10] = -20;
        using var speculation = new SpeculativeDecoding(layer);
        var results = new DecodedToken[2];
        for (var seed = 0ul; seed < 200; seed++)
        {
            speculation.Draft.Add(30);
            Assert.Equal(1, speculation.Verify(new float[16], new DecodeSequence(layer, seed: seed), results));
            Assert.Equal((0, 0), (results[0].Cluster, results[0].TailsVisited));
        }
    }

    private static List<DecodedToken> Decode(SoftmaxDecoder softmax, SpeculativeDecoding speculation, PrefixModel model, DecodeOptions options, List<DecodedToken> plain, double quality, ulong seed = 0, int longest = 5)
    {
        var random = new Random((int)seed);
        var sequence = new DecodeSequence(softmax, options, seed);
        var decoded = new List<DecodedToken>();
        while (decoded.Count < plain.Count)
        {
            var drafts = Math.Min(random.Next(longest + 1), plain.Count - decoded.Count - 1);
            for (var i = 0; i < drafts; i++)
                speculation.Draft.Add(random.NextDouble() < quality ? plain[decoded.Count + i].Token : random.Next(softmax.Layout.VocabularySize));
            var prefix = decoded.Select(token => token.Token).ToList();
            var hidden = new List<float>(model.Hidden(prefix));
            for (var i = 0; i < drafts; i++)
            {
                prefix.Add(speculation.Draft[i]);
                hidden.AddRange(model.Hidden(prefix));
            }

            var results = new DecodedToken[drafts + 1];
            var count = speculation.Verify([.. hidden], sequence, results);
            if (quality == 1) Assert.Equal(drafts + 1, count);
            Assert.Equal(0, speculation.Draft.Count);
            decoded.AddRange(results[..count]);
            Assert.Equal(decoded.Select(token => token.Token), sequence.History.Tokens.ToArray());
            Assert.Equal(decoded.Count, sequence.Random.Position);
        }

        return decoded;
    }

    private static DecodeSequence Sequence(DecodeCase test, ulong seed, DecodeOptions? options = null)
    {
        var sequence = new DecodeSequence(test.Layer, options ?? test.Options, seed);
        sequence.History.Add(test.History.Tokens);
        return sequence;
    }

    private static float[] Logits(double[] logProbs, Random random, double spread) =>
        [.. logProbs.Select(logProb => (float)(Math.Max(logProb, -60) + (spread * (random.NextDouble() - 0.5))))];
}
