using System.Runtime.InteropServices;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tests;

public class LayerContractTests
{
    private static readonly SoftmaxLayout s_layout = SoftmaxLayout.Create(16, 400, [40, 120, 300], 2.0, hasHeadBias: true);

    private static float[] Hidden(int tokens, int seed = 1)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, tokens * s_layout.HiddenSize).Select(_ => (float)((random.NextDouble() * 6) - 3))];
    }

    [Fact]
    public void ATailWithoutTargets_GetsNoGradient_AndItsHeadRowDoes()
    {
        using var layer = new DynamicAdaptiveSoftmax(s_layout);
        layer.Backward(Hidden(3), [1, 50, 39], new float[3 * 16]);
        var byName = layer.Parameters.ToDictionary(parameter => parameter.Name);
        Assert.True(byName["tail.0.0.weight"].HasGradient);
        Assert.True(byName["tail.0.1.weight"].HasGradient);
        Assert.False(byName["tail.1.0.weight"].HasGradient);
        Assert.False(byName["tail.2.1.weight"].HasGradient);
        Assert.Contains(byName["head.weight"].GradientRow(s_layout.ShortlistSize + 1).ToArray(), value => value != 0);
    }

    [Fact]
    public void Gradients_AddUp_OverCalls()
    {
        using var layer = new DynamicAdaptiveSoftmax(s_layout);
        var gradient = new float[5 * 16];
        int[] targets = [1, 50, 150, 350, 39];
        layer.Backward(Hidden(5), targets, gradient);
        var once = layer.Parameters.Select(parameter => parameter.Gradient.ToArray()).ToArray();
        layer.Backward(Hidden(5), targets, gradient);
        for (var i = 0; i < once.Length; i++)
        {
            for (var at = 0; at < once[i].Length; at++) Assert.Equal(2 * once[i][at], layer.Parameters[i].Gradient[at], 1e-6);
        }
    }

    [Fact]
    public void Parameters_CarryPyTorchsNamesAndShapes()
    {
        using var layer = new DynamicAdaptiveSoftmax(s_layout);
        Assert.Equal(
            ["head.weight [43, 16]", "head.bias [43, 1]", "tail.0.0.weight [8, 16]", "tail.0.1.weight [80, 8]", "tail.1.0.weight [4, 16]", "tail.1.1.weight [180, 4]", "tail.2.0.weight [2, 16]", "tail.2.1.weight [100, 2]"],
            layer.Parameters.Select(parameter => $"{parameter.Name} [{parameter.Rows}, {parameter.Columns}]"));
    }

    [Fact]
    public void Initialize_DrawsFromPyTorchsRange_AndRepeatsForTheSameSeed()
    {
        using var layer = new DynamicAdaptiveSoftmax(s_layout, seed: 9);
        using var same = new DynamicAdaptiveSoftmax(s_layout, seed: 9);
        using var other = new DynamicAdaptiveSoftmax(s_layout, seed: 10);
        for (var i = 0; i < layer.Parameters.Count; i++)
        {
            var parameter = layer.Parameters[i];
            var bound = 1 / Math.Sqrt(parameter.IsVector ? 16 : parameter.Columns);
            var values = parameter.Values.ToArray();
            Assert.All(values, value => Assert.InRange(value, -bound, bound));
            // A uniform distribution in ±b has the standard deviation b / √3.
            var deviation = Math.Sqrt(values.Average(value => (double)value * value));
            Assert.InRange(deviation, bound / Math.Sqrt(3) * 0.8, bound / Math.Sqrt(3) * 1.2);
            Assert.Equal(values, same.Parameters[i].Values.ToArray());
            Assert.NotEqual(values, other.Parameters[i].Values.ToArray());
        }

        // SplitMix64 by hand for the first value of the first stream: the same on every machine.
        Assert.Equal(FirstValue(seed: 9, bound: 0.25), layer.Parameters[0].Values[0]);
    }

    [Fact]
    public void AnEmptyBatch_HasLossZeroAndNoGradient()
    {
        using var layer = new DynamicAdaptiveSoftmax(s_layout);
        Assert.Equal(0, layer.Backward([], [], []));
        Assert.Equal(0, layer.Loss(Hidden(2), [-100, -100]));
        layer.Predict([], Span<int>.Empty);
        layer.LogProb([], []);
        Assert.All(layer.Parameters, parameter => Assert.False(parameter.HasGradient));
    }

    [Fact]
    public void Forward_GivesTheLogProbsOfTheTargets_AndZeroForIgnoredOnes()
    {
        using var layer = new DynamicAdaptiveSoftmax(s_layout);
        var all = new float[4 * 400];
        layer.LogProb(Hidden(4), all);
        var logProbs = new float[4];
        var loss = layer.Forward(Hidden(4), [7, -100, 130, 399], logProbs);
        Assert.Equal(all[7], logProbs[0], 1e-4);
        Assert.Equal(0, logProbs[1]);
        Assert.Equal(all[800 + 130], logProbs[2], 1e-4);
        Assert.Equal(all[1200 + 399], logProbs[3], 1e-4);
        Assert.Equal(-(logProbs[0] + logProbs[2] + logProbs[3]) / 3, loss, 1e-4);
    }

    [Fact]
    public void ATargetOutsideTheVocabulary_IsNamedBeforeAnythingChanges()
    {
        using var layer = new DynamicAdaptiveSoftmax(s_layout);
        var gradient = new float[2 * 16];
        gradient.AsSpan().Fill(7);
        var failure = Assert.Throws<ArgumentException>(() => layer.Backward(Hidden(2), [3, 400], gradient));
        Assert.Contains("Target 1 is 400", failure.Message, StringComparison.Ordinal);
        Assert.All(gradient, value => Assert.Equal(7, value));
        Assert.All(layer.Parameters, parameter => Assert.False(parameter.HasGradient));
    }

    [Fact]
    public void WrongSizes_AreRefused()
    {
        using var layer = new DynamicAdaptiveSoftmax(s_layout);
        Assert.Throws<ArgumentException>(() => layer.Loss(new float[17], [1]));
        Assert.Throws<ArgumentException>(() => layer.Loss(new float[16], [1, 2]));
        Assert.Throws<ArgumentException>(() => layer.Backward(new float[16], [1], new float[15]));
        Assert.Throws<ArgumentException>(() => layer.Forward(new float[16], [1], []));
        Assert.Throws<ArgumentException>(() => layer.LogProb(new float[16], new float[399]));
        Assert.Throws<ArgumentException>(() => layer.Predict(new float[32]));
        Assert.Throws<ArgumentException>(() => layer.Predict(new float[32], new int[1]));
        Assert.Throws<ArgumentException>(() => layer.Loss(new float[16], [1], new LossOptions { LabelSmoothing = 1.5f }));
        Assert.Throws<ArgumentOutOfRangeException>(() => new DynamicAdaptiveSoftmax(s_layout, options: new AdaptiveSoftmaxOptions { Threads = 0 }));
    }

    [Fact]
    public void ResultsOverTheHiddenVectors_AreRefused()
    {
        using var layer = new DynamicAdaptiveSoftmax(s_layout);
        using var session = layer.CreateSession();
        var hidden = Hidden(26);
        var before = hidden.ToArray();
        Assert.Throws<ArgumentException>(() => layer.LogProb(hidden.AsSpan(0, 16), hidden.AsSpan(15, 400)));
        Assert.Throws<ArgumentException>(() => layer.LogProbOf(hidden.AsSpan(0, 32), [1, 2], hidden.AsSpan(31, 2)));
        Assert.Throws<ArgumentException>(() => layer.Forward(hidden.AsSpan(0, 32), [1, 2], hidden.AsSpan(3, 2)));
        Assert.Throws<ArgumentException>(() => layer.Predict(hidden.AsSpan(0, 32), MemoryMarshal.Cast<float, int>(hidden.AsSpan(4, 2))));
        Assert.Throws<ArgumentException>(() => layer.TopK(hidden.AsSpan(0, 16), new int[3], hidden.AsSpan(13, 3)));
        Assert.Throws<ArgumentException>(() => session.TopK(hidden.AsSpan(0, 32), new int[6], hidden.AsSpan(0, 6), new TopKResult[2]));
        Assert.Equal(before, hidden);
        // Memory that touches but does not overlap is fine.
        layer.LogProb(hidden.AsSpan(0, 16), hidden.AsSpan(16, 400));
        hidden = before;
        Assert.Throws<ArgumentException>(() => layer.Backward(hidden, [1, 2], hidden));
        Assert.Throws<ArgumentException>(() => layer.Backward(hidden.AsSpan(0, 16), [1], hidden.AsSpan(8, 16)));
    }

    [Fact]
    public void WorkingMemory_DoesNotGrowWithBatchTimesVocabulary()
    {
        // The scratch memory holds 64 of 4,096 tokens' logits over the head. What a token adds is its place in the lists
        // of the batch, not a row of logits.
        const int Vocabulary = 8_000;
        var layout = SoftmaxLayout.Create(8, Vocabulary, [4_000, 6_000], 2.0, hasHeadBias: false);
        using var layer = new DynamicAdaptiveSoftmax(layout, options: new AdaptiveSoftmaxOptions { ScratchBytes = 4 << 18 });
        Assert.InRange(Train(256), 1 << 20, 2 << 20);
        Assert.InRange(Train(4_096), 1 << 20, (2 << 20) + (4_096 * 32));

        long Train(int tokens)
        {
            var hidden = new float[tokens * 8];
            var targets = Enumerable.Range(0, tokens).Select(token => token * 31 % Vocabulary).ToArray();
            layer.Backward(hidden, targets, new float[hidden.Length], new LossOptions { LabelSmoothing = 0.1f });
            return layer.WorkingMemory;
        }
    }

    [Fact]
    public void ADisposedLayer_SaysSo()
    {
        var layer = new DynamicAdaptiveSoftmax(s_layout);
        layer.Dispose();
        Assert.Throws<ObjectDisposedException>(() => layer.Predict(Hidden(1)));
        Assert.Throws<ObjectDisposedException>(() => layer.Loss(Hidden(1), [1]));
        layer.Dispose();
    }

    [Fact]
    public void Predict_VisitsATail_OnlyToFindTheSameTokenAsAllLogProbs()
    {
        // Weights that put most mass into tails, one after the other, so that every branch of the search is taken.
        using var layer = new DynamicAdaptiveSoftmax(s_layout, seed: 4);
        var bias = layer.Parameters.Single(parameter => parameter.Name == "head.bias");
        var winners = new HashSet<int>();
        for (var round = 0; round < 60; round++)
        {
            bias.WritableValues[40..].Clear();
            if (round % 4 < 3) bias.WritableValues[40 + (round % 4)] = 6;
            if (round % 5 == 0) bias.WritableValues[40 + (round / 5 % 3)] = 5.5f;
            var hidden = Hidden(1, seed: round);
            var logProbs = new float[400];
            layer.LogProb(hidden, logProbs);
            var prediction = layer.Predict(hidden);
            Assert.Equal(logProbs.Max(), logProbs[prediction], 1e-5);
            winners.Add(s_layout.ClusterOf(prediction));
        }

        Assert.Equal([0, 1, 2, 3], winners.Order());
    }

    [Fact]
    public void Predict_AllocatesNothingAfterWarmUp()
    {
        using var layer = new DynamicAdaptiveSoftmax(s_layout);
        var hidden = Hidden(20);
        var tokens = new int[20];
        for (var warmUp = 0; warmUp < 50; warmUp++)
        {
            layer.Predict(hidden, tokens);
            for (var token = 0; token < 20; token++) layer.Predict(hidden.AsSpan(token * 16, 16));
        }

        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var round = 0; round < 50; round++)
        {
            layer.Predict(hidden, tokens);
            for (var token = 0; token < 20; token++) layer.Predict(hidden.AsSpan(token * 16, 16));
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    [Fact]
    public void Predict_FromSeveralThreadsAtOnce_GivesTheSameTokens()
    {
        using var layer = new DynamicAdaptiveSoftmax(s_layout);
        var hidden = Hidden(200);
        var expected = Enumerable.Range(0, 200).Select(token => layer.Predict(hidden.AsSpan(token * 16, 16))).ToArray();
        Parallel.For(0, 8, _ =>
        {
            for (var token = 0; token < 200; token++) Assert.Equal(expected[token], layer.Predict(hidden.AsSpan(token * 16, 16)));
        });
    }

    [Fact]
    public void AFullSoftmax_IsOneHead()
    {
        using var layer = new DynamicAdaptiveSoftmax(SoftmaxLayout.CreateFull(16, 90));
        var reference = new ReferenceSoftmax(layer);
        var hidden = Hidden(1);
        var output = new float[90];
        layer.LogProb(hidden, output);
        var expected = reference.LogProb([.. hidden.Select(value => (double)value)]);
        for (var slot = 0; slot < 90; slot++) Assert.Equal(expected[slot], output[slot], 1e-5);
        Assert.Equal(Array.IndexOf(expected, expected.Max()), layer.Predict(hidden));
    }

    /// <summary>The layer whose calls keep a weight's memory is the one that gives it up, so there is one.</summary>
    [Fact]
    public void AWeightOfAnotherLayer_IsRefused_AndThatLayerGoesOn()
    {
        var layout = SoftmaxLayout.Create(16, 90, [30], [4]);
        var head = new HeadLayer<MatrixShape>(new MatrixShape(31, 16), hasBias: false);
        using var layer = new AnyLayer(layout, head, NewTail());
        Assert.Contains("'head.weight' is a weight of another layer", Assert.Throws<ArgumentException>(() => new AnyLayer(layout, head, NewTail())).Message, StringComparison.Ordinal);
        layer.Initialize(1);
        Assert.InRange(layer.Predict(Hidden(1)), 0, 89);

        static TailLayer NewTail() => new TailLayer<MatrixShape, MatrixShape>(0, new MatrixShape(4, 16), new MatrixShape(60, 4));
    }

    private sealed class AnyLayer(SoftmaxLayout layout, HeadLayer head, TailLayer tail) : AdaptiveSoftmaxLayer(new SoftmaxIdentity(layout, "", ""), head, [tail])
    {
        protected override int FindSlot(int tokenId) => tokenId;

        protected override int GetTokenId(int slot) => slot;
    }

    private static float FirstValue(ulong seed, double bound)
    {
        const ulong Golden = 0x9E3779B97F4A7C15;
        static ulong Mix(ulong z)
        {
            z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
            z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
            return z ^ (z >> 31);
        }

        var start = Mix(Mix(unchecked(seed + Golden)) ^ Golden);
        var unit = (Mix(start) >> 40) / 16777216.0;
        return (float)(((2 * unit) - 1) * bound);
    }
}
