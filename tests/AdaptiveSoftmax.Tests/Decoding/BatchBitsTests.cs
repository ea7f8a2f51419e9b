using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tests;

/// <summary>What the page on decoding promises of bits: which calls give a row the same ones.</summary>
public sealed class BatchBitsTests
{
    private const int Hidden = 70, Vocabulary = 3_001;

    private static readonly SoftmaxLayout s_layout = SoftmaxLayout.Create(Hidden, Vocabulary, [500, 1_700], [33, 9], hasHeadBias: true);

    private static readonly float[] s_hidden = [.. Enumerable.Range(0, 300 * Hidden).Select(i => MathF.Sin(i * 1.3f) * 3)];

    [Fact]
    public void UpToSevenRows_AreSingleCalls_AndEightOrMoreAreOneKindOfBatch()
    {
        using var layer = new DynamicAdaptiveSoftmax(s_layout, seed: 2);
        var (single, batch) = (LogProbs(layer, 1), LogProbs(layer, 8));
        foreach (var rows in (ReadOnlySpan<int>)[2, 7]) Assert.Equal(single, LogProbs(layer, rows)[..Vocabulary]);
        foreach (var rows in (ReadOnlySpan<int>)[9, 31, 64, 300]) Assert.Equal(batch, LogProbs(layer, rows)[..(8 * Vocabulary)]);

        // The two kinds differ, or the page says too little.
        Assert.NotEqual(single, batch[..Vocabulary]);
    }

    [Fact]
    public void GivenTokensAndSessions_HaveOneKindOfBatch_FromOneRowOn()
    {
        using var layer = new DynamicAdaptiveSoftmax(s_layout, seed: 2);
        var expected = Scores(layer, 1)[0];
        foreach (var rows in (ReadOnlySpan<int>)[2, 7, 8, 64, 300]) Assert.Equal(expected, Scores(layer, rows)[0]);
        Assert.Equal(LogProbs(layer, 8)[2_000], expected);
        var best = Best(layer, 1);
        foreach (var rows in (ReadOnlySpan<int>)[2, 7, 8, 64, 300]) Assert.Equal(best, Best(layer, rows));
    }

    private static float[] LogProbs(DynamicAdaptiveSoftmax layer, int rows)
    {
        var all = new float[rows * Vocabulary];
        layer.LogProb(s_hidden.AsSpan(0, rows * Hidden), all);
        return all;
    }

    private static float[] Scores(DynamicAdaptiveSoftmax layer, int rows)
    {
        var scores = new float[rows];
        layer.LogProbOf(s_hidden.AsSpan(0, rows * Hidden), [.. Enumerable.Range(0, rows).Select(row => (2_000 + (row * 7)) % Vocabulary)], scores);
        return scores;
    }

    private static float[] Best(DynamicAdaptiveSoftmax layer, int rows)
    {
        using var session = layer.CreateSession();
        var (tokens, logProbs) = (new int[rows * 40], new float[rows * 40]);
        session.TopK(s_hidden.AsSpan(0, rows * Hidden), tokens, logProbs, new TopKResult[rows]);
        return [.. logProbs[..40], .. tokens[..40]];
    }
}
