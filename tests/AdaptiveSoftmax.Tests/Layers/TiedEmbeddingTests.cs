using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tests;

/// <summary>Weights that an embedding and the softmax share.</summary>
public class TiedEmbeddingTests
{
    private const int Hidden = 12;

    private static readonly SoftmaxLayout s_layout = SoftmaxLayout.Create(Hidden, 60, [8, 30], 2.0, hasHeadBias: true);

    private static readonly int[] s_tokens = [3, 59, 10, 7, 30, 10, 0, 41], s_targets = [59, 10, 7, -100, 10, 0, 41, 5];

    [Fact]
    public void Embeddings_AreRowsOfTheHeadAndWidenedRowsOfTheTails()
    {
        using var softmax = new DynamicAdaptiveSoftmax(s_layout, seed: 4);
        var output = new float[s_tokens.Length * Hidden];
        new TiedEmbedding(softmax).Forward(s_tokens, output);
        var expected = Embed(new ReferenceSoftmax(softmax).Weights);
        for (var i = 0; i < output.Length; i++) Assert.Equal(expected[i], output[i], 1e-6);
    }

    [Fact]
    public void GradientsOfBothUses_AddUp_ToThoseOfFiniteDifferences()
    {
        foreach (var embeddingFirst in (ReadOnlySpan<bool>)[false, true])
        {
            using var softmax = new DynamicAdaptiveSoftmax(s_layout, seed: 4);
            var embedding = new TiedEmbedding(softmax);
            var (hidden, gradient) = (new float[s_tokens.Length * Hidden], new float[s_tokens.Length * Hidden]);
            embedding.Forward(s_tokens, hidden);
            if (embeddingFirst)
            {
                // Of the vectors alone, then what the loss adds to the weights.
                foreach (var parameter in softmax.Parameters) parameter.RequiresGradient = false;
                softmax.Backward(hidden, s_targets, gradient);
                foreach (var parameter in softmax.Parameters) parameter.RequiresGradient = true;
                embedding.Backward(s_tokens, gradient);
                softmax.Backward(hidden, s_targets);
            }
            else
            {
                softmax.Backward(hidden, s_targets, gradient);
                embedding.Backward(s_tokens, gradient);
            }

            var reference = new ReferenceSoftmax(softmax);
            foreach (var parameter in softmax.Parameters)
            {
                var weights = reference.Weights[parameter.Name];
                for (var at = 0; at < weights.Length; at += 3)
                {
                    var original = weights[at];
                    weights[at] = original + 1e-5;
                    var above = reference.Loss(Embed(reference.Weights), s_targets, LossOptions.Default);
                    weights[at] = original - 1e-5;
                    var slope = (above - reference.Loss(Embed(reference.Weights), s_targets, LossOptions.Default)) / 2e-5;
                    weights[at] = original;
                    Assert.Equal(slope, parameter.Gradient[at], 2e-5 * (1 + Math.Abs(slope)));
                }
            }
        }
    }

    [Fact]
    public void OneStepAndOneCheckpoint_AreThoseOfBoth()
    {
        var path = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());
        using var whole = new DynamicAdaptiveSoftmax(s_layout, seed: 4);
        using var wholeOptimizer = new AdamW(0.01);
        Train(whole, wholeOptimizer, 6);
        using var first = new DynamicAdaptiveSoftmax(s_layout, seed: 4);
        using var firstOptimizer = new AdamW(0.01);
        Train(first, firstOptimizer, 3);
        // A body that names the shared weights as its own too changes nothing.
        new Checkpoint(first, [first.Parameters[0]], firstOptimizer).Save(path);
        using var second = new DynamicAdaptiveSoftmax(s_layout, seed: 99, new AdaptiveSoftmaxOptions { Threads = 1 });
        using var secondOptimizer = new AdamW(0.3);
        new Checkpoint(second, [second.Parameters[0]], secondOptimizer).Restore(path);
        File.Delete(path);
        Train(second, secondOptimizer, 3);
        for (var i = 0; i < whole.Parameters.Count; i++) Assert.Equal(whole.Parameters[i].Values, second.Parameters[i].Values);

        static void Train(DynamicAdaptiveSoftmax softmax, Optimizer optimizer, int steps)
        {
            var embedding = new TiedEmbedding(softmax);
            var (hidden, gradient) = (new float[s_tokens.Length * Hidden], new float[s_tokens.Length * Hidden]);
            Parameter[] parameters = [.. softmax.Parameters, softmax.Parameters[0]];
            for (var step = 0; step < steps; step++)
            {
                embedding.Forward(s_tokens, hidden);
                softmax.Backward(hidden, s_targets, gradient);
                embedding.Backward(s_tokens, gradient);
                GradientClipping.ClipByGlobalNorm(parameters, maxNorm: 1);
                optimizer.Step(parameters);
            }
        }
    }

    [Fact]
    public void FrozenWeights_EmbedAndDoNotLearn()
    {
        using var softmax = new DynamicAdaptiveSoftmax(s_layout, seed: 4);
        foreach (var parameter in softmax.Parameters) parameter.RequiresGradient = parameter.Name == "tail.0.0.weight";
        var gradient = new float[s_tokens.Length * Hidden];
        gradient.AsSpan().Fill(1);
        new TiedEmbedding(softmax).Backward(s_tokens, gradient);
        Assert.All(softmax.Parameters, parameter => Assert.Equal(parameter.RequiresGradient, parameter.HasGradient));
    }

    [Fact]
    public void WhatDoesNotFit_IsRefused()
    {
        var softmax = new DynamicAdaptiveSoftmax(s_layout);
        var embedding = new TiedEmbedding(softmax);
        Assert.Throws<ArgumentException>(() => embedding.Forward([1], new float[Hidden + 1]));
        Assert.Contains("Token 1 is 60", Assert.Throws<ArgumentException>(() => embedding.Forward([1, 60], new float[2 * Hidden])).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => embedding.Backward([1, -1], new float[2 * Hidden]));
        Assert.All(softmax.Parameters, parameter => Assert.False(parameter.HasGradient));
        softmax.Dispose();
        Assert.Throws<ObjectDisposedException>(() => embedding.Forward([1, 40], new float[2 * Hidden]));
        Assert.Throws<ObjectDisposedException>(() => embedding.Backward([1, 40], new float[2 * Hidden]));
    }

    private static double[] Embed(Dictionary<string, double[]> weights)
    {
        var result = new double[s_tokens.Length * Hidden];
        for (var i = 0; i < s_tokens.Length; i++)
        {
            var embedding = result.AsSpan(i * Hidden, Hidden);
            if (s_tokens[i] < s_layout.ShortlistSize)
            {
                weights["head.weight"].AsSpan(s_tokens[i] * Hidden, Hidden).CopyTo(embedding);
                continue;
            }

            var tail = s_layout.Tails.Single(tail => s_tokens[i] >= tail.Start && s_tokens[i] < tail.Start + tail.Size);
            for (var k = 0; k < tail.ProjectionWidth; k++)
            {
                var o = weights[$"tail.{tail.Index}.1.weight"][((s_tokens[i] - tail.Start) * tail.ProjectionWidth) + k];
                for (var j = 0; j < Hidden; j++) embedding[j] += o * weights[$"tail.{tail.Index}.0.weight"][(k * Hidden) + j];
            }
        }

        return result;
    }
}
