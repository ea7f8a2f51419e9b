namespace AdaptiveSoftmax.Tests;

public class TopKTests
{
    private const double Tolerance = 2e-4;

    [Fact]
    public void TopK_IsThatOfAllLogProbs_WhateverPenaltiesBiasesAndMasks() => DecodeCase.ForEach(300, test =>
    {
        var reference = test.Reference();
        var (scores, order) = (reference.Scores(), reference.Order());
        var expected = test.Options.LogProbs == LogProbKind.Model ? test.LogProbs : reference.Adjusted();
        var k = Math.Min(1 + (order.Length / 3), 40);
        var (tokens, logProbs) = (new int[k], new float[k]);

        var result = test.Layer.TopK(test.Hidden, tokens, logProbs, test.Options, test.History);

        Assert.Equal(Math.Min(k, order.Length), result.Count);
        Assert.Equal(tokens.Take(result.Count).Distinct().Count(), result.Count);
        for (var i = 0; i < result.Count; i++)
        {
            // The token of this rank, or one whose score rounding cannot tell from it.
            Assert.Equal(scores[order[i]], scores[tokens[i]], Tolerance);
            Assert.Equal(expected[tokens[i]], logProbs[i], Tolerance);
        }
    });

    [Fact]
    public void SkippedTails_CouldNotMatter() => DecodeCase.ForEach(200, test =>
    {
        var k = Math.Min(8, test.Reference().Order().Length);
        int[] tokens = new int[k], all = new int[k];
        float[] logProbs = new float[k], allLogProbs = new float[k];
        var result = test.Layer.TopK(test.Hidden, tokens, logProbs, test.Options, test.History);
        var full = test.Layer.TopK(test.Hidden, all, allLogProbs, test.Options with { Policy = DecodePolicy.Full }, test.History);
        Assert.Equal(all, tokens);
        if (test.Options.LogProbs == LogProbKind.Model) Assert.Equal(allLogProbs, logProbs);
        Assert.True(result.TailsVisited <= full.TailsVisited);
        Assert.Equal(0, result.UnseenMass);
    });

    [Fact]
    public void SureHead_NeedsNoTail()
    {
        using var layer = Peaked(token: 2);
        float[] hidden = [1, 0];
        var (tokens, logProbs) = (new int[1], new float[1]);
        Assert.Equal(new TopKResult(1, 0, 0), layer.TopK(hidden, tokens, logProbs));
        Assert.Equal(2, tokens[0]);
        Assert.Equal(new TopKResult(1, 2, 0), layer.TopK(hidden, tokens, logProbs, new DecodeOptions { Policy = DecodePolicy.Full }));
    }

    [Fact]
    public void ClusterWithoutAllowedToken_IsNeverComputed()
    {
        using var layer = Peaked(token: 2);
        var mask = layer.CreateAllowMask([0, 10, 11]);
        var (tokens, logProbs) = (new int[3], new float[3]);
        var result = layer.TopK([1, 0], tokens, logProbs, new DecodeOptions { Mask = mask, Policy = DecodePolicy.Full });
        Assert.Equal(1, result.TailsVisited);
        Assert.Equal([0, 10, 11], tokens.Order());
    }

    [Fact]
    public void EqualScores_ResolveToTheLowerSlot()
    {
        using var layer = new DynamicAdaptiveSoftmax(AdaptiveSoftmax.Vocabulary.SoftmaxLayout.Create(2, 12, [4, 8], [1, 1]));
        foreach (var parameter in layer.Parameters) parameter.WritableValues.Clear();
        var (tokens, logProbs) = (new int[12], new float[12]);
        Assert.Equal(12, layer.TopK([1, 1], tokens, logProbs).Count);
        Assert.Equal(Enumerable.Range(0, 12), tokens);
    }

    [Fact]
    public void HeadOnly_TellsTheMassThatItDidNotSee()
    {
        using var layer = new DynamicAdaptiveSoftmax(AdaptiveSoftmax.Vocabulary.SoftmaxLayout.Create(2, 12, [2, 8], [1, 1]));
        foreach (var parameter in layer.Parameters) parameter.WritableValues.Clear();
        var (tokens, logProbs) = (new int[4], new float[4]);
        var result = layer.TopK([1, 1], tokens, logProbs, new DecodeOptions { Policy = DecodePolicy.HeadOnly });
        Assert.Equal((2, 0), (result.Count, result.TailsVisited));
        Assert.Equal(0.5, result.UnseenMass, 1e-6);
        result = layer.TopK([1, 1], tokens, logProbs, new DecodeOptions { Policy = DecodePolicy.Budget(1) });
        Assert.Equal((4, 1), (result.Count, result.TailsVisited));
        Assert.Equal(0.25, result.UnseenMass, 1e-6);
        Assert.Equal([0, 1, 2, 3], tokens);
    }

    [Fact]
    public void PlacesWithoutAToken_AreMarked_InEveryCall()
    {
        using var layer = new DynamicAdaptiveSoftmax(AdaptiveSoftmax.Vocabulary.SoftmaxLayout.Create(2, 12, [2, 8], [1, 1]));
        using var session = layer.CreateSession(new DecodeCache(4, tokensPerEntry: 20));
        var options = new DecodeOptions { Mask = layer.CreateAllowMask([3, 9]) };
        for (var call = 0; call < 4; call++)
        {
            int[] tokens = [.. Enumerable.Repeat(7, 14)];
            float[] logProbs = new float[14];
            var results = new TopKResult[1];
            var count = call switch
            {
                0 => session.TopK([1, 1], tokens, logProbs, options).Count,
                1 => Batch(),
                _ => session.TopK(5, [1, 1], tokens, logProbs).Count,
            };
            Assert.Equal(call < 2 ? 2 : 12, count);
            Assert.DoesNotContain(7, tokens[count..]);
            for (var i = count; i < 14; i++) Assert.Equal((-1, float.NegativeInfinity), (tokens[i], logProbs[i]));

            int Batch()
            {
                session.TopK([1, 1], tokens, logProbs, results, options);
                return results[0].Count;
            }
        }

        var random = new SampleRandom(1);
        session.Sample([1, 1], options with { TopLogProbs = 4 }, ref random);
        var alternatives = new TokenLogProb[3];
        Assert.Equal(2, session.CopyTopLogProbs(alternatives));
        Assert.Equal(new TokenLogProb(-1, float.NegativeInfinity), alternatives[2]);
    }

    [Fact]
    public void Batch_GivesWhatSingleCallsGive() => DecodeCase.ForEach(60, test =>
    {
        const int Rows = 9, K = 5;
        var k = Math.Min(K, test.Layer.Layout.VocabularySize);
        var random = new Random(1);
        var hidden = Enumerable.Range(0, Rows * test.Hidden.Length).Select(_ => (float)((random.NextDouble() * 4) - 2)).ToArray();
        var (tokens, logProbs, results) = (new int[Rows * k], new float[Rows * k], new TopKResult[Rows]);
        var options = test.Options with { RepetitionPenalty = 1, FrequencyPenalty = 0, PresencePenalty = 0 };
        using var session = test.Layer.CreateSession();
        session.TopK(hidden, tokens, logProbs, results, options);
        for (var row = 0; row < Rows; row++)
        {
            var (oneTokens, oneLogProbs) = (new int[k], new float[k]);
            var one = session.TopK(hidden.AsSpan(row * test.Hidden.Length, test.Hidden.Length), oneTokens, oneLogProbs, options);
            Assert.Equal(one.Count, results[row].Count);
            for (var i = 0; i < one.Count; i++) Assert.Equal(oneLogProbs[i], logProbs[(row * k) + i], 1e-4f);
        }
    });

    [Fact]
    public void LogProbOf_IsThatOfLogProb() => DecodeCase.ForEach(100, test =>
    {
        var logProbs = new float[test.Layer.Layout.VocabularySize];
        test.Layer.LogProb(test.Hidden, logProbs);
        var all = Enumerable.Range(0, logProbs.Length).ToArray();
        foreach (var token in all.Where(token => token % 7 == 0)) Assert.Equal(logProbs[token], test.Layer.LogProbOf(test.Hidden, token));

        var (repeated, scores) = (new float[all.Length * test.Hidden.Length], new float[all.Length]);
        for (var i = 0; i < all.Length; i++) test.Hidden.CopyTo(repeated, i * test.Hidden.Length);
        test.Layer.LogProbOf(repeated, all, scores);
        for (var i = 0; i < all.Length; i++) Assert.Equal(test.LogProbs[i], scores[i], Tolerance);
        Assert.Equal(Math.Exp(-test.LogProbs.Average()), test.Layer.Perplexity(repeated, all), 1e-3 * Math.Exp(-test.LogProbs.Average()));
    });

    // A head that is sure of one token of the shortlist [0, 4); tails are [4, 10) and [10, 12).
    private static DynamicAdaptiveSoftmax Peaked(int token)
    {
        var layer = new DynamicAdaptiveSoftmax(AdaptiveSoftmax.Vocabulary.SoftmaxLayout.Create(2, 12, [4, 10], [1, 1]));
        layer.Parameters[0].WritableValues.Clear();
        layer.Parameters[0].WritableRow(token)[0] = 9;
        return layer;
    }
}
