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
        // 4,096 rows at a time, as 8,192 tokens leave in 128 MiB: 3 passes of the head, 54 of the larger tail, 3 launches each.
        var layout = SoftmaxLayout.Create(8, 262_144, [8192, 40_960], [8, 4]);
        Assert.Equal(19 + (3 * (3 + 54)), Count(layout, new GpuOptions { LogitBytes = Tokens * 4096 * sizeof(float) }));
    }

    [Fact]
    public void SeveralPasses_OfFourTailsTakeThoseOfTheLargest()
    {
        // 384 rows at a time: three passes of the largest tail.
        var options = new GpuOptions { LogitBytes = Tokens * 384 * sizeof(float) };
        Assert.Equal(
            Count(SoftmaxLayout.Create(24, 1100, [100], [10]), options),
            Count(SoftmaxLayout.Create(24, 2200, [100, 1100, 1700, 2100], [10, 3, 20, 1]), options));
    }

    private static int Count(SoftmaxLayout layout, GpuOptions options)
    {
        using var layer = new DynamicGpuSoftmax(Accelerator, layout, seed: 1, options);
        using var hidden = Accelerator.Allocate1D(Enumerable.Range(0, Tokens * layout.HiddenSize).Select(i => MathF.Sin(i)).ToArray());
        using var targets = Accelerator.Allocate1D(Enumerable.Range(0, Tokens).Select(i => i * 7 % layout.VocabularySize).ToArray());
        using var gradient = Accelerator.Allocate1D<float>(hidden.Length);
        layer.Backward(hidden.View, targets.View, gradient.View);
        using var counter = new LaunchCounter(Accelerator);
        layer.Backward(hidden.View, targets.View, gradient.View);
        Accelerator.DefaultStream.Synchronize();
        return counter.Count;
    }
}
