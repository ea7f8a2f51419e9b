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
}
