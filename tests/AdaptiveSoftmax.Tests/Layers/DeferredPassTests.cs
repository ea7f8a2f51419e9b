using System.Runtime.CompilerServices;
using CsCheck;

namespace AdaptiveSoftmax.Tests;

/// <summary>A pass whose backward comes later, against a layer that does both at once: the same bits.</summary>
public unsafe class DeferredPassTests
{
    private const int IgnoreIndex = -100;

    // Logits that are kept for all blocks, for some, and for none; blocks of 32 tokens or one for all.
    [Fact]
    public void ForwardAndBackward_HaveTheBitsOfALayer_WhateverIsKept() => Gen.Select(LayerCase.Any, Gen.OneOf(Gen.Const(0L), Gen.Const(10_000L), Gen.Const(1L << 40)), Gen.Bool, Gen.OneOf(Gen.Const(0f), Gen.Const(0.1f))).Sample(
        (@case, keptBytes, smallBlocks, smoothing) =>
        {
            var scratchBytes = smallBlocks ? 0L : 64 << 20;
            using var layer = @case.CreateLayer(scratchBytes: scratchBytes);
            using var memory = new DeferredMemory(scratchBytes, keptBytes);
            var options = new LossOptions { LabelSmoothing = smoothing, IgnoreIndex = IgnoreIndex };
            var (hidden, targets) = (@case.Hidden(), @case.Targets(IgnoreIndex));
            var (expectedGradient, expectedLogProbs) = (new float[hidden.Length], new float[targets.Length]);
            layer.Forward(hidden, targets, expectedLogProbs, options);
            var expected = layer.Backward(hidden, targets, expectedGradient, options);
            var expectedGradients = TakeGradients(layer);

            using var pass = new DeferredPass(memory, @case.Layout, [.. targets.Select(target => target == IgnoreIndex ? TrainingBatch.Ignored : target)], options);
            var clusters = Clusters(layer);
            var (logProbs, gradient) = (new float[targets.Length], new float[hidden.Length]);
            fixed (float* vectors = hidden, byVectors = gradient)
            {
                Assert.Equal(expected, pass.Forward(WorkerPool.Get(2), clusters[0], clusters[1..], vectors, logProbs, [], keepsLogits: true));
                Assert.Equal(expectedLogProbs, logProbs);
                // The second pass finds the logits used up.
                for (var time = 0; time < 2; time++)
                {
                    pass.Backward(WorkerPool.Get(2), clusters[0], clusters[1..], vectors, byVectors, [], lossScale: 1, []);
                    Assert.Equal(expectedGradient, gradient);
                    Assert.Equal(expectedGradients, TakeGradients(layer));
                }
            }
        },
        iter: 100);

    [Fact]
    public void LogitsThatNobodyComesBackFor_AreFoundByTheGarbageCollector()
    {
        using var layer = new DynamicAdaptiveSoftmax(Vocabulary.SoftmaxLayout.Create(8, 100, [20], 4));
        using var memory = new DeferredMemory(1 << 20, keptBytes: 3 * 21 * sizeof(float));
        for (var i = 0; i < 3; i++) Abandon();
        GC.Collect();
        GC.WaitForPendingFinalizers();
        using var room = memory.Keep(21 * sizeof(float));
        Assert.NotNull(room);

        [MethodImpl(MethodImplOptions.NoInlining)]
        void Abandon()
        {
            var pass = new DeferredPass(memory, layer.Layout, [1], LossOptions.Default);
            var (hidden, logProbs) = (new float[8], new float[1]);
            fixed (float* vectors = hidden) pass.Forward(WorkerPool.Get(1), Clusters(layer)[0], Clusters(layer)[1..], vectors, logProbs, [], keepsLogits: true);
        }
    }

    [Fact]
    public void KeptLogits_AreBounded_AndTheirMemoryIsUsedAgain()
    {
        using var memory = new DeferredMemory(1 << 20, keptBytes: 100);
        var first = memory.Keep(60);
        Assert.NotNull(first);
        Assert.Null(memory.Keep(60));
        first.Dispose();
        Assert.Same(first, memory.Keep(40));
        first.Dispose();
        using var large = memory.Keep(100);
        Assert.NotNull(large);
        Assert.NotSame(first, large);
    }

    private static ITrainingCluster[] Clusters(DynamicAdaptiveSoftmax layer) =>
        [(ITrainingCluster)layer.DecodingHead, .. layer.DecodingTails.Cast<ITrainingCluster>()];

    private static List<float[]> TakeGradients(DynamicAdaptiveSoftmax layer)
    {
        List<float[]> gradients = [.. layer.Parameters.Select(parameter => parameter.HasGradient ? parameter.Gradient.ToArray() : [])];
        foreach (var parameter in layer.Parameters) parameter.ZeroGradient();
        return gradients;
    }
}
