using AdaptiveSoftmax.Tests;
using AdaptiveSoftmax.Vocabulary;
using CsCheck;
using ILGPU;
using ILGPU.Runtime;

namespace AdaptiveSoftmax.Gpu.Tests.Layers;

/// <summary>Weights of tokens, losses that stay apart, scaled and partial gradients, and frozen parameters.</summary>
public abstract class LossFeatureTests
{
    private static readonly SoftmaxLayout s_layout = SoftmaxLayout.Create(20, 90, [15, 30, 60], [9, 4, 2], hasHeadBias: true);

    private static readonly Gen<LossOptions> s_options =
        from smoothing in Gen.OneOf(Gen.Const(0f), Gen.Const(0.3f))
        from reduction in Gen.OneOf(Gen.Const(Reduction.Mean), Gen.Const(Reduction.Sum), Gen.Const(Reduction.None))
        from scale in Gen.OneOf(Gen.Const(1.0), Gen.Const(0.125), Gen.Const(-2.0))
        select new LossOptions { LabelSmoothing = smoothing, Reduction = reduction, GradientScale = scale };

    private protected abstract Accelerator Accelerator { get; }

    private protected abstract int Cases { get; }

    private protected abstract bool HasGraphs { get; }

    private protected virtual GpuOptions Options => GpuOptions.Default;

    [Fact]
    public void WeightedLossesAndGradients_AgreeWithFloat64() => Sample((@case, options, pick) =>
    {
        using var host = @case.CreateLayer();
        using var layer = new DynamicGpuSoftmax(Accelerator, @case.Layout, @case.Seed, Options with { LogitBytes = pick % 2 == 0 ? 0 : long.MaxValue });
        var (hidden, targets, weights) = (@case.Hidden(), @case.Targets(options.IgnoreIndex), Weights(@case.Tokens, pick, options.Reduction));
        var (gradient, losses, others, logProbs) = (new float[hidden.Length], new float[targets.Length], new float[targets.Length], new float[targets.Length]);
        Array.Fill(losses, 7);
        var loss = layer.Backward(hidden, targets, gradient, options, weights, losses);
        double[] wide = [.. hidden.Select(value => (double)value)];
        var reference = new ReferenceSoftmax(host);
        var expected = reference.Gradients(wide, targets, options, weights.Length == 0 ? null : weights);
        Assert.Equal(expected.Loss, loss, 2e-4 * (1 + (targets.Length * Math.Abs(expected.Loss))));
        AssertClose(expected.Hidden, gradient);
        for (var i = 0; i < host.Parameters.Count; i++) AssertClose(expected.Weights[host.Parameters[i].Name], Gradient(layer.Parameters[i]));
        for (var token = 0; token < targets.Length; token++)
        {
            var alone = reference.Loss(wide[(token * @case.Layout.HiddenSize)..((token + 1) * @case.Layout.HiddenSize)], [targets[token]], options with { Reduction = Reduction.Sum });
            Assert.Equal(alone, losses[token], 2e-4 * (1 + alone));
        }

        // Every call gives the same loss, and losses of the same bits.
        Assert.Equal(loss, layer.Loss(hidden, targets, options, weights, others));
        Assert.Equal(losses, others);
        Assert.Equal(loss, layer.Forward(hidden, targets, logProbs, options, weights, others));
        Assert.Equal(losses, others);
        if (options.LabelSmoothing == 0) Assert.Equal(losses, logProbs.Select(logProb => 0 - logProb));

        // Without the gradient of the hidden vectors those of the weights have the same bits.
        var bits = Gradients(layer);
        foreach (var parameter in layer.Parameters) parameter.ZeroGradient();
        Assert.Equal(loss, layer.Backward(hidden, targets, options, weights, others));
        Assert.Equal(losses, others);
        Assert.Equal(bits, Gradients(layer));
    });

    [Fact]
    public void FrozenParameters_TakeNoGradient_AndLeaveTheOthersTheirBits() => Sample((@case, options, pick) =>
    {
        using var layer = new DynamicGpuSoftmax(Accelerator, @case.Layout, @case.Seed, Options with { LogitBytes = pick % 2 == 0 ? 0 : long.MaxValue });
        var (hidden, targets, losses) = (@case.Hidden(), @case.Targets(options.IgnoreIndex), new float[@case.Tokens]);
        float[] gradient = new float[hidden.Length], partial = new float[hidden.Length];
        var loss = layer.Backward(hidden, targets, gradient, options, losses: losses);
        var (before, present) = (Gradients(layer), layer.Parameters.Select(parameter => parameter.HasGradient()).ToArray());
        var random = new Random(pick);
        var frozen = layer.Parameters.Select(_ => random.Next(3) > 0).ToArray();
        for (var i = 0; i < frozen.Length; i++)
        {
            layer.Parameters[i].RequiresGradient = !frozen[i];
            layer.Parameters[i].ZeroGradient();
        }

        for (var pass = 0; pass < 2; pass++)
        {
            Assert.Equal(loss, pass == 0 ? layer.Backward(hidden, targets, partial, options, losses: losses) : layer.Backward(hidden, targets, options, losses: losses));
            for (var i = 0; i < frozen.Length; i++)
            {
                Assert.Equal(present[i] && !frozen[i], layer.Parameters[i].HasGradient());
                Assert.Equal(frozen[i] ? new float[before[i].Length] : before[i], Gradient(layer.Parameters[i]));
                layer.Parameters[i].ZeroGradient();
            }
        }

        Assert.Equal(gradient, partial);
    });

    [Fact]
    public void FrozenParameters_AreSteppedNeverAndTouchedNever()
    {
        using var layer = new DynamicGpuSoftmax(Accelerator, s_layout, seed: 2, Options);
        using var table = new GpuParameter(Accelerator, "table", 9, 5, gradientLayout: GradientLayout.SparseRows);
        using var rows = Accelerator.Allocate1D<int>([3]);
        using var optimizer = new GpuOptimizer(new AdamW(0.1, weightDecay: 0.5));
        var (hidden, targets) = Batch(6);
        var weight = layer.Parameters[0];
        layer.Backward(hidden, targets);
        optimizer.Step(layer);
        layer.Backward(hidden, targets);

        // Freezing forgets the gradient that is there.
        weight.RequiresGradient = table.RequiresGradient = false;
        Assert.False(weight.HasGradient());
        var before = layer.Parameters.Select(Values).ToArray();
        optimizer.Step([.. layer.Parameters, table]);
        Assert.Equal(before[0], Values(weight));
        Assert.NotEqual(before[1], Values(layer.Parameters[1]));
        Assert.Equal((1, 2), (optimizer.ReadSteps(weight), optimizer.ReadSteps(layer.Parameters[1])));
        Assert.Contains("is frozen", Assert.Throws<InvalidOperationException>(() => weight.TouchGradient()).Message, StringComparison.Ordinal);
        Assert.Contains("is frozen", Assert.Throws<InvalidOperationException>(() => table.TouchGradientRows(rows.View)).Message, StringComparison.Ordinal);

        // And it learns on where it stood.
        weight.RequiresGradient = true;
        layer.Backward(hidden, targets);
        Assert.True(optimizer.TryStep(layer));
        Assert.NotEqual(before[0], Values(weight));
        Assert.Equal(2, optimizer.ReadSteps(weight));
    }

    [Fact]
    public void FrozenWeightOfABody_IsLeftOut()
    {
        using var weight = new GpuParameter(Accelerator, "weight", 3, 5);
        using var bias = new GpuParameter(Accelerator, "bias", 3, 1, isVector: true);
        using var matrix = new GpuMatrix(weight, bias);
        using var outputGradient = Accelerator.Allocate1D<float>([1, 2, 3, 0, 0, 0, 0, 0, 4, 5, 6, 0, 0, 0, 0, 0]);
        using var input = Accelerator.Allocate1D<float>([1, 1, 1, 1, 1, 0, 0, 0, 1, 1, 1, 1, 1, 0, 0, 0]);
        foreach (var (weightLearns, biasLearns) in new[] { (false, true), (true, false), (false, false), (true, true) })
        {
            (weight.RequiresGradient, bias.RequiresGradient) = (weightLearns, biasLearns);
            matrix.AddWeightGradient(outputGradient.View, input.View);
            Assert.Equal((weightLearns, biasLearns), (weight.HasGradient(), bias.HasGradient()));
            Assert.Equal(biasLearns ? [5, 7, 9] : new float[3], Gradient(bias));
            Assert.Equal(weightLearns ? [5, 5, 5, 5, 5, 7, 7, 7, 7, 7, 9, 9, 9, 9, 9] : new float[15], Gradient(weight));
            weight.ZeroGradient();
            bias.ZeroGradient();
        }
    }

    [Fact]
    public void ScaledSumsOfSeveralPasses_AreTheMeanOfAll()
    {
        using var layer = new DynamicGpuSoftmax(Accelerator, s_layout, seed: 2, Options);
        var (hidden, targets) = Batch(12);
        targets[3] = targets[4] = -100;
        layer.Backward(hidden, targets);
        var expected = Gradients(layer);
        foreach (var parameter in layer.Parameters) parameter.ZeroGradient();
        var options = new LossOptions { Reduction = Reduction.Sum, GradientScale = 0.1 };
        foreach (var (first, end) in new[] { (0, 5), (5, 12) })
            layer.Backward(hidden.AsSpan(first * 20, (end - first) * 20), targets.AsSpan(first, end - first), options);
        foreach (var (mean, sum) in expected.Zip(Gradients(layer))) AssertClose([.. mean.Select(value => (double)value)], sum);
    }

    [Fact]
    public void WhatDoesNotFit_IsNamed()
    {
        using var layer = new DynamicGpuSoftmax(Accelerator, s_layout, seed: 2, Options);
        var (hidden, targets) = Batch(3);
        var none = new LossOptions { Reduction = Reduction.None };
        AssertRefused("room for 0 losses of 3", () => layer.Loss(hidden, targets, none));
        AssertRefused("room for 2 losses of 3", () => layer.Loss(hidden, targets, losses: new float[2]));
        AssertRefused("2 weights of 3", () => layer.Loss(hidden, targets, weights: [1, 1]));
        AssertRefused("The weight of token 1 is -1", () => layer.Loss(hidden, targets, weights: [1, -1, 1]));
        AssertRefused("The weight of token 2 is NaN", () => layer.Loss(hidden, targets, none, [1, -1, float.NaN], new float[3]));
        AssertRefused("The weight of token 2 is NaN", () => layer.Backward(hidden, targets, new float[60], none, [1, -1, float.NaN], new float[3]));
        AssertRefused("scale of the gradients is NaN", () => layer.Backward(hidden, targets, new LossOptions { GradientScale = double.NaN }));

        using var memory = Accelerator.Allocate1D<float>(200);
        using var ids = Accelerator.Allocate1D<int>(targets);
        ArrayView<float> view = memory.View;
        var vectors = view.SubView(0, 60);
        AssertRefused("memory for losses has 0 values", () => layer.Loss(vectors, ids.View, none));
        AssertRefused("memory of weights has 2 values", () => layer.Loss(vectors, ids.View, weights: view.SubView(100, 2)));
        AssertRefused("share memory", () => layer.Loss(vectors, ids.View, losses: view.SubView(58, 3)));
        AssertRefused("share memory", () => layer.Backward(vectors, ids.View, null, view.SubView(100, 3), view.SubView(102, 3)));
        AssertRefused("share memory", () => layer.Backward(vectors, ids.View, view.SubView(100, 60), losses: view.SubView(159, 3)));
        AssertRefused("share memory", () => layer.Backward(vectors, ids.View, view.SubView(100, 60), null, view.SubView(100, 3)));
        AssertRefused("share memory", () => layer.Forward(vectors, ids.View, view.SubView(100, 3), losses: view.SubView(100, 3)));
        Assert.All(layer.Parameters, parameter => Assert.False(parameter.HasGradient()));

        static void AssertRefused(string message, Func<object?> call) =>
            Assert.Contains(message, Assert.Throws<ArgumentException>(() => call()).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void WeightsOfZeroOrNone_MakeNoMean()
    {
        using var layer = new DynamicGpuSoftmax(Accelerator, s_layout, seed: 2, Options);
        var (hidden, targets) = Batch(3);
        var gradient = new float[60];
        Array.Fill(gradient, 5);
        Assert.Equal(0, layer.Backward(hidden, targets, gradient, weights: [0, 0, 0]));
        Assert.All(gradient, value => Assert.Equal(0, value));
        Assert.Equal(0, layer.Backward([], [], weights: [], losses: []));
        var losses = new float[3];
        Array.Fill(losses, 5);
        Assert.Equal(0, layer.Loss(hidden, [-100, -100, -100], new LossOptions { Reduction = Reduction.None }, [1, 2, 3], losses));
        Assert.All(losses, value => Assert.Equal(0, value));
    }

    [Fact]
    public void RecordedPass_TakesNewWeights_AndEndsWhenAParameterFreezes()
    {
        using var layer = new DynamicGpuSoftmax(Accelerator, s_layout, seed: 2);
        using var plain = new DynamicGpuSoftmax(Accelerator, s_layout, seed: 2);
        var (hidden, targets) = Batch(7);
        using var vectors = Accelerator.Allocate1D(hidden);
        using var ids = Accelerator.Allocate1D<int>(targets);
        using var weights = Accelerator.Allocate1D<float>([1, 1, 1, 1, 1, 1, 1]);
        using var losses = Accelerator.Allocate1D<float>(7);
        using var recording = layer.RecordBackward(vectors.View, ids.View, null, weights.View, losses.View);
        foreach (var parameter in layer.Parameters) parameter.ZeroGradient();
        float[] others = [0.5f, 2, 0, 1, 1, 3, 1];
        weights.CopyFromCPU(others);
        recording.Replay();
        var expectedLosses = new float[7];
        Assert.Equal(plain.Backward(hidden, targets, null, others, expectedLosses), recording.Loss.Read());
        Assert.Equal(expectedLosses, losses.GetAsArray1D());
        Assert.Equal(Gradients(plain), Gradients(layer));

        layer.Parameters[1].RequiresGradient = false;
        if (HasGraphs)
        {
            Assert.Contains("frozen", Assert.Throws<InvalidOperationException>(recording.Replay).Message, StringComparison.Ordinal);
            return;
        }

        recording.Replay();
        Assert.False(layer.Parameters[1].HasGradient());
    }

    private void Sample(Action<LayerCase, LossOptions, int> check)
    {
        // Before sampling, which would take the skip of a missing device for a failure.
        _ = Accelerator;
        Gen.Select(LayerCase.Any, s_options, Gen.Int[0, 1 << 20]).Sample(check, iter: Cases, threads: 1);
    }

    private static (float[] Hidden, int[] Targets) Batch(int tokens) =>
        ([.. Enumerable.Range(0, tokens * 20).Select(i => MathF.Sin(i * i))], [.. Enumerable.Range(0, tokens).Select(i => i * 17 % 90)]);

    // Half of the cases have none.
    private static float[] Weights(int tokens, int pick, Reduction reduction)
    {
        if (pick % 4 < 2) return [];
        var random = new Random(pick);
        return [.. Enumerable.Range(0, tokens).Select(_ => random.Next(4) == 0 ? 0 : (random.NextSingle() * 4) - (reduction == Reduction.Mean ? 0 : 2))];
    }

    private static float[][] Gradients(GpuAdaptiveSoftmax layer) => [.. layer.Parameters.Select(Gradient)];

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

    private static void AssertClose(double[] expected, float[] actual)
    {
        Assert.Equal(expected.Length, actual.Length);
        var scale = Math.Max(0.05, expected.Select(Math.Abs).DefaultIfEmpty(0).Max());
        for (var i = 0; i < expected.Length; i++)
        {
            if (!(Math.Abs(expected[i] - actual[i]) <= 2e-4 * scale)) Assert.Fail($"[{i}]: expected {expected[i]}, got {actual[i]}; the largest is {scale}.");
        }
    }
}

[Collection(Backend.Collection)]
public sealed class OpenClLossFeatureTests : LossFeatureTests
{
    private protected override Accelerator Accelerator => Backend.OpenCl;

    private protected override int Cases => 20;

    private protected override bool HasGraphs => false;
}

[Collection(Backend.Collection)]
public sealed class CudaLossFeatureTests : LossFeatureTests
{
    private protected override Accelerator Accelerator => Backend.Cuda;

    private protected override int Cases => 60;

    private protected override bool HasGraphs => true;
}
