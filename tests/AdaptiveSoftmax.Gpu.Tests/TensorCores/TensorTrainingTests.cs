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
    public void Step_AgreesWithThePortableOne(int tokens, long logitBytes, bool oneCluster) =>
        Check(SoftmaxLayout.Create(21, 900, [150, 500], [10, 3], hasHeadBias: true), tokens, logitBytes, oneCluster);

    [Theory]
    // All 28 tokens in one chunk, and in two, the second of what is left of 26 targets.
    [InlineData(long.MaxValue, 26, 26)]
    [InlineData(0, 16, 10)]
    public void SplitInputGradient_AgreesWithThePortableOne(long logitBytes, int most, int least)
    {
        var products = Check(SoftmaxLayout.Create(21, 4000, [150, 500], [10, 3], hasHeadBias: true), 28, logitBytes, oneCluster: true);
        Assert.Equal((7, (most, least)), (products[^1].MostInputSplits, products[^1].Tokens));
    }

    // 312 tiles of the tail's rows, two a strip.
    [Fact]
    public void StripsOfLogits_AgreeWithThePortableOnes() =>
        Check(SoftmaxLayout.Create(8, 40_000, [100], [4]), 3, long.MaxValue, oneCluster: true);

    // In two sums over the tokens, and five of the bias's; in chunks of 512 tokens as well.
    [Theory]
    [InlineData(long.MaxValue)]
    [InlineData(512 * 128 * 2 / 3 * 4)]
    public void SplitWeightGradient_AgreesWithThePortableOne(long logitBytes)
    {
        var products = Check(SoftmaxLayout.Create(13, 60, [20], [5], hasHeadBias: true), 1100, logitBytes, oneCluster: false);
        Assert.All(products, product => Assert.Equal(2, product.MostWeightSplits));
    }

    [Fact]
    public void SameStepTwice_GivesTheSameBits()
    {
        var layout = SoftmaxLayout.Create(21, 4000, [150, 500], [10, 3], hasHeadBias: true);
        var (hidden, targets) = Batch(layout, 28, oneCluster: true);
        var runs = Enumerable.Range(0, 2).Select(_ =>
        {
            using var layer = Create(layout, 0, []);
            var result = new float[hidden.Length];
            layer.Backward(hidden, targets, result);
            return result.Concat(layer.Parameters.SelectMany(Gradient)).ToArray();
        }).ToArray();
        Assert.Equal(runs[0], runs[1]);
    }

    // A recording holds addresses of what a larger batch reserved.
    [Fact]
    public void SmallerBatch_KeepsTheMemoryOfALargerOne()
    {
        using var layer = Create(SoftmaxLayout.Create(8, 60_000, [100], [4]), GpuOptions.Default.LogitBytes, []);
        layer.ReserveTensors(8000);
        var before = (layer.Generation, layer.WorkingBytes);
        foreach (var tokens in new[] { 7999, 7900, 5000, 1000, 1 })
        {
            layer.ReserveTensors(tokens);
            Assert.Equal(before, (layer.Generation, layer.WorkingBytes));
        }

        // The other way round it must be over.
        layer.ReserveTensors(8001);
        Assert.NotEqual(before.Generation, layer.Generation);
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
        var weights = Assert.Throws<NotSupportedException>(() => layer.Loss(new float[8], [1], weights: [2]));
        Assert.Contains("Weights of tokens", weights.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void ScaledAndPartialGradientsAndLosses_AreThoseOfThePortableStep(bool wantsHidden)
    {
        var layout = SoftmaxLayout.Create(21, 900, [150, 500], [10, 3], hasHeadBias: true);
        using var layer = Create(layout, 0, []);
        using var portable = new DynamicGpuSoftmax(Accelerator, layout, seed: 4);
        var (hidden, targets) = Batch(layout, 50, oneCluster: false);
        var options = new LossOptions { Reduction = Reduction.None, GradientScale = -0.25 };
        foreach (var frozen in new[] { -1, 0, 1, 2, 3, 5 })
        {
            float[] expected = new float[hidden.Length], actual = new float[hidden.Length], expectedLosses = new float[50], losses = new float[50];
            foreach (var one in new GpuAdaptiveSoftmax[] { layer, portable })
            {
                for (var i = 0; i < one.Parameters.Count; i++)
                {
                    one.Parameters[i].RequiresGradient = i != frozen;
                    one.Parameters[i].ZeroGradient();
                }
            }

            var expectedLoss = portable.Backward(hidden, targets, expected, options, losses: expectedLosses);
            if (wantsHidden) Assert.Equal(expectedLoss, layer.Backward(hidden, targets, actual, options, losses: losses), 5e-3f * expectedLoss);
            else Assert.Equal(expectedLoss, layer.Backward(hidden, targets, options, losses: losses), 5e-3f * expectedLoss);
            if (wantsHidden) AssertNear(expected, actual);
            AssertNear(expectedLosses, losses);
            for (var i = 0; i < layer.Parameters.Count; i++)
            {
                Assert.Equal(portable.Parameters[i].HasGradient(), layer.Parameters[i].HasGradient());
                AssertNear(Gradient(portable.Parameters[i]), Gradient(layer.Parameters[i]));
            }
        }
    }

    [Fact]
    public void WorkingMemoryOfALargeStep_StaysUnder300MB()
    {
        var layout = SoftmaxLayout.Create(1024, 262_144, [8192, 40_960], [256, 64]);
        using var scratch = new TrainingScratch(Accelerator, layout, GpuOptions.Default.LogitBytes, withLogits: false);
        scratch.Reserve(8192, withGradient: true, withHiddenGradient: true);
        using var layer = new DynamicGpuSoftmax(Accelerator, layout, 1, new GpuOptions { TensorCores = TensorCoreUse.On, TensorProducts = linear => new HostProducts(linear) });
        var before = layer.WorkingBytes;
        layer.ReserveTensors(8192);
        Assert.InRange(scratch.Bytes + layer.WorkingBytes, before, 300_000_000);
    }

    private static DynamicGpuSoftmax Create(SoftmaxLayout layout, long logitBytes, List<HostProducts> created) =>
        new(Accelerator, layout, seed: 4, new GpuOptions
        {
            LogitBytes = logitBytes,
            TensorCores = TensorCoreUse.On,
            TensorProducts = linear =>
            {
                created.Add(new HostProducts(linear));
                return created[^1];
            },
        });

    private static (float[] Hidden, int[] Targets) Batch(SoftmaxLayout layout, int tokens, bool oneCluster)
    {
        var random = new Random(8);
        var hidden = new float[tokens * layout.HiddenSize];
        foreach (ref var value in hidden.AsSpan()) value = (random.NextSingle() * 4) - 2;
        var first = layout.Tails[^1].Start;
        var targets = new int[tokens];
        foreach (ref var target in targets.AsSpan())
            target = random.Next(10) == 0 ? -100 : oneCluster ? random.Next(first, layout.VocabularySize) : random.Next(layout.VocabularySize);
        targets[0] = first + 1;
        return (hidden, targets);
    }

    private static List<HostProducts> Check(SoftmaxLayout layout, int tokens, long logitBytes, bool oneCluster)
    {
        List<HostProducts> products = [];
        using var layer = Create(layout, logitBytes, products);
        using var portable = new DynamicGpuSoftmax(Accelerator, layout, seed: 4);
        var (hidden, targets) = Batch(layout, tokens, oneCluster);
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
        return products;
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
