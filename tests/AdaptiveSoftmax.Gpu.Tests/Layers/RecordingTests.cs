using AdaptiveSoftmax.Vocabulary;
using ILGPU.Runtime;

namespace AdaptiveSoftmax.Gpu.Tests.Layers;

/// <summary>Recorded calls against the calls themselves, on new content of the same memory.</summary>
public abstract class RecordingTests
{
    private static readonly SoftmaxLayout s_layout = SoftmaxLayout.Create(24, 90, [20, 50], [8, 4], hasHeadBias: true);

    private protected abstract Accelerator Accelerator { get; }

    private protected abstract bool HasGraphs { get; }

    [Theory]
    [InlineData(1)]
    [InlineData(13)]
    public void Replay_PredictsForWhatTheMemoryHolds(int tokens)
    {
        using var layer = new DynamicGpuSoftmax(Accelerator, s_layout, seed: 3);
        using var hidden = Accelerator.Allocate1D(Random(1, tokens * 24));
        using var result = Accelerator.Allocate1D<int>(tokens);
        using var recording = layer.RecordPredict(hidden.View, result.View);
        Assert.Equal(HasGraphs, recording.IsGraph);
        Assert.Equal(HasGraphs, recording.WhyPlain is null);
        for (var seed = 2; seed < 5; seed++)
        {
            var vectors = Random(seed, tokens * 24);
            hidden.CopyFromCPU(vectors);
            recording.Replay();
            var expected = new int[tokens];
            layer.Predict(vectors, expected);
            Assert.Equal(expected, result.GetAsArray1D());
        }
    }

    [Fact]
    public void Replay_AddsGradientsUntilAStepConsumesThem()
    {
        using var layer = new DynamicGpuSoftmax(Accelerator, s_layout, seed: 3);
        using var plain = new DynamicGpuSoftmax(Accelerator, s_layout, seed: 3);
        using var optimizer = new GpuOptimizer(new Sgd(0.1));
        using var plainOptimizer = new GpuOptimizer(new Sgd(0.1));
        using var hidden = Accelerator.Allocate1D(Random(1, 40 * 24));
        using var gradient = Accelerator.Allocate1D<float>(40 * 24);
        using var targets = Accelerator.Allocate1D(Targets(1));
        using var recording = layer.RecordBackward(hidden.View, targets.View, gradient.View);
        plain.Backward(hidden.View, targets.View, gradient.View);
        for (var seed = 2; seed < 5; seed++)
        {
            hidden.CopyFromCPU(Random(seed, 40 * 24));
            targets.CopyFromCPU(Targets(seed));
            recording.Replay();
            var loss = recording.Loss.Read();
            optimizer.Step(layer);
            Assert.Equal(plain.Backward(hidden.View, targets.View, gradient.View).Read(), loss);
            plainOptimizer.Step(plain);
            for (var i = 0; i < layer.Parameters.Count; i++) Assert.Equal(Values(plain.Parameters[i]), Values(layer.Parameters[i]));
        }
    }

    [Fact]
    public void Replay_TakesAnyBatch_WhereOtherCallsReadTheirPlanBack()
    {
        // 16 tokens at a time, of which the recorded batch has some in the head's chunks and none in the tails'.
        const int tokens = 70;
        var layout = SoftmaxLayout.Create(24, 900, [100, 200], [8, 4], hasHeadBias: true);
        var options = new GpuOptions { LogitBytes = 0 };
        using var layer = new DynamicGpuSoftmax(Accelerator, layout, seed: 3, options);
        using var plain = new DynamicGpuSoftmax(Accelerator, layout, seed: 3, options);
        using var hidden = Accelerator.Allocate1D(Random(1, tokens * 24));
        using var gradient = Accelerator.Allocate1D<float>(tokens * 24);
        using var targets = Accelerator.Allocate1D(Enumerable.Range(0, tokens).ToArray());
        using var recording = layer.RecordBackward(hidden.View, targets.View, gradient.View);
        Assert.Equal(HasGraphs, recording.IsGraph);
        int[] mixed = [.. Enumerable.Range(0, tokens).Select(i => i % 9 == 8 ? -100 : i * 13 % 900)];
        foreach (var batch in new[] { mixed, [.. Enumerable.Range(0, tokens).Select(i => 899 - i)], [.. Enumerable.Range(0, tokens)] })
        {
            targets.CopyFromCPU(batch);
            foreach (var parameter in layer.Parameters.Concat(plain.Parameters)) parameter.ZeroGradient();
            recording.Replay();
            var replayed = gradient.GetAsArray1D();
            Assert.Equal(plain.Backward(hidden.View, targets.View, gradient.View).Read(), recording.Loss.Read());
            Assert.Equal(gradient.GetAsArray1D(), replayed);
            for (var i = 0; i < layer.Parameters.Count; i++) Assert.Equal(Gradient(plain.Parameters[i]), Gradient(layer.Parameters[i]));
        }
    }

    [Fact]
    public void LargerBatch_EndsAGraphAndNotPlainLaunches()
    {
        using var layer = new DynamicGpuSoftmax(Accelerator, s_layout, seed: 3);
        using var hidden = Accelerator.Allocate1D(Random(1, 5 * 24));
        using var result = Accelerator.Allocate1D<int>(5);
        var recording = layer.RecordPredict(hidden.View, result.View);
        layer.Predict(Random(2, 30 * 24), new int[30]);
        if (HasGraphs) Assert.Throws<InvalidOperationException>(recording.Replay);
        else recording.Replay();
        recording.Dispose();
        Assert.Throws<ObjectDisposedException>(recording.Replay);
    }

    private static float[] Random(int seed, int count)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(_ => (random.NextSingle() * 8) - 4)];
    }

    private static int[] Targets(int seed)
    {
        var random = new Random(seed + 50);
        return [.. Enumerable.Range(0, 40).Select(_ => random.Next(90))];
    }

    private static float[] Gradient(GpuParameter parameter)
    {
        var values = new float[parameter.Rows * parameter.Columns];
        parameter.CopyGradientTo(values);
        return values;
    }

    private static float[] Values(GpuParameter parameter)
    {
        var values = new float[parameter.Rows * parameter.Columns];
        parameter.CopyTo(values);
        return values;
    }
}

[Collection(Backend.Collection)]
public sealed class OpenClRecordingTests : RecordingTests
{
    private protected override Accelerator Accelerator => Backend.OpenCl;

    private protected override bool HasGraphs => false;
}

[Collection(Backend.Collection)]
public sealed class CudaRecordingTests : RecordingTests
{
    private protected override Accelerator Accelerator => Backend.Cuda;

    private protected override bool HasGraphs => true;
}
