using AdaptiveSoftmax.GpuBench;
using AdaptiveSoftmax.Vocabulary;
using ILGPU.Runtime;

namespace AdaptiveSoftmax.Gpu.Tests.Layers;

/// <summary>How many kernels a training step launches.</summary>
[Collection(Backend.Collection)]
public sealed class LaunchCountTests
{
    private const int Tokens = 40;

    // Logits, softmax, and the gradients of weight and input. Where the latter may be split, another adds its sums.
    private const int ProductsOfChunk = 4;

    // Slots, order, weights and vectors before, loss and hidden gradient behind; a mark of the head's gradients and of the tails';
    // and three products of projections.
    private const int WithoutChunks = 4 + 2 + 2 + 3;

    private static Accelerator Accelerator => Backend.OpenCl;

    [Fact]
    public void FourTails_TakeTheLaunchesOfOne()
    {
        var one = Count(SoftmaxLayout.Create(24, 300, [100], [10], hasHeadBias: true), GpuOptions.Default);
        var four = Count(SoftmaxLayout.Create(24, 300, [100, 110, 200, 250], [10, 3, 20, 1], hasHeadBias: true), GpuOptions.Default);
        var five = Count(SoftmaxLayout.Create(24, 300, [100, 110, 200, 250, 299], [10, 3, 20, 1, 2], hasHeadBias: true), GpuOptions.Default);
        var none = Count(SoftmaxLayout.CreateFull(24, 300), GpuOptions.Default);
        Assert.Equal(one, four);
        // A fifth takes each of the tails' launches once more. The full softmax has no bias, whose gradient is a launch.
        Assert.Equal(four + (one - none - 1), five);
    }

    [Fact]
    public void RecordedStep_TakesTheChunksOfABatchThatLiesInTheLargestTail()
    {
        // The logits of 16 tokens of the tail, 4,864 each, or of 60 of the head, of 1,280: 3 chunks and 1 for 40 tokens.
        var layout = SoftmaxLayout.Create(24, 6000, [1200], [10]);
        var options = new GpuOptions { LogitBytes = 0 };
        Assert.Equal(WithoutChunks + ((ProductsOfChunk + 1) * (1 + 3)), Count(layout, options, isRecorded: true));
        // Where a step reads the plan back it would take those that have tokens, but for 3 chunks it does not wait.
        Assert.Equal(WithoutChunks + ((ProductsOfChunk + 1) * (1 + 3)), Count(layout, options));
    }

    [Fact]
    public void AStepOf8192Tokens_TakesNoMoreThan40LaunchesAnd300MB()
    {
        // Nothing but the plan is computed: what is launched depends on nothing else.
        var layout = SoftmaxLayout.Create(1024, 262_144, [8192, 40_960], [256, 64]);
        var targets = ZipfTargets.Create(8192, 262_144, (8192, 40_960));
        using var layer = new DynamicGpuSoftmax(Accelerator, layout);
        using var hidden = Accelerator.Allocate1D<float>(8192 * 1024);
        using var targetBuffer = Accelerator.Allocate1D(targets);
        using var gradient = Accelerator.Allocate1D<float>(hidden.Length);
        using var counter = new LaunchCounter(Accelerator, "FindSlots", "GroupByCluster", "WeighTokens");
        layer.Backward(hidden.View, targetBuffer.View, gradient.View);
        // 2 chunks of the head, whose input gradient has tiles enough, and 4 that hold the logits of 10 and 5 % of the tokens in
        // the tails.
        Assert.Equal(WithoutChunks + (ProductsOfChunk * (2 + 4)) + 4, counter.Count);
        Assert.InRange(counter.Count, 1, 40);
        var working = (layer.WorkingBytes, layer.ParameterBytes, layer.Generation);
        Assert.InRange(layer.WorkingBytes, 1, 300_000_000);
        layer.Backward(hidden.View, targetBuffer.View, gradient.View);
        Assert.Equal(working, (layer.WorkingBytes, layer.ParameterBytes, layer.Generation));

        // A recording takes all 64 chunks of a batch that lies as a whole in the larger tail, 128 tokens each, and may split sums.
        var before = counter.Count;
        using var recording = layer.RecordBackward(hidden.View, targetBuffer.View, gradient.View);
        Assert.Equal(WithoutChunks + ((ProductsOfChunk + 1) * (2 + 64)), counter.Count - before);
    }

    [Fact]
    public void TailsWithoutTargets_TakeNoLaunch()
    {
        // 16 tokens at a time, of 80: 5 chunks of the tail, so the plan is read back; and all 80 of the head.
        var layout = SoftmaxLayout.Create(24, 1500, [100], [10]);
        var options = new GpuOptions { LogitBytes = 0 };
        int[] inHead = [.. Enumerable.Range(0, 80)], inTail = [.. Enumerable.Range(0, 80).Select(i => 100 + i)];
        var head = Count(SoftmaxLayout.CreateFull(24, 100), GpuOptions.Default, isRecorded: false, inHead);
        Assert.Equal(head, Count(layout, options, isRecorded: false, inHead));
        Assert.Equal(head + 4 + ((ProductsOfChunk + 1) * 5), Count(layout, options, isRecorded: false, inTail));
        Assert.Equal(head + 4 + ((ProductsOfChunk + 1) * 2), Count(layout, options, isRecorded: false, [.. inHead[..60], .. inTail[..20]]));
    }

    [Fact]
    public void ChunksOfFourTails_AreThoseOfTheLargest()
    {
        // 16 tokens of the largest tail at a time, of 40.
        var options = new GpuOptions { LogitBytes = 0 };
        Assert.Equal(
            Count(SoftmaxLayout.Create(24, 1300, [100], [10]), options, isRecorded: true),
            Count(SoftmaxLayout.Create(24, 2600, [100, 1300, 1900, 2500], [10, 3, 20, 1]), options, isRecorded: true));
    }

    [Fact]
    public void DecodingFromBFloat16_TakesTheLaunchesOfFloat32()
    {
        var layout = SoftmaxLayout.Create(24, 300, [100, 200], [10, 3], hasHeadBias: true);
        using var host = new DynamicAdaptiveSoftmax(layout, seed: 1);
        using var small = host.Quantize(new QuantizationOptions { Head = WeightPrecision.BFloat16, Tails = WeightPrecision.BFloat16 });
        using var narrow = new GpuQuantizedSoftmax(Accelerator, small);
        using var whole = new DynamicGpuSoftmax(Accelerator, layout, seed: 1);
        foreach (var layer in new GpuSoftmaxDecoder[] { narrow, whole })
        {
            // The head, and a projection and an output for each tail; of batches all that decides which tokens a tail can win besides.
            Assert.Equal(1 + (2 * 2), Decode(layer, 1));
            Assert.Equal(3 + (5 * 2) + 1, Decode(layer, 9));
        }
    }

    private static int Decode(GpuSoftmaxDecoder layer, int tokens)
    {
        var hidden = new float[tokens * layer.Layout.HiddenSize];
        layer.Predict(hidden, new int[tokens]);
        using var counter = new LaunchCounter(Accelerator, launched: null);
        layer.Predict(hidden, new int[tokens]);
        return counter.Count;
    }

    private static int Count(SoftmaxLayout layout, GpuOptions options, bool isRecorded = false, int[]? targets = null)
    {
        targets ??= [.. Enumerable.Range(0, Tokens).Select(i => i * 7 % layout.VocabularySize)];
        using var layer = new DynamicGpuSoftmax(Accelerator, layout, seed: 1, options);
        using var hidden = Accelerator.Allocate1D(Enumerable.Range(0, targets.Length * layout.HiddenSize).Select(i => MathF.Sin(i)).ToArray());
        using var targetBuffer = Accelerator.Allocate1D(targets);
        using var gradient = Accelerator.Allocate1D<float>(hidden.Length);
        using var recording = isRecorded ? layer.RecordBackward(hidden.View, targetBuffer.View, gradient.View) : null;
        if (!isRecorded) layer.Backward(hidden.View, targetBuffer.View, gradient.View);
        using var counter = new LaunchCounter(Accelerator);
        if (recording is not null) recording.Replay();
        else layer.Backward(hidden.View, targetBuffer.View, gradient.View);
        Accelerator.DefaultStream.Synchronize();
        return counter.Count;
    }
}
