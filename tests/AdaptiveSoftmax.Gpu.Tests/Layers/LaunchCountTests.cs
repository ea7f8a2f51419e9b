using AdaptiveSoftmax.GpuBench;
using AdaptiveSoftmax.Vocabulary;
using ILGPU.Runtime;

namespace AdaptiveSoftmax.Gpu.Tests.Layers;

/// <summary>How many kernels a training step launches.</summary>
[Collection(Backend.Collection)]
public sealed class LaunchCountTests
{
    private const int Tokens = 40;

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
    public void PassesOfALargeVocabulary_AreThoseOfItsHeadAndItsLargestTail()
    {
        // 4,096 rows at a time, as 8,192 tokens leave in 128 MiB, and 4,224, so that the head's last two need no pass of their
        // own: 2 passes of the head, 53 of the larger tail, 3 launches each.
        var layout = SoftmaxLayout.Create(8, 262_144, [8192, 40_960], [8, 4]);
        Assert.Equal(19 + (3 * (2 + 53)), Count(layout, new GpuOptions { LogitBytes = Tokens * 4096 * sizeof(float) }, isRecorded: true));
    }

    [Fact]
    public void AStepOf8192Tokens_TakesNoMoreThan40Launches()
    {
        // The hidden size changes no launch. 4 passes hold the logits of 10 and 5 % of the tokens in the tails.
        var layout = SoftmaxLayout.Create(8, 262_144, [8192, 40_960], [8, 4]);
        var targets = ZipfTargets.Create(8192, 262_144, (8192, 40_960));
        var count = Count(layout, GpuOptions.Default, isRecorded: false, targets);
        Assert.InRange(count, 1, 40);
        Assert.Equal(19 + (3 * (2 + 4)), count);
    }

    [Fact]
    public void TailsWithoutTargets_TakeNoLaunch()
    {
        // 1 token, and 128 rows at a time: 11 chunks of the tail.
        var layout = SoftmaxLayout.Create(24, 1500, [100], [10]);
        var options = new GpuOptions { LogitBytes = 128 * sizeof(float) };
        var head = Count(SoftmaxLayout.CreateFull(24, 100), options, isRecorded: false, [7]);
        Assert.Equal(head, Count(layout, options, isRecorded: false, [7]));
        Assert.Equal(head + 7 + (3 * 11), Count(layout, options, isRecorded: false, [1234]));
    }

    [Fact]
    public void ABudgetThatMissesTheHeadByMore_IsKept()
    {
        var layout = SoftmaxLayout.Create(8, 262_144, [8192, 40_960], [8, 4]);
        using var kept = new TrainingScratch(Accelerator, layout, strips: 1, Tokens * 3840L * sizeof(float));
        using var stretched = new TrainingScratch(Accelerator, layout, strips: 1, Tokens * 4096L * sizeof(float));
        using var whole = new TrainingScratch(Accelerator, layout, strips: 1, Tokens * 8192L * sizeof(float));
        Assert.Equal(Tokens * 3840, kept.LogitCapacity(Tokens));
        Assert.Equal(Tokens * 4224, stretched.LogitCapacity(Tokens));
        Assert.Equal(Tokens * 8320, whole.LogitCapacity(Tokens));
    }

    [Fact]
    public void SeveralPasses_OfFourTailsTakeThoseOfTheLargest()
    {
        // 384 rows at a time: three passes of the largest tail.
        var options = new GpuOptions { LogitBytes = Tokens * 384 * sizeof(float) };
        Assert.Equal(
            Count(SoftmaxLayout.Create(24, 1100, [100], [10]), options, isRecorded: true),
            Count(SoftmaxLayout.Create(24, 2200, [100, 1100, 1700, 2100], [10, 3, 20, 1]), options, isRecorded: true));
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
