namespace AdaptiveSoftmax.Tests;

/// <summary>Chi-square of what comes out against the target's distribution by definition.</summary>
public class SpeculativeDistributionTests
{
    private const int Draws = 8000;

    // A draft's vocabulary: draft number to token, in no order.
    private static readonly int[] s_draftTokens = [.. Enumerable.Range(0, 60).Where(token => token % 7 is 0 or 2 or 5).OrderBy(token => token * 37 % 61)];

    public static TheoryData<string, float, string> Settings()
    {
        var data = new TheoryData<string, float, string>();
        foreach (var filter in ChiSquareCase.Filters.Keys)
        {
            foreach (var temperature in new[] { 0.6f, 1, 2.2f })
            {
                foreach (var draft in new[] { "good", "bad", "narrow", "map", "one token" }) data.Add(filter, temperature, draft);
            }
        }

        return data;
    }

    [Theory]
    [MemberData(nameof(Settings))]
    public void TheTargetsDistributionIsUnchanged(string filter, float temperature, string draft)
    {
        using var layer = ChiSquareCase.CreateLayer();
        var options = ChiSquareCase.Filters[filter] with { Temperature = temperature };
        var isAdjusted = options.PresencePenalty != 0;
        var bias = new Dictionary<int, float> { [3] = 1.5f, [25] = 2, [50] = -3, [41] = 4 };
        var allowed = Enumerable.Range(0, 60).Where(token => token % 5 != 0).ToHashSet();
        if (isAdjusted) options = options with { Bias = layer.CreateBias(bias), Mask = layer.CreateAllowMask(allowed) };
        int[] prompt = [1, 1, 12, 27, 27, 27, 55];
        var expected = Reference(ChiSquareCase.Hidden, prompt).Distribution();
        using var speculation = draft == "map" ? new SpeculativeDecoding(layer, s_draftTokens) : new SpeculativeDecoding(layer);
        var logits = draft switch
        {
            "map" => [.. s_draftTokens.Select(token => ChiSquareCase.DraftLogits("good", LogProbs(ChiSquareCase.Hidden))[token])],
            "one token" => [],
            _ => ChiSquareCase.DraftLogits(draft, LogProbs(ChiSquareCase.Hidden)),
        };

        var (counts, next, accepted, likelyNext) = (new int[60], new int[60], 0, Array.IndexOf(expected, expected.Max()));
        var results = new DecodedToken[2];
        for (var i = 0; i < Draws; i++)
        {
            var sequence = new DecodeSequence(layer, options, (ulong)i);
            sequence.History.Add(prompt);
            var drafted = draft == "one token" ? 27 : speculation.Draft.Draw(logits, sequence);
            if (draft == "one token") speculation.Draft.Add(drafted);
            var count = speculation.Verify([.. ChiSquareCase.Hidden, .. ChiSquareCase.NextHidden], sequence, results);
            counts[results[0].Token]++;
            if (count < 2) continue;
            Assert.Equal(drafted, results[0].Token);
            accepted++;
            if (drafted == likelyNext) next[results[1].Token]++;
        }

        Assert.InRange(ChiSquare.Score(counts, expected), -6, 6);

        // The token behind an accepted one is the target's too, with the accepted one in the history.
        if (next.Sum() > 500) Assert.InRange(ChiSquare.Score(next, Reference(ChiSquareCase.NextHidden, [.. prompt, likelyNext]).Distribution()), -6, 6);

        // As many are accepted as p and q have in common.
        var shared = DraftProbabilities(draft, temperature, logits).Zip(expected, Math.Min).Sum();
        Assert.Equal(shared, (double)accepted / Draws, 5 * Math.Sqrt((shared * (1 - shared) / Draws) + 1e-6));

        double[] LogProbs(float[] hidden) => new ReferenceSoftmax(layer).LogProb([.. hidden.Select(value => (double)value)]);

        ReferenceDecoder Reference(float[] hidden, int[] history) => new(LogProbs(hidden), options)
        {
            History = history.CountBy(token => token).ToDictionary(),
            Bias = isAdjusted ? bias : [],
            Allowed = isAdjusted ? allowed : null,
        };
    }

    private static double[] DraftProbabilities(string draft, float temperature, float[] logits)
    {
        var probabilities = new double[60];
        if (draft == "one token")
        {
            probabilities[27] = 1;
            return probabilities;
        }

        var weights = logits.Select(logit => Math.Exp((logit - logits.Max()) / temperature)).ToArray();
        for (var i = 0; i < weights.Length; i++) probabilities[draft == "map" ? s_draftTokens[i] : i] = weights[i] / weights.Sum();
        return probabilities;
    }
}
