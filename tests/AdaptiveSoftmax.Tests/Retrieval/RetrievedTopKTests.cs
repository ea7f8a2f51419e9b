namespace AdaptiveSoftmax.Tests;

public class RetrievedTopKTests
{
    private const double Tolerance = 3e-4;

    [Fact]
    public void TopK_IsThatOfTheMixture_WhateverPenaltiesBiasesAndMasks() => RetrievedCase.ForEach(400, test =>
    {
        var mixture = test.Reference().Mixture();
        var order = ReferenceMixture.Order(mixture);
        var expected = test.Options.LogProbs == LogProbKind.Model ? test.Reference().Model() : [.. mixture.Select(value => Math.Log(value))];
        var k = Math.Min(1 + (order.Length / 3), 40);
        var (tokens, logProbs) = (new int[k], new float[k]);
        using var session = test.Layer.CreateSession();

        var result = session.TopK(test.Hidden, test.Retrieved, test.Weight, tokens, logProbs, test.Options, test.History);

        Assert.Equal(Math.Min(k, order.Length), result.Count);
        Assert.Equal(0, result.UnseenMass);
        Assert.Equal(tokens.Take(result.Count).Distinct().Count(), result.Count);
        for (var i = 0; i < result.Count; i++)
        {
            // The token of this rank, or one that rounding cannot tell from it.
            Assert.Equal(Math.Log(mixture[order[i]]), Math.Log(mixture[tokens[i]]), Tolerance);
            Assert.Equal(expected[tokens[i]], logProbs[i], Tolerance);
        }
    });

    [Fact]
    public void SkippedTails_CouldNotMatter() => RetrievedCase.ForEach(200, test =>
    {
        int[] tokens = new int[8], all = new int[8];
        float[] logProbs = new float[8], allLogProbs = new float[8];
        using var session = test.Layer.CreateSession();
        var result = session.TopK(test.Hidden, test.Retrieved, test.Weight, tokens, logProbs, test.Options, test.History);
        var full = session.TopK(test.Hidden, test.Retrieved, test.Weight, all, allLogProbs, test.Options with { Policy = DecodePolicy.Full }, test.History);
        Assert.Equal(all, tokens);
        if (test.Options.LogProbs == LogProbKind.Model) Assert.Equal(allLogProbs, logProbs);
        Assert.True(result.TailsVisited <= full.TailsVisited);
    });

    /// <summary>The tails in the order of their bounds (1 − λ) g + λ (the greatest q in them), until the k-th best beats the next.</summary>
    [Fact]
    public void OnlyTailsAreVisited_ThatHoldOneOfTheBest_OrMayDoSo() => RetrievedCase.ForEach(400, test =>
    {
        var layout = test.Layer.Layout;
        var (mixture, total) = (test.Reference(DecodeOptions.Default, test.Weight).Model(), test.Masses.Values.Sum());
        var bounds = layout.Tails.Select(tail =>
        {
            var slots = Enumerable.Range(tail.Start, tail.Size);
            return Math.Log(((1 - test.Weight) * slots.Sum(slot => Math.Exp(test.LogProbs[slot]))) + (test.Weight * slots.Max(slot => test.Masses.GetValueOrDefault(slot) / total)));
        }).ToArray();
        var k = 1 + (layout.VocabularySize / 10);
        List<double> known = [.. mixture.Take(layout.ShortlistSize)];
        var (visited, isClose) = (0, false);
        foreach (var tail in layout.Tails.OrderByDescending(tail => bounds[tail.Index]))
        {
            var bar = known.Count < k ? double.NegativeInfinity : known.OrderDescending().ElementAt(k - 1);
            isClose |= Math.Abs(bar - bounds[tail.Index]) < Tolerance;
            if (bounds[tail.Index] < bar) break;
            visited++;
            known.AddRange(mixture.Skip(tail.Start).Take(tail.Size));
        }

        // Alone, q needs no tail.
        if (test.Weight == 1) (visited, isClose) = (0, false);
        using var session = test.Layer.CreateSession();
        var result = session.TopK(test.Hidden, test.Retrieved, test.Weight, new int[k], new float[k]);
        if (!isClose) Assert.Equal(visited, result.TailsVisited);
    });

    [Fact]
    public void ARetrievedToken_CostsItsTailAlone_AndOnlyWhereItCanWin()
    {
        // A head that is sure of token 2; tails are [4, 10), [10, 12) and [12, 30).
        using var layer = new DynamicAdaptiveSoftmax(AdaptiveSoftmax.Vocabulary.SoftmaxLayout.Create(2, 30, [4, 10, 12], [1, 1, 1]));
        layer.Parameters[0].WritableValues.Clear();
        layer.Parameters[0].WritableRow(2)[0] = 9;
        using var session = layer.CreateSession();
        var retrieved = layer.CreateRetrieved();
        var (tokens, logProbs) = (new int[1], new float[1]);
        retrieved.Add(20, 1);
        Assert.Equal(new TopKResult(1, 1, 0), session.TopK([1, 0], retrieved, 0.6f, tokens, logProbs));
        Assert.Equal(20, tokens[0]);
        Assert.Equal(new TopKResult(1, 0, 0), session.TopK([1, 0], retrieved, 0.4f, tokens, logProbs));
        Assert.Equal(2, tokens[0]);
        Assert.Equal(2, session.Predict([1, 0], retrieved, 0.4f));
        Assert.Equal(20, session.Predict([1, 0], retrieved, 0.6f));
    }

    [Fact]
    public void EqualScores_ResolveToTheLowerSlot()
    {
        using var layer = new DynamicAdaptiveSoftmax(AdaptiveSoftmax.Vocabulary.SoftmaxLayout.Create(2, 12, [4, 8], [1, 1]));
        foreach (var parameter in layer.Parameters) parameter.WritableValues.Clear();
        using var session = layer.CreateSession();
        var retrieved = layer.CreateRetrieved();
        retrieved.Add([11, 9, 5, 3], [1, 1, 1, 1]);
        var (tokens, logProbs) = (new int[12], new float[12]);
        Assert.Equal(12, session.TopK([1, 1], retrieved, 0.5f, tokens, logProbs).Count);

        // 4 tokens and two clusters of 4 tokens: 1/6 and 1/24 each, halved, and 1/8 for each retrieved one.
        Assert.Equal([3, 5, 9, 11, 0, 1, 2, 4, 6, 7, 8, 10], tokens);
        Assert.Equal(Math.Log((1 / 12.0) + (1 / 8.0)), logProbs[0], 1e-6);
    }

    [Fact]
    public void WeightZeroAndAnEmptySet_GiveTheBitsOfPlainDecoding() => RetrievedCase.ForEach(200, test =>
    {
        using var session = test.Layer.CreateSession();
        var k = Math.Min(8, test.Layer.Layout.VocabularySize);
        var (tokens, logProbs) = (new int[k], new float[k]);
        var plain = session.TopK(test.Hidden, tokens, logProbs, test.Options, test.History);
        var empty = test.Layer.CreateRetrieved();
        foreach (var (retrieved, weight) in new[] { (test.Retrieved, 0f), (empty, 0.7f), (empty, 1f) })
        {
            var (others, otherLogProbs) = (new int[k], new float[k]);
            Assert.Equal(plain, session.TopK(test.Hidden, retrieved, weight, others, otherLogProbs, test.Options, test.History));
            Assert.Equal(tokens, others);
            Assert.Equal(logProbs, otherLogProbs);
            for (var seed = 0ul; seed < 8; seed++)
            {
                SampleRandom random = new(seed), other = new(seed);
                Assert.Equal(session.Sample(test.Hidden, test.Options, ref random, test.History), session.Sample(test.Hidden, retrieved, weight, test.Options, ref other, test.History));
                Assert.Equal(random, other);
            }
        }
    });

    [Fact]
    public void WeightOne_GivesTheRetrievedTokens_WithoutATail() => RetrievedCase.ForEach(100, test =>
    {
        using var session = test.Layer.CreateSession();
        var (total, count) = (test.Masses.Values.Sum(), test.Masses.Count);
        var (tokens, logProbs) = (new int[count], new float[count]);
        Assert.Equal(new TopKResult(count, 0, 0), session.TopK(test.Hidden, test.Retrieved, 1, tokens, logProbs));
        Assert.Equal(test.Masses.OrderByDescending(pair => pair.Value).Select(pair => pair.Key), tokens);
        for (var i = 0; i < count; i++) Assert.Equal(Math.Log(test.Masses[tokens[i]] / total), logProbs[i], 1e-5);
    });

    [Fact]
    public void Batch_GivesWhatSingleCallsGive() => RetrievedCase.ForEach(60, test =>
    {
        const int Rows = 7;
        var (k, size) = (Math.Min(5, test.Layer.Layout.VocabularySize), test.Hidden.Length);
        var random = new Random(1);
        var hidden = Enumerable.Range(0, Rows * size).Select(_ => (float)((random.NextDouble() * 4) - 2)).ToArray();
        var retrieved = Enumerable.Range(0, Rows).Select(row => row % 3 == 0 ? null : row % 3 == 1 ? test.Retrieved : test.Layer.CreateRetrieved()).ToArray();
        retrieved[2]!.Add(0, 1);
        var (tokens, logProbs, results) = (new int[Rows * k], new float[Rows * k], new TopKResult[Rows]);
        var options = test.Options with { RepetitionPenalty = 1, FrequencyPenalty = 0, PresencePenalty = 0 };
        using var session = test.Layer.CreateSession();
        session.TopK(hidden, retrieved, test.Weight, tokens, logProbs, results, options);
        for (var row = 0; row < Rows; row++)
        {
            var (oneTokens, oneLogProbs) = (new int[k], new float[k]);
            var one = session.TopK(hidden.AsSpan(row * size, size), retrieved[row] ?? test.Layer.CreateRetrieved(), test.Weight, oneTokens, oneLogProbs, options);
            Assert.Equal(one.Count, results[row].Count);
            for (var i = 0; i < one.Count; i++) Assert.Equal(oneLogProbs[i], logProbs[(row * k) + i], 1e-4f);
        }
    });
}
