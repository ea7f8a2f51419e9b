namespace AdaptiveSoftmax.Tests;

public class SpeculativeInputTests
{
    [Fact]
    public void WrongDrafts_AreRefused_AndLeaveNothing()
    {
        using var layer = ChiSquareCase.CreateLayer();
        using var speculation = new SpeculativeDecoding(layer, [7, 3, 55]);
        var draft = speculation.Draft;
        var sequence = new DecodeSequence(layer);
        AssertRefused("Token 60 is not in the target's vocabulary of 60 tokens", () => draft.Add(60));
        AssertRefused("Token 99 is not in the target's vocabulary", () => draft.Add(3, [3, 99], [1, 1]));
        AssertRefused("2 tokens and 1 probabilities", () => draft.Add(3, [3, 7], [1]));
        AssertRefused("Probability 1 is -1", () => draft.Add(3, [0, -1, 2]));
        AssertRefused("Probability 2 is NaN", () => draft.Add(3, [0, 1, float.NaN]));
        AssertRefused("Token 3 has a probability of 0", () => draft.Add(3, [1, 0, 1]));
        AssertRefused("Token 9 has a probability of 0", () => draft.Add(9, [1, 1, 1]));
        AssertRefused("There are 2 probabilities, and the draft's vocabulary has 3", () => draft.Add(3, [1, 1]));
        AssertRefused("There are 4 logits", () => draft.Draw([1, 2, 3, 4], sequence));
        AssertRefused("Logit 1 is NaN", () => draft.Draw([1, float.NaN, 3], sequence));
        AssertRefused("Every logit is −∞", () => draft.Draw([float.NegativeInfinity, float.NegativeInfinity, float.NegativeInfinity], sequence));
        Assert.Equal(0, draft.Count);
        AssertRefused("Token 7 stands twice in the draft's vocabulary", () => new SpeculativeDecoding(layer, [7, 3, 7]).Dispose());
        AssertRefused("Token 60 is not in", () => new SpeculativeDecoding(layer, [7, 60]).Dispose());

        draft.Add(3);
        var hidden = new float[16];
        AssertRefused("The hidden vectors hold 8 values; 2 rows", () => speculation.Verify(new float[8], sequence, new DecodedToken[2]));
        AssertRefused("There is room for 1 tokens", () => speculation.Verify(hidden, sequence, new DecodedToken[1]));
        AssertRefused("The policy head_only leaves out tails", () => speculation.Verify(hidden, new DecodeSequence(layer, new DecodeOptions { Policy = DecodePolicy.HeadOnly }), new DecodedToken[2]));
        using var other = new DynamicAdaptiveSoftmax(AdaptiveSoftmax.Vocabulary.SoftmaxLayout.Create(8, 50, [10], [4]));
        AssertRefused("The history belongs to another vocabulary", () => speculation.Verify(hidden, new DecodeSequence(other), new DecodedToken[2]));
        Assert.Equal(1, draft.Count);
        Assert.Equal(0, sequence.History.Length);
        Assert.Equal(default, speculation.Statistics);
    }

    [Fact]
    public void VectorsBehindARejectedToken_DoNotMatter_AndOthersLeaveTheSequence()
    {
        using var layer = ChiSquareCase.CreateLayer();
        using var speculation = new SpeculativeDecoding(layer);
        var best = layer.Predict(ChiSquareCase.Hidden);
        float[] nothing = [float.NaN, 0, 0, 0, 0, 0, 0, 0];
        var results = new DecodedToken[3];
        var sequence = new DecodeSequence(layer, DecodeOptions.Greedy);

        speculation.Draft.Add(best == 0 ? 1 : 0);
        speculation.Draft.Add(5);
        Assert.Equal(1, speculation.Verify([.. ChiSquareCase.Hidden, .. nothing, .. nothing], sequence, results));
        Assert.Equal(best, results[0].Token);
        Assert.Equal([best], sequence.History.Tokens.ToArray());

        speculation.Draft.Add(best);
        speculation.Draft.Add(5);
        var exception = Assert.Throws<DecodeException>(() => speculation.Verify([.. ChiSquareCase.Hidden, .. nothing, .. ChiSquareCase.Hidden], sequence, results));
        Assert.Equal([(1, DecodeFaultKind.HiddenNotFinite)], exception.Faults.Select(fault => (fault.Row, fault.Kind)));
        Assert.Equal([best], sequence.History.Tokens.ToArray());
        Assert.Equal(1, sequence.Random.Position);
        Assert.Equal(2, speculation.Draft.Count);
        Assert.Equal(new SpeculativeStatistics(1, 2, 0, 1, speculation.Statistics.TailsVisited), speculation.Statistics);
    }

    [Fact]
    public void NoTokenThatMayBeChosen_IsSaid()
    {
        using var layer = ChiSquareCase.CreateLayer();
        using var speculation = new SpeculativeDecoding(layer);
        var mask = layer.CreateMask();
        mask.SetSlots([0]);
        foreach (var options in ChiSquareCase.Filters.Values)
        {
            speculation.Draft.Clear();
            speculation.Draft.Add(30);
            var exception = Assert.Throws<DecodeException>(() => speculation.Verify(new float[16], new DecodeSequence(layer, options with { Mask = mask }), new DecodedToken[2]));
            Assert.Equal(DecodeFaultKind.NoTokenLeft, Assert.Single(exception.Faults).Kind);
        }
    }

    [Fact]
    public void SparseAndDenseDistributions_AreTheSame()
    {
        using var layer = ChiSquareCase.CreateLayer();
        using var dense = new SpeculativeDecoding(layer);
        using var sparse = new SpeculativeDecoding(layer);
        using var mapped = new SpeculativeDecoding(layer, [33, 4, 12]);
        var probabilities = new float[64];
        (probabilities[4], probabilities[12], probabilities[33]) = (0.25f, 0.5f, 0.25f);
        for (var seed = 0ul; seed < 200; seed++)
        {
            dense.Draft.Add(12, probabilities);
            sparse.Draft.Add(12, [33, 12, 4, 12], [1, 1, 1, 1]);
            mapped.Draft.Add(12, [2, 2, 4]);
            var expected = Verify(dense, seed);
            Assert.Equal(expected, Verify(sparse, seed));
            Assert.Equal(expected, Verify(mapped, seed));
        }

        DecodedToken[] Verify(SpeculativeDecoding speculation, ulong seed)
        {
            var results = new DecodedToken[2];
            return results[..speculation.Verify([.. ChiSquareCase.Hidden, .. ChiSquareCase.NextHidden], new DecodeSequence(layer, seed: seed), results)];
        }
    }

    private static void AssertRefused(string message, Action action) => Assert.Contains(message, Assert.ThrowsAny<ArgumentException>(action).Message, StringComparison.Ordinal);
}
