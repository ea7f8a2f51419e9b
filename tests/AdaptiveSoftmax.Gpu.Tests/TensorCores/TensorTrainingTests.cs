using AdaptiveSoftmax.Vocabulary;
using ILGPU.Runtime;

namespace AdaptiveSoftmax.Gpu.Tests.TensorCores;

/// <summary>A training step around the products on tensor cores, against the portable step. On OpenCL, with the products on the host.</summary>
[Collection(Backend.Collection)]
public sealed class TensorTrainingTests
{
    private static Accelerator Accelerator => Backend.OpenCl;

    [Theory]
    [InlineData(50, 0, false)]
    [InlineData(50, long.MaxValue, true)]
    [InlineData(1, 0, true)]
    public void Step_AgreesWithThePortableOne(int tokens, long logitBytes, bool oneCluster)
    {
        var layout = SoftmaxLayout.Create(21, 900, [150, 500], [10, 3], hasHeadBias: true);
        var options = new GpuOptions { LogitBytes = logitBytes, TensorCores = TensorCoreUse.On, TensorProducts = linear => new HostProducts(linear) };
        using var layer = new DynamicGpuSoftmax(Accelerator, layout, seed: 4, options);
        using var portable = new DynamicGpuSoftmax(Accelerator, layout, seed: 4);
        var random = new Random(8);
        var hidden = new float[tokens * 21];
        foreach (ref var value in hidden.AsSpan()) value = (random.NextSingle() * 4) - 2;
        var targets = new int[tokens];
        foreach (ref var target in targets.AsSpan()) target = random.Next(10) == 0 ? -100 : oneCluster ? random.Next(500, 900) : random.Next(900);
        targets[0] = 600;
        float[] expected = new float[hidden.Length], actual = new float[hidden.Length];
        Array.Fill(actual, 9);
        for (var pass = 0; pass < 2; pass++)
        {
            // Twice, so that the second adds to the first.
            var expectedLoss = portable.Backward(hidden, targets, expected);
            Assert.Equal(expectedLoss, layer.Backward(hidden, targets, actual), 5e-3f * expectedLoss);
        }

        AssertNear(expected, actual);
        for (var i = 0; i < layer.Parameters.Count; i++)
        {
            Assert.Equal(portable.Parameters[i].HasGradient(), layer.Parameters[i].HasGradient());
            AssertNear(Gradient(portable.Parameters[i]), Gradient(layer.Parameters[i]));
        }

        Assert.Equal(portable.Loss(hidden, targets), layer.Loss(hidden, targets), 5e-3f * 10);
    }

    [Fact]
    public void WhatTensorCoresCannotDo_IsRefused()
    {
        var layout = SoftmaxLayout.Create(8, 20, [5], [4]);
        var noDevice = Assert.Throws<NotSupportedException>(() => new DynamicGpuSoftmax(Accelerator, layout, 1, new GpuOptions { TensorCores = TensorCoreUse.On }));
        Assert.Contains("no CUDA device of compute capability 8.0", noDevice.Message, StringComparison.Ordinal);
        using var layer = new DynamicGpuSoftmax(Accelerator, layout, 1, new GpuOptions { TensorCores = TensorCoreUse.On, TensorProducts = linear => new HostProducts(linear) });
        var smoothing = Assert.Throws<NotSupportedException>(() => layer.Loss(new float[8], [1], new LossOptions { LabelSmoothing = 0.1f }));
        Assert.Contains("Label smoothing", smoothing.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void WorkingMemoryOfALargeStep_StaysUnder300MB()
    {
        var layout = SoftmaxLayout.Create(1024, 262_144, [8192, 40_960], [256, 64]);
        using var scratch = new TrainingScratch(Accelerator, layout, strips: 128, GpuOptions.Default.LogitBytes);
        scratch.Reserve(8192, withGradient: true, withLogits: false);
        using var layer = new DynamicGpuSoftmax(Accelerator, layout, 1, new GpuOptions { TensorCores = TensorCoreUse.On, TensorProducts = linear => new HostProducts(linear) });
        var before = layer.WorkingBytes;
        layer.ReserveTensors(8192);
        Assert.InRange(scratch.Bytes + layer.WorkingBytes, before, 300_000_000);
    }

    [Fact]
    public void SmallerBatchThatNeedsMoreMemory_EndsRecordings()
    {
        // 1,099 rows: 32 tokens take them in three chunks of 384, 12 tokens in one of 1,152.
        var layout = SoftmaxLayout.Create(8, 1105, [1098], [4]);
        var options = new GpuOptions { LogitBytes = 65_536, TensorCores = TensorCoreUse.On, TensorProducts = linear => new HostProducts(linear) };
        using var layer = new DynamicGpuSoftmax(Accelerator, layout, seed: 1, options);
        layer.Backward(new float[32 * 8], new int[32], new float[32 * 8]);
        var recorded = layer.Generation;
        layer.Backward(new float[32 * 8], new int[32], new float[32 * 8]);
        Assert.Equal(recorded, layer.Generation);
        layer.Backward(new float[12 * 8], new int[12], new float[12 * 8]);
        Assert.NotEqual(recorded, layer.Generation);
    }

    private static float[] Gradient(GpuParameter parameter)
    {
        var values = new float[parameter.Rows * parameter.Columns];
        parameter.CopyGradientTo(values);
        return values;
    }

    // bfloat16 keeps eight bits: a value is off by up to 0.4 % of the terms it is summed of.
    private static void AssertNear(float[] expected, float[] actual)
    {
        var scale = Math.Max(0.02, expected.Max(Math.Abs));
        for (var i = 0; i < expected.Length; i++)
        {
            if (!(Math.Abs(expected[i] - actual[i]) <= 0.02 * scale)) Assert.Fail($"[{i}]: expected {expected[i]}, got {actual[i]}; the largest is {scale}.");
        }
    }
}
