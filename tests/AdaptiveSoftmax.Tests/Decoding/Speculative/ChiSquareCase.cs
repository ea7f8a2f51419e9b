using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tests;

/// <summary>A small softmax with tails that draws fall on, and drafts of it.</summary>
internal static class ChiSquareCase
{
    public static readonly float[] Hidden = [0.9f, -0.4f, 1.2f, 0.3f, -1.1f, 0.7f, -0.2f, 0.5f];

    public static readonly float[] NextHidden = [-0.3f, 0.8f, 0.1f, -1.2f, 0.6f, 0.4f, -0.9f, 1.1f];

    /// <summary>Filters, penalties, biases and masks, at a temperature that is set by the test.</summary>
    public static Dictionary<string, DecodeOptions> Filters { get; } = new()
    {
        ["none"] = new(),
        ["top-k"] = new() { TopK = 12 },
        ["top-p"] = new() { TopP = 0.8f },
        ["min-p"] = new() { MinP = 0.1f },
        ["all"] = new() { TopK = 30, TopP = 0.9f, MinP = 0.05f },
        ["adjusted"] = new() { PresencePenalty = 0.5f, FrequencyPenalty = -0.7f, RepetitionPenalty = 1.3f },
        ["adjusted top-p"] = new() { PresencePenalty = 0.5f, FrequencyPenalty = -0.7f, RepetitionPenalty = 1.3f, TopP = 0.7f },
    };

    public static DynamicAdaptiveSoftmax CreateLayer()
    {
        var layer = new DynamicAdaptiveSoftmax(SoftmaxLayout.Create(8, 60, [10, 20, 40], [4, 3, 2]), seed: 5);
        foreach (var parameter in layer.Parameters)
        {
            foreach (ref var value in parameter.WritableValues) value *= 3;
        }

        return layer;
    }

    public static float[] RandomHidden(Random random) => [.. Enumerable.Range(0, 8).Select(_ => (float)((random.NextDouble() * 3) - 1.5))];

    /// <summary>Logits of a draft, by name.</summary>
    public static float[] DraftLogits(string draft, double[] logProbs) => draft switch
    {
        // Nearly the target.
        "good" => [.. logProbs.Select((logProb, token) => (float)logProb + (0.3f * MathF.Sin(token)))],

        // Hardly related, and sure of itself.
        "bad" => [.. logProbs.Select((_, token) => 3 * MathF.Sin(1.7f * token))],

        // Knows few tokens.
        "narrow" => [.. logProbs.Select((logProb, token) => token % 3 == 0 ? (float)logProb : float.NegativeInfinity)],
        _ => throw new ArgumentException(draft),
    };
}
