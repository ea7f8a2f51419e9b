using AdaptiveSoftmax.Testing;
using AdaptiveSoftmax.Tests;
using AdaptiveSoftmax.Vocabulary;
using CsCheck;
using ILGPU.Runtime;

namespace AdaptiveSoftmax.Gpu.Tests.Layers;

/// <summary>The layer against float64 and against the CPU's layer with the same weights, one body for every backend.</summary>
public abstract class LayerTests
{
    // Of Gradients: loss, losses, hidden gradient.
    private const int TokenResults = 3;

    private protected abstract Accelerator Accelerator { get; }

    /// <summary>How many random layouts a backend can afford.</summary>
    private protected abstract int Cases { get; }

    private protected virtual int SameBitsTokens => 150;

    private protected virtual GpuOptions Options => GpuOptions.Default;

    private protected virtual Gen<LayerCase> Layouts => LayerCase.Any;

    [Fact]
    public void LogProb_AgreesWithFloat64() => Sample(@case =>
    {
        using var host = @case.CreateLayer();
        using var layer = new DynamicGpuSoftmax(Accelerator, @case.Layout, @case.Seed, Options);
        var hidden = @case.Hidden();
        var output = new float[@case.Tokens * @case.Layout.VocabularySize];
        layer.LogProb(hidden, output);
        var reference = new ReferenceSoftmax(host);
        for (var token = 0; token < @case.Tokens; token++)
        {
            var expected = reference.LogProb(Widen(hidden.AsSpan(token * @case.Layout.HiddenSize, @case.Layout.HiddenSize)));
            for (var slot = 0; slot < expected.Length; slot++)
                AssertClose(expected[slot], output[(token * expected.Length) + slot], 2e-4);
        }
    });

    [Fact]
    public void Predict_FindsTheLargestLogProbOfFloat64() => Sample(@case =>
    {
        using var host = @case.CreateLayer();
        using var layer = new DynamicGpuSoftmax(Accelerator, @case.Layout, @case.Seed, Options);
        var hidden = @case.Hidden();
        var tokens = new int[@case.Tokens];
        layer.Predict(hidden, tokens);
        var reference = new ReferenceSoftmax(host);
        for (var token = 0; token < @case.Tokens; token++)
        {
            var expected = reference.LogProb(Widen(hidden.AsSpan(token * @case.Layout.HiddenSize, @case.Layout.HiddenSize)));
            // Two nearly equal tokens may change places; their log-probs may not differ by more than rounding.
            AssertClose(expected.Max(), expected[tokens[token]], 1e-4);
            var alone = layer.Predict(hidden.AsSpan(token * @case.Layout.HiddenSize, @case.Layout.HiddenSize));
            AssertClose(expected.Max(), expected[alone], 1e-4);
        }
    });

    [Fact]
    public void Loss_AgreesWithFloat64() => Sample(@case =>
    {
        using var host = @case.CreateLayer();
        using var layer = new DynamicGpuSoftmax(Accelerator, @case.Layout, @case.Seed, Options);
        foreach (var options in AllOptions(@case))
        {
            var targets = @case.Targets(options.IgnoreIndex);
            var expected = new ReferenceSoftmax(host).Loss(Widen(@case.Hidden()), targets, options);
            AssertClose(expected, layer.Loss(@case.Hidden(), targets, options), 2e-4 * Math.Max(1, Math.Abs(expected)));
        }
    });

    [Fact]
    public void Forward_GivesEachTargetsLogProb() => Sample(@case =>
    {
        using var host = @case.CreateLayer();
        using var layer = new DynamicGpuSoftmax(Accelerator, @case.Layout, @case.Seed, Options);
        var targets = @case.Targets(-100);
        var logProbs = new float[@case.Tokens];
        layer.Forward(@case.Hidden(), targets, logProbs);
        var reference = new ReferenceSoftmax(host);
        for (var token = 0; token < @case.Tokens; token++)
        {
            var hidden = Widen(@case.Hidden().AsSpan(token * @case.Layout.HiddenSize, @case.Layout.HiddenSize));
            var expected = targets[token] == -100 ? 0 : reference.LogProb(hidden)[targets[token]];
            AssertClose(expected, logProbs[token], 2e-4);
        }
    });

    [Theory]
    [InlineData(0)]
    [InlineData(long.MaxValue)]
    public void Backward_AgreesWithTheCpu(long logitBytes) => Sample(@case =>
    {
        using var host = @case.CreateLayer();
        using var layer = new DynamicGpuSoftmax(Accelerator, @case.Layout, @case.Seed, Options with { LogitBytes = logitBytes });
        foreach (var options in AllOptions(@case))
        {
            var targets = @case.Targets(options.IgnoreIndex);
            var expected = new float[@case.Tokens * @case.Layout.HiddenSize];
            var actual = new float[expected.Length];
            Array.Fill(actual, 7);

            // Twice, so that the second pass adds to the gradients of the first.
            host.Backward(@case.Hidden(), targets, expected, options);
            layer.Backward(@case.Hidden(), targets, actual, options);
            var expectedLoss = host.Backward(@case.Hidden(), targets, expected, options);
            var loss = layer.Backward(@case.Hidden(), targets, actual, options);
            AssertClose(expectedLoss, loss, 2e-4 * Math.Max(1, Math.Abs(expectedLoss)));
            AssertAllClose(expected, actual, "hidden");
            for (var i = 0; i < host.Parameters.Count; i++)
            {
                var gradient = new float[host.Parameters[i].Count];
                layer.Parameters[i].CopyGradientTo(gradient);
                Assert.Equal(host.Parameters[i].HasGradient, layer.Parameters[i].HasGradient());
                var hostGradient = host.Parameters[i].HasGradient ? host.Parameters[i].Gradient.ToArray() : new float[gradient.Length];
                AssertAllClose(hostGradient, gradient, host.Parameters[i].Name);
                host.Parameters[i].ZeroGradient();
                layer.Parameters[i].ZeroGradient();
            }
        }
    });

    [Theory]
    [InlineData(0)]
    [InlineData(long.MaxValue)]
    public void InputGradient_IsSplitInEachChunk(long logitBytes)
    {
        // The 2,101 logits of the head in four sums, the 2,900 of the tail in five; 16 tokens at a time, or all.
        var tokens = Math.Min(40, SameBitsTokens);
        var layout = SoftmaxLayout.Create(24, 5000, [2100], [10], hasHeadBias: true);
        float[] hidden = [.. Enumerable.Range(0, tokens * layout.HiddenSize).Select(i => MathF.Sin(i * i))];
        int[] targets = [.. Enumerable.Range(0, tokens).Select(i => i % 3 == 0 ? 7 : 4999 - (i * 70))];
        CheckAgainstTheCpu(layout, hidden, targets, Options with { LogitBytes = logitBytes }, LossOptions.Default);
    }

    [Theory]
    [InlineData(0f)]
    [InlineData(0.1f)]
    public void ChunksOfWholeTiles_AddUpOverTheirTokens(float smoothing)
    {
        // 300 tokens 128 at a time, so that the last chunk has 44; where devices are interpreted, one chunk of some.
        var tokens = SameBitsTokens < 300 ? SameBitsTokens : 300;
        var layout = SoftmaxLayout.Create(8, 60, [20], [4], hasHeadBias: true);
        float[] hidden = [.. Enumerable.Range(0, tokens * layout.HiddenSize).Select(i => MathF.Sin(i * i))];
        var options = Options with { LogitBytes = 128 * 128 * sizeof(float) };
        CheckAgainstTheCpu(layout, hidden, [.. Enumerable.Range(0, tokens).Select(i => i % 60)], options, new LossOptions { LabelSmoothing = smoothing });
        CheckAgainstTheCpu(layout, hidden, [.. Enumerable.Range(0, tokens).Select(i => 20 + (i % 40))], options, new LossOptions { LabelSmoothing = smoothing, Reduction = Reduction.Sum });
    }

    [Theory]
    [InlineData(0f)]
    [InlineData(0.1f)]
    public void LongRows_AgreeWithTheCpu(float smoothing)
    {
        // A thread has four reads of four logits on their way, 1,024 apart: of 3,079 logits one thread of a group, of 8,203 all, twice.
        int[] targets = [5, 4103, 3077, 1030, 2060, 3079, 5129, 6157, 7178, 8278, 9378, 10_478, 11_280];
        targets = targets[..Math.Min(targets.Length, SameBitsTokens)];
        var layout = SoftmaxLayout.Create(8, 3078 + 8203, [3078], [4]);
        // Large ones, so that a few rows anywhere have nearly all of a token's mass.
        float[] hidden = [.. Enumerable.Range(0, targets.Length * layout.HiddenSize).Select(i => 30 * MathF.Sin(i * i))];
        CheckAgainstTheCpu(layout, hidden, targets, Options, new LossOptions { LabelSmoothing = smoothing });
    }

    [Theory]
    [InlineData(0f)]
    [InlineData(0.1f)]
    public void Chunks_LeaveEachTokensBits(float smoothing)
    {
        // The head in one chunk and the tails in several, all in several, all in one.
        SoftmaxLayout[] layouts = [SoftmaxLayout.Create(40, 700, [130, 300], [20, 10], hasHeadBias: true), SoftmaxLayout.Create(9, 500, [300, 310], [4, 2]), SoftmaxLayout.CreateFull(12, 300)];
        var options = new LossOptions { LabelSmoothing = smoothing };
        foreach (var layout in layouts)
        {
            foreach (var tokens in new HashSet<int> { Math.Min(40, SameBitsTokens), SameBitsTokens })
            {
                var @case = new LayerCase(layout, tokens, Seed: 5, OneClusterOnly: false);
                var whole = Gradients(@case, Options with { LogitBytes = long.MaxValue }, options);
                foreach (var logitBytes in new[] { 0, 100_000 })
                {
                    var chunks = Gradients(@case, Options with { LogitBytes = logitBytes }, options);
                    for (var i = 0; i < TokenResults; i++) Assert.Equal(whole[i], chunks[i]);
                    // The gradients of parameters are sums over tokens, of as many sums as there are chunks.
                    for (var i = TokenResults; i < whole.Length; i++) AssertAllClose(whole[i], chunks[i], $"result {i}");
                }
            }
        }
    }

    [Fact]
    public void SameData_GiveTheSameBits()
    {
        var @case = new LayerCase(SoftmaxLayout.Create(40, 700, [130, 300], [20, 10], hasHeadBias: true), Tokens: SameBitsTokens, Seed: 5, OneClusterOnly: false);
        Assert.Equal(Gradients(@case, Options, LossOptions.Default), Gradients(@case, Options, LossOptions.Default));
    }

    [Fact]
    public void ScaledAndCappedLogits_AreRefusedWithTheirRemedy()
    {
        foreach (var layout in new[] { SoftmaxLayout.CreateFull(8, 20, logitSoftCap: 30), SoftmaxLayout.CreateFull(8, 20, logitScale: 0.5) })
            Assert.Contains("take the class on the CPU", Assert.Throws<NotSupportedException>(() => new DynamicGpuSoftmax(Accelerator, layout)).Message, StringComparison.Ordinal);
    }

    private void CheckAgainstTheCpu(SoftmaxLayout layout, float[] hidden, int[] targets, GpuOptions options, LossOptions loss)
    {
        using var host = new DynamicAdaptiveSoftmax(layout, seed: 5);
        using var layer = new DynamicGpuSoftmax(Accelerator, layout, seed: 5, options);
        var expected = new float[hidden.Length];
        var actual = new float[hidden.Length];
        var expectedLoss = host.Backward(hidden, targets, expected, loss);
        AssertClose(expectedLoss, layer.Backward(hidden, targets, actual, loss), 2e-4 * expectedLoss);
        AssertAllClose(expected, actual, "hidden");
        for (var i = 0; i < host.Parameters.Count; i++)
        {
            var gradient = new float[host.Parameters[i].Count];
            layer.Parameters[i].CopyGradientTo(gradient);
            AssertAllClose(host.Parameters[i].Gradient.ToArray(), gradient, host.Parameters[i].Name);
        }
    }

    // The loss, that of each token, every gradient.
    private float[][] Gradients(LayerCase @case, GpuOptions options, LossOptions loss)
    {
        using var layer = new DynamicGpuSoftmax(Accelerator, @case.Layout, @case.Seed, options);
        var gradient = new float[@case.Tokens * @case.Layout.HiddenSize];
        var losses = new float[@case.Tokens];
        var value = layer.Backward(@case.Hidden(), @case.Targets(loss.IgnoreIndex), gradient, loss, losses: losses);
        return [[value], losses, gradient, .. layer.Parameters.Select(parameter =>
        {
            var values = new float[parameter.Rows * parameter.Columns];
            parameter.CopyGradientTo(values);
            return values;
        })];
    }

    private void Sample(Action<LayerCase> check)
    {
        // Before sampling, which would take the skip of a missing device for a failure.
        _ = Accelerator;
        Layouts.Sample(check, iter: Cases, threads: 1);
    }

    private static IEnumerable<LossOptions> AllOptions(LayerCase @case) =>
    [
        LossOptions.Default,
        new LossOptions { Reduction = Reduction.Sum, IgnoreIndex = @case.Layout.VocabularySize + 3, LabelSmoothing = 0.1f },
    ];

    private static double[] Widen(ReadOnlySpan<float> values)
    {
        var result = new double[values.Length];
        for (var i = 0; i < result.Length; i++) result[i] = values[i];
        return result;
    }

    private static void AssertClose(double expected, double actual, double tolerance)
    {
        if (!(Math.Abs(expected - actual) <= tolerance)) Assert.Fail($"Expected {expected}, got {actual}.");
    }

    private static void AssertAllClose(float[] expected, float[] actual, string what)
    {
        Assert.Equal(expected.Length, actual.Length);
        // Where a gradient is 0 but for rounding, as in a cluster of one token, only the size of its terms counts.
        var scale = Math.Max(0.05, expected.Select(Math.Abs).DefaultIfEmpty(0).Max());
        for (var i = 0; i < expected.Length; i++)
        {
            if (!(Math.Abs(expected[i] - actual[i]) <= 1e-4 * scale))
                Assert.Fail($"{what}[{i}]: expected {expected[i]}, got {actual[i]}; the largest is {scale}.");
        }
    }
}

[Collection(Backend.Collection)]
public sealed class OpenClLayerTests : LayerTests
{
    private protected override Accelerator Accelerator => Backend.OpenCl;

    private protected override int Cases => 30;
}

/// <summary>A handful of tiny layouts: this accelerator has a thread of the processor for each of a group's 256, and takes minutes.</summary>
[OnlyAtNight]
[Collection(Backend.Collection)]
public sealed class CpuLayerTests : LayerTests
{
    private protected override Accelerator Accelerator => Backend.Cpu;

    private protected override int Cases => 1;

    private protected override int SameBitsTokens => 3;

    private protected override Gen<LayerCase> Layouts =>
        from seed in Gen.ULong
        from bias in Gen.Bool
        select new LayerCase(SoftmaxLayout.Create(9, 30, [7, 19], [4, 2], bias), Tokens: 3, seed, OneClusterOnly: false);
}

[Collection(Backend.Collection)]
public sealed class CudaLayerTests : LayerTests
{
    private protected override Accelerator Accelerator => Backend.Cuda;

    private protected override int Cases => 100;
}
