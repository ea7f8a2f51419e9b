using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tests;

public class RetrievedSampleTests
{
    private const int Draws = 20_000;

    private static readonly Dictionary<int, double> s_masses = new() { [2] = 0.3, [12] = 0.5, [27] = 1, [44] = 0.15, [59] = 0.05 };

    [Fact]
    public void Sample_DrawsOnlyWhatTheFiltersLeave_AndReportsItsLogProb() => RetrievedCase.ForEach(400, test =>
    {
        var reference = test.Reference();
        var (mixture, expected) = (reference.Mixture(test.Options.Temperature), reference.Distribution());
        var reported = test.Options.LogProbs == LogProbKind.Model ? reference.Model() : [.. reference.Mixture().Select(value => Math.Log(value))];
        var lowest = mixture.Where((_, token) => expected[token] > 0).Min();
        var random = new SampleRandom(3);
        using var session = test.Layer.CreateSession();
        for (var i = 0; i < 20; i++)
        {
            var result = session.Sample(test.Hidden, test.Retrieved, test.Weight, test.Options, ref random, test.History);

            // At the filters' edge rounding may prefer a token of nearly the same probability.
            if (expected[result.Token] == 0) Assert.InRange(Math.Log(mixture[result.Token]), Math.Log(lowest) - Edge(test.Options), Math.Log(lowest) + Edge(test.Options));
            Assert.Equal(reported[result.Token], result.LogProb, 4e-4);
            Assert.Equal(0, result.UnseenMass);
        }
    });

    [Theory]
    [MemberData(nameof(Settings))]
    public void Sample_HasTheReferencesDistribution(string name, bool isFull, bool isAdjusted, DecodeOptions options)
    {
        Assert.NotEmpty(name);
        using var layer = CreateLayer(isFull, out var hidden);
        var bias = new Dictionary<int, float> { [3] = 1.5f, [25] = 2, [50] = -3, [41] = 4, [27] = -0.5f };
        var allowed = Enumerable.Range(0, 60).Where(token => token % 5 != 4).ToHashSet();
        var history = layer.CreateHistory();
        if (isAdjusted)
        {
            history.Add([1, 1, 12, 27, 27, 27, 55]);
            options = options with { Bias = layer.CreateBias(bias), Mask = layer.CreateAllowMask(allowed), PresencePenalty = 0.5f, FrequencyPenalty = -0.4f, RepetitionPenalty = 1.3f };
        }

        var logProbs = new ReferenceSoftmax(layer).LogProb([.. hidden.Select(value => (double)value)]);
        var decoder = new ReferenceDecoder(logProbs, options)
        {
            History = isAdjusted ? new() { [1] = 2, [12] = 1, [27] = 3, [55] = 1 } : [],
            Bias = isAdjusted ? bias : [],
            Allowed = isAdjusted ? allowed : null,
        };
        var retrieved = layer.CreateRetrieved();
        foreach (var (token, mass) in s_masses) retrieved.Add(token, mass);
        foreach (var weight in new[] { 0.3f, 0.85f, 1 })
        {
            var expected = new ReferenceMixture(logProbs, decoder, s_masses, weight, options).Distribution();
            using var session = layer.CreateSession();
            var random = new SampleRandom(11);
            var counts = new int[60];
            for (var i = 0; i < Draws; i++) counts[session.Sample(hidden, retrieved, weight, options, ref random, history).Token]++;
            Assert.InRange(ChiSquare.Score(counts, expected), -6, 6);

            // The same through the batch, whose rows have streams of their own; every other row decodes without.
            const int Rows = 50;
            var many = Enumerable.Repeat(hidden, Rows).SelectMany(vector => vector).ToArray();
            var results = new DecodedToken[Rows];
            counts.AsSpan().Clear();
            var others = new int[60];
            for (var i = 0; i < Draws / Rows; i++)
            {
                var sequences = Enumerable.Range(0, Rows).Select(row => NewSequence((ulong)((i * Rows) + row), row % 2 == 0 ? weight : 0)).ToArray();
                session.Sample(many, sequences, results);
                for (var row = 0; row < Rows; row++) (row % 2 == 0 ? counts : others)[results[row].Token]++;
            }

            Assert.InRange(ChiSquare.Score(counts, expected), -6, 6);
            Assert.InRange(ChiSquare.Score(others, decoder.Distribution()), -6, 6);
        }

        DecodeSequence NewSequence(ulong seed, float weight)
        {
            var sequence = new DecodeSequence(layer, options, seed);
            sequence.History.Add(history.Tokens);
            sequence.Retrieve(retrieved, weight);
            return sequence;
        }
    }

    public static TheoryData<string, bool, bool, DecodeOptions> Settings()
    {
        var data = new TheoryData<string, bool, bool, DecodeOptions>();
        foreach (var temperature in new[] { 0.6f, 1, 2.2f })
        {
            foreach (var isAdjusted in new[] { false, true })
            {
                Add("plain", new());
                Add("top-k", new() { TopK = 12 });
                Add("top-p", new() { TopP = 0.8f });
                Add("min-p", new() { MinP = 0.1f });
                Add("all filters", new() { TopK = 30, TopP = 0.9f, MinP = 0.05f });
                Add("with alternatives", new() { TopLogProbs = 15, LogProbs = LogProbKind.Adjusted });
                Add("all tails", new() { TopP = 0.9f, Policy = DecodePolicy.Full });

                void Add(string name, DecodeOptions options)
                {
                    options = options with { Temperature = temperature };
                    data.Add(FormattableString.Invariant($"{name} at {temperature}"), false, isAdjusted, options);
                    if (options.LogProbs != LogProbKind.Model) return;
                    data.Add(FormattableString.Invariant($"{name} at {temperature}, full"), true, isAdjusted, options);
                    data.Add(FormattableString.Invariant($"{name} at {temperature}, Gumbel"), true, isAdjusted, options with { Sampler = SamplerKind.Gumbel });
                }
            }
        }

        // p is all but one token then, and q what it was.
        foreach (var temperature in new[] { 1e-30f, 1e-6f, 1e6f })
        {
            data.Add("plain", false, false, new DecodeOptions { Temperature = temperature });
            data.Add("top-k", false, true, new DecodeOptions { Temperature = temperature, TopK = 9 });
            data.Add("top-p", false, false, new DecodeOptions { Temperature = temperature, TopP = 0.99f });
        }

        return data;
    }

    /// <summary>Random numbers are counted by position and purpose: what else is computed or reported moves none.</summary>
    [Fact]
    public void NothingButSeedAndOptionsOfChoice_MovesADraw() => RetrievedCase.ForEach(200, test =>
    {
        using var session = test.Layer.CreateSession();
        DecodeOptions[] variants =
        [
            test.Options with { Policy = DecodePolicy.Full },
            test.Options with { TopLogProbs = 5 },
            test.Options with { TopLogProbs = 5, Policy = DecodePolicy.Full },
            test.Options with { LogProbs = 1 - test.Options.LogProbs },
            test.Options with { Policy = DecodePolicy.Budget(test.Layer.Layout.TailCount) },
        ];
        for (var seed = 0ul; seed < 8; seed++)
        {
            var random = new SampleRandom(seed);
            var token = session.Sample(test.Hidden, test.Retrieved, test.Weight, test.Options, ref random, test.History).Token;
            Assert.Equal(1, random.Position);
            foreach (var options in variants)
            {
                var again = new SampleRandom(seed);
                Assert.Equal(token, session.Sample(test.Hidden, test.Retrieved, test.Weight, options, ref again, test.History).Token);
            }
        }
    });

    [Fact]
    public void TopLogProbs_AreThoseOfTopK_AtTemperatureOne() => RetrievedCase.ForEach(100, test =>
    {
        var options = test.Options with { Temperature = 1 };
        using var session = test.Layer.CreateSession();
        var k = Math.Min(5, ReferenceMixture.Order(test.Reference().Mixture()).Length);
        var (tokens, logProbs, alternatives) = (new int[k], new float[k], new TokenLogProb[k]);
        session.TopK(test.Hidden, test.Retrieved, test.Weight, tokens, logProbs, options, test.History);
        var random = new SampleRandom(1);
        session.Sample(test.Hidden, test.Retrieved, test.Weight, options with { TopLogProbs = k }, ref random, test.History);
        Assert.Equal(k, session.CopyTopLogProbs(alternatives));
        Assert.Equal(tokens, alternatives.Select(token => token.Token));
    });

    [Fact]
    public void ADrawAtTemperatureOne_VisitsTheTailOfItsTokenAlone()
    {
        using var layer = CreateLayer(isFull: false, out var hidden);
        var retrieved = layer.CreateRetrieved();
        foreach (var (token, mass) in s_masses) retrieved.Add(token, mass);
        using var session = layer.CreateSession();
        var random = new SampleRandom(5);
        for (var i = 0; i < 2000; i++)
        {
            var result = session.Sample(hidden, retrieved, 0.4f, DecodeOptions.Default, ref random);
            Assert.Equal(result.Cluster > 0 ? 1 : 0, result.TailsVisited);
        }
    }

    [Fact]
    public void TailsThatAPolicyLeavesOut_KeepTheirRetrievedTokens()
    {
        using var layer = new DynamicAdaptiveSoftmax(SoftmaxLayout.Create(2, 12, [2, 8], [1, 1]));
        foreach (var parameter in layer.Parameters) parameter.WritableValues.Clear();
        using var session = layer.CreateSession();
        var retrieved = layer.CreateRetrieved();
        retrieved.Add([5, 11], [6, 1]);
        var (tokens, logProbs) = (new int[5], new float[5]);
        var result = session.TopK([1, 1], retrieved, 0.5f, tokens, logProbs, new DecodeOptions { Policy = DecodePolicy.HeadOnly });
        Assert.Equal((4, 0), (result.Count, result.TailsVisited));
        Assert.Equal([5, 0, 1, 11, -1], tokens);
        Assert.Equal(Math.Log(0.5 * 6 / 7), logProbs[0], 1e-6);
        Assert.Equal(0.5, result.UnseenMass, 1e-6);
        foreach (var options in new DecodeOptions[] { new(), new() { TopP = 0.99f }, new() { TopK = 4, Temperature = 0.5f } })
        {
            var random = new SampleRandom(1);
            for (var i = 0; i < 300; i++)
            {
                var token = session.Sample([1, 1], retrieved, 0.5f, options with { Policy = DecodePolicy.HeadOnly }, ref random);
                Assert.True(token.Token is 0 or 1 or 5 or 11);
                Assert.Equal(0, token.TailsVisited);
            }
        }
    }

    [Fact]
    public void RetrievedTokensOfATailLeftOut_CountInTheMassThatANucleusIsAPartOf()
    {
        // 0.125 and 0.125 of the head, 0.5 retrieved: 0.8 of that are two tokens.
        using var layer = new DynamicAdaptiveSoftmax(SoftmaxLayout.Create(2, 12, [2, 8], [1, 1]));
        foreach (var parameter in layer.Parameters) parameter.WritableValues.Clear();
        using var session = layer.CreateSession();
        var retrieved = layer.CreateRetrieved();
        retrieved.Add(5, 1);
        var random = new SampleRandom(1);
        var drawn = new SortedSet<int>();
        for (var i = 0; i < 100; i++) drawn.Add(session.Sample([1, 1], retrieved, 0.5f, new DecodeOptions { TopP = 0.8f, Policy = DecodePolicy.HeadOnly }, ref random).Token);
        Assert.Equal([0, 5], drawn);
    }

    [Fact]
    public void WhereSumsEndBelowOne_ADrawIsStillOfATokenThatMayBeChosen()
    {
        using var layer = new DynamicAdaptiveSoftmax(SoftmaxLayout.CreateFull(2, 12));
        var options = new DecodeOptions { Mask = layer.CreateAllowMask(Enumerable.Range(0, 11)) };
        var random = new Random(1);
        for (var i = 0; i < 200; i++)
        {
            var retrieved = layer.CreateRetrieved();
            for (var token = 0; token < 12; token++) retrieved.Add(token, random.NextDouble());
            var mixture = new RetrievedMixture(layer.Layout);
            mixture.Begin(new Retrieval(retrieved, 0.5f), options, null, layer.Layout);
            Assert.InRange(mixture.Draw(Math.BitDecrement(1.0)), 0, 10);
        }
    }

    [Fact]
    public void WhereAPolicyAndAMaskLeaveTheModelNoToken_RetrievedOnesKeepTheirPart()
    {
        using var layer = new DynamicAdaptiveSoftmax(SoftmaxLayout.Create(2, 12, [2, 8], [1, 1]));
        using var session = layer.CreateSession();
        var retrieved = layer.CreateRetrieved();
        retrieved.Add([5, 11], [6, 2]);
        var options = new DecodeOptions { Policy = DecodePolicy.HeadOnly, Mask = layer.CreateAllowMask([4, 5, 6, 11]) };
        foreach (var kind in Enum.GetValues<LogProbKind>())
        {
            var (tokens, logProbs) = (new int[3], new float[3]);
            Assert.Equal(2, session.TopK([1, 1], retrieved, 0.4f, tokens, logProbs, options with { LogProbs = kind }).Count);
            Assert.Equal([5, 11, -1], tokens);
            Assert.Equal(Math.Log(0.4 * 0.75), logProbs[0], 1e-6);
            Assert.Equal(Math.Log(0.4 * 0.25), logProbs[1], 1e-6);
            var random = new SampleRandom(1);
            var drawn = session.Sample([1, 1], retrieved, 0.4f, options with { LogProbs = kind }, ref random);
            Assert.Equal(Math.Log(0.4 * (drawn.Token == 5 ? 0.75 : 0.25)), drawn.LogProb, 1e-6);
        }
    }

    /// <summary>Far below the best score its last bit is more nats than float64 has, of a sum as of a score.</summary>
    [Fact]
    public void AtTheLowestTemperatures_ANucleusHasATokenWhateverTailComesFirst()
    {
        using var layer = new DynamicAdaptiveSoftmax(SoftmaxLayout.Create(1, 5, [1, 3], [1, 1]));
        using var session = layer.CreateSession();
        var retrieved = layer.CreateRetrieved();
        retrieved.Add(3, 1);
        var options = new DecodeOptions { Temperature = 1e-30f, TopP = 0.8f, Mask = layer.CreateAllowMask([1, 3]) };
        foreach (var parameter in layer.Parameters) parameter.Set([.. parameter.Values.ToArray().Select(_ => 1f)]);
        for (var i = 0; i < 40; i++)
        {
            // The first tail is the more probable one, and its token that is allowed is not.
            layer.Parameters[0].Set([0, 2.1f + (i * 0.0123f), 0]);
            layer.Parameters[2].Set([0, 5.3f + (i * 0.0171f)]);
            var random = new SampleRandom((ulong)i);
            Assert.Equal(3, session.Sample([1], retrieved, 1e-45f, options, ref random).Token);
        }
    }

    [Fact]
    public void AtLowTemperatures_RetrievedTokensOfTailsLeftOut_StayInTheNucleus()
    {
        // The second tail is left out first. The other one is of known mass, being one token, and to it the head is nothing.
        using var layer = new DynamicAdaptiveSoftmax(SoftmaxLayout.Create(1, 6, [1, 2], [1, 1]));
        layer.Parameters[0].Set([-40, -5, 0]);
        using var session = layer.CreateSession();
        var retrieved = layer.CreateRetrieved();
        retrieved.Add(3, 1);
        foreach (var temperature in new[] { 0.5f, 1e-3f, 1e-6f, 1e-30f })
        {
            var random = new SampleRandom(1);
            Assert.Equal(3, session.Sample([1], retrieved, 0.4f, new DecodeOptions { Temperature = temperature, TopP = 0.9f, Policy = DecodePolicy.HeadOnly }, ref random).Token);
        }
    }

    [Fact]
    public void Certified_DrawsAndRanksWhatItsStoredWeightsDo() => RetrievedCase.ForEach(60, test =>
    {
        if (test.Layer.Layout.TailCount > 0) return;
        using var certified = test.Layer.Certify();
        using var session = certified.CreateSession();
        using var plain = test.Layer.CreateSession();
        var k = Math.Min(5, test.Layer.Layout.VocabularySize);
        foreach (var error in new[] { 0, 0.1f, float.PositiveInfinity })
        {
            var options = test.Options with { LogProbError = error, LogProbs = LogProbKind.Model };
            var (tokens, logProbs, others, otherLogProbs) = (new int[k], new float[k], new int[k], new float[k]);
            session.TopK(test.Hidden, test.Retrieved, test.Weight, tokens, logProbs, options, test.History);
            plain.TopK(test.Hidden, test.Retrieved, test.Weight, others, otherLogProbs, options, test.History);
            Assert.Equal(others, tokens);
            Assert.Equal(otherLogProbs, logProbs);
            foreach (var sampler in new[] { SamplerKind.Inversion, SamplerKind.Gumbel })
            {
                SampleRandom random = new(1), other = new(1);
                for (var i = 0; i < 10; i++)
                {
                    var drawn = session.Sample(test.Hidden, test.Retrieved, test.Weight, options with { Sampler = sampler }, ref random, test.History);
                    Assert.Equal(plain.Sample(test.Hidden, test.Retrieved, test.Weight, options with { Sampler = sampler }, ref other, test.History).Token, drawn.Token);
                    if (error < 1) Assert.Equal(test.Reference(options).Model()[drawn.Token], drawn.LogProb, 0.1001);
                }
            }
        }
    });

    private static double Edge(DecodeOptions options) => 1e-3 / Math.Min(1, options.Temperature);

    private static DynamicAdaptiveSoftmax CreateLayer(bool isFull, out float[] hidden)
    {
        hidden = [0.9f, -0.4f, 1.2f, 0.3f, -1.1f, 0.7f, -0.2f, 0.5f];
        var layer = new DynamicAdaptiveSoftmax(isFull ? SoftmaxLayout.CreateFull(8, 60) : SoftmaxLayout.Create(8, 60, [10, 20, 40], [4, 3, 2]), seed: 5);
        foreach (var parameter in layer.Parameters)
        {
            foreach (ref var value in parameter.WritableValues) value *= 3;
        }

        return layer;
    }
}
