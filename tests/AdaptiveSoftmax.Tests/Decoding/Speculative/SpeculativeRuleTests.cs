using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tests;

/// <summary>The rule itself, held against p by definition: what p has more of than q is accepted, and what is drawn in place of a rejected token has more of p than of q.</summary>
public class SpeculativeRuleTests
{
    private const int Cases = 400;

    [Fact]
    public void TokensComeFromWhereTheTargetHasMoreThanTheDraft() => DecodeCase.ForEach(Cases, test =>
    {
        var random = new Random(HashCode.Combine(test.Options.Temperature, test.Layer.Layout.VocabularySize));
        var scores = test.Reference().Scores();
        var expected = test.Reference().Distribution();
        var lowest = expected.Select((p, token) => (p, token)).Where(pair => pair.p > 0).Min(pair => scores[pair.token]);
        using var speculation = new SpeculativeDecoding(test.Layer);
        var results = new DecodedToken[2];
        for (var seed = 0ul; seed < 8; seed++)
        {
            // Between the target's own distribution and any other.
            var share = random.NextDouble() * random.Next(3) / 2;
            var other = expected.Select(_ => Math.Pow(random.NextDouble(), 8)).ToArray();
            var draft = expected.Select((p, token) => (float)((share * p) + ((1 - share) * other[token] / other.Sum()))).ToArray();
            var drafted = random.Next(3) == 0 ? Array.IndexOf(expected, expected.Max()) : random.Next(draft.Length);
            if (draft[drafted] == 0) continue;
            var q = draft.Select(value => value / draft.Sum(each => (double)each)).ToArray();
            var sequence = new DecodeSequence(test.Layer, test.Options, seed);
            sequence.History.Add(test.History.Tokens);
            speculation.Draft.Add(drafted, draft);
            var count = speculation.Verify([.. test.Hidden, .. test.Hidden], sequence, results);
            var token = results[0].Token;
            Assert.Equal(count == 2, token == drafted);

            // Rounding shifts probabilities by so much, and at the filters' edge another token of nearly the same score.
            var isEdge = expected[token] == 0 || expected[drafted] == 0;
            var slack = 1e-3 / Math.Min(1, test.Options.Temperature);
            if (isEdge && scores.Count(score => Math.Abs(score - lowest) < 1e-3) > 1) continue;
            Assert.True(expected[token] > 0, $"{token} has no probability.");
            if (count == 2) continue;
            Assert.True(q[drafted] > expected[drafted] * (1 - slack), $"{drafted} was rejected, and has {expected[drafted]} of the target and {q[drafted]} of the draft.");
            Assert.True(q[token] < (expected[token] * (1 + slack)) + 1e-7, $"{token} was drawn, and has {expected[token]} of the target and {q[token]} of the draft.");
        }
    });

    /// <summary>
    /// A tail whose mass is only known to lie between a 25,600th and all of the token that has it: what the draft leaves of the head by
    /// the lesser mass is nothing by the true one.
    /// </summary>
    [Fact]
    public void WhatIsLeftByTheLeastMassOfATail_IsJudgedAgainByItsTrueMass()
    {
        using var layer = new DynamicAdaptiveSoftmax(SoftmaxLayout.Create(1, 404, [4], [1], hasHeadBias: true));
        foreach (var parameter in layer.Parameters) parameter.WritableValues.Clear();
        layer.Parameters[1].WritableValues[4] = MathF.Log(4);
        layer.Parameters[2].WritableValues[0] = 1;
        layer.Parameters[3].WritableRow(1)[0] = 30;

        // Of the head 1/8 each and 1/2 of token 5, squared and divided by their sum: 1/20 and 16/20.
        var options = new DecodeOptions { Temperature = 0.5f };
        float[] q = [0.7f, 0.1f, 0.1f, 0.1f];
        using var speculation = new SpeculativeDecoding(layer);
        var (random, results, counts) = (new Random(5), new DecodedToken[2], new int[404]);
        const int Draws = 20_000;
        for (var seed = 0ul; seed < Draws; seed++)
        {
            var drafted = (int)Math.Max(0, Math.Ceiling((random.NextDouble() - 0.7) * 10));
            speculation.Draft.Add(drafted, [0, 1, 2, 3], q);
            var count = speculation.Verify([1, 1], new DecodeSequence(layer, options, seed), results);
            if (count == 1) Assert.Equal(5, results[0].Token);
            counts[results[0].Token]++;
        }

        double[] expected = [.. Enumerable.Range(0, 404).Select(token => token < 4 ? 0.05 : token == 5 ? 0.8 : 0)];
        Assert.InRange(ChiSquare.Score(counts, expected), -6, 6);
    }

    /// <summary>Each drafted token is drawn with the numbers of the position that it would stand at, so none hangs on another.</summary>
    [Theory]
    [InlineData(SamplerKind.Inversion)]
    [InlineData(SamplerKind.Gumbel)]
    public void DraftedTokens_AreDrawnIndependently_ByTheirPositions(SamplerKind sampler)
    {
        using var layer = new DynamicAdaptiveSoftmax(SoftmaxLayout.CreateFull(1, 6));
        var options = new DecodeOptions { Temperature = 0.8f, Sampler = sampler };
        float[] logits = [0.3f, 1.1f, -0.4f, 0.8f, 0, 0.5f];
        double[] weights = [.. logits.Select(logit => Math.Exp(logit / 0.8))];
        var (draft, alone) = (new SpeculativeDraft(layer), new SpeculativeDraft(layer));
        var pairs = new int[36];
        for (var seed = 0ul; seed < 8000; seed++)
        {
            var sequence = new DecodeSequence(layer, options, seed) { Random = new SampleRandom(seed, position: 7) };
            draft.Clear();
            for (var i = 0; i < 3; i++)
            {
                var token = draft.Draw(logits, sequence);
                alone.Clear();
                Assert.Equal(alone.Draw(logits, new DecodeSequence(layer, options) { Random = new SampleRandom(seed, position: 7 + i) }), token);
            }

            pairs[(6 * draft[0]) + draft[1]]++;
        }

        Assert.InRange(ChiSquare.Score(pairs, [.. Enumerable.Range(0, 36).Select(pair => weights[pair / 6] * weights[pair % 6] / Math.Pow(weights.Sum(), 2))]), -6, 6);
    }
}
