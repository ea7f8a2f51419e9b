using AdaptiveSoftmax.Vocabulary;
using CsCheck;

namespace AdaptiveSoftmax.Tests;

/// <summary>Weights of tokens, losses that stay apart, scaled and partial gradients, and frozen parameters.</summary>
public class LossFeatureTests
{
    private static readonly SoftmaxLayout s_layout = SoftmaxLayout.Create(16, 400, [40, 120], 2.0, hasHeadBias: true);

    private static readonly Gen<LossOptions> s_options =
        from smoothing in Gen.OneOf(Gen.Const(0f), Gen.Const(0.3f))
        from reduction in Gen.OneOf(Gen.Const(Reduction.Mean), Gen.Const(Reduction.Sum), Gen.Const(Reduction.None))
        from scale in Gen.OneOf(Gen.Const(1.0), Gen.Const(0.125), Gen.Const(-2.0))
        select new LossOptions { LabelSmoothing = smoothing, Reduction = reduction, GradientScale = scale };

    [Fact]
    public void WeightedLossesAndGradients_AgreeWithTheDefinition_AndItsFiniteDifferences() => Gen.Select(LayerCase.Any, s_options, Gen.Int).Sample(
        (@case, options, pick) =>
        {
            using var layer = @case.CreateLayer();
            var (hidden, targets, weights) = (@case.Hidden(), @case.Targets(options.IgnoreIndex), Weights(@case.Tokens, pick, options.Reduction));
            var (gradient, losses) = (new float[hidden.Length], new float[targets.Length]);
            var loss = layer.Backward(hidden, targets, gradient, options, weights, losses);

            double[] wide = [.. hidden.Select(value => (double)value)];
            var reference = new ReferenceSoftmax(layer);
            var expected = reference.Gradients(wide, targets, options, weights);
            Assert.Equal(expected.Loss, loss, 2e-5 * (1 + (weights.Length * Math.Abs(expected.Loss))));
            AssertClose(expected.Hidden, gradient);
            foreach (var parameter in layer.Parameters) AssertClose(expected.Weights[parameter.Name], parameter.Gradient);
            for (var token = 0; token < targets.Length; token++)
            {
                var alone = reference.Loss(wide[(token * @case.Layout.HiddenSize)..((token + 1) * @case.Layout.HiddenSize)], [targets[token]], options with { Reduction = Reduction.Sum });
                Assert.Equal(alone, losses[token], 1e-5 * (1 + alone));
            }

            // The definition's own gradients are those of its loss.
            for (var probe = 0; probe < Math.Min(3, wide.Length); probe++)
            {
                var at = new Random(pick + probe).Next(wide.Length);
                var original = wide[at];
                wide[at] = original + 1e-5;
                var above = reference.Loss(wide, targets, options, weights);
                wide[at] = original - 1e-5;
                var slope = options.GradientScale * (above - reference.Loss(wide, targets, options, weights)) / 2e-5;
                wide[at] = original;
                Assert.Equal(slope, gradient[at], 2e-4 * (1 + Math.Abs(slope)));
            }
        },
        iter: 60);

    [Fact]
    public void EveryCall_GivesTheSameLosses_AndTheSameBitsOnAnyThreads() => Gen.Select(LayerCase.Any, s_options, Gen.Int).Sample(
        (@case, options, pick) =>
        {
            var (hidden, targets, weights) = (@case.Hidden(), @case.Targets(options.IgnoreIndex), Weights(@case.Tokens, pick, options.Reduction));
            float[]? expected = null;
            foreach (var (threads, scratchBytes) in ((int, long)[])[(1, 64 << 20), (3, 64 << 20), (2, 0)])
            {
                using var layer = @case.CreateLayer(threads, scratchBytes);
                var (a, b, c, d) = (new float[targets.Length], new float[targets.Length], new float[targets.Length], new float[targets.Length]);
                var gradient = new float[hidden.Length];
                var loss = layer.Loss(hidden, targets, options, weights, a);
                Assert.Equal(loss, layer.Forward(hidden, targets, new float[targets.Length], options, weights, b));
                Assert.Equal(loss, layer.Backward(hidden, targets, gradient, options, weights, c));
                float[] bits = [loss, .. a, .. gradient, .. Gradients(layer)];
                foreach (var parameter in layer.Parameters) parameter.ZeroGradient();
                Assert.Equal(loss, layer.Backward(hidden, targets, options, weights, d));
                Assert.Equal(a, b);
                Assert.Equal(a, c);
                Assert.Equal(a, d);
                // Without the gradient of the hidden vectors those of the weights are the same.
                Assert.Equal(bits[^Gradients(layer).Length..], Gradients(layer));
                expected ??= bits;
                Assert.Equal(expected, bits);
            }
        },
        iter: 30);

    [Fact]
    public void WeightsOfOne_ChangeNoBit()
    {
        foreach (var reduction in Enum.GetValues<Reduction>())
        {
            var options = new LossOptions { Reduction = reduction, LabelSmoothing = 0.1f };
            var (plain, weighted) = (new float[32 * 16], new float[32 * 16]);
            using var layer = new DynamicAdaptiveSoftmax(s_layout);
            using var other = new DynamicAdaptiveSoftmax(s_layout);
            Assert.Equal(
                layer.Backward(Hidden(32), Targets(32), plain, options, losses: new float[32]),
                other.Backward(Hidden(32), Targets(32), weighted, options, [.. Enumerable.Repeat(1f, 32)], new float[32]));
            Assert.Equal(plain, weighted);
            Assert.Equal(Gradients(layer), Gradients(other));
        }
    }

    [Fact]
    public void AMeanOverWeightsOfZero_IsZero()
    {
        using var layer = new DynamicAdaptiveSoftmax(s_layout);
        var gradient = new float[2 * 16];
        Assert.Equal(0, layer.Backward(Hidden(2), [3, 300], gradient, weights: [0, 0]));
        Assert.Equal(-1, gradient.AsSpan().IndexOfAnyExcept(0f));
        Assert.Equal(-1, Gradients(layer).AsSpan().IndexOfAnyExcept(0f));
    }

    [Fact]
    public void SeveralPassesWithAScale_AddUpToOneOverAll()
    {
        using var whole = new DynamicAdaptiveSoftmax(s_layout);
        using var parts = new DynamicAdaptiveSoftmax(s_layout);
        var expected = whole.Backward(Hidden(48), Targets(48), new float[48 * 16]);
        var active = Targets(48).Count(target => target != -100);
        var options = new LossOptions { Reduction = Reduction.Sum, GradientScale = 1.0 / active };
        var sum = 0f;
        for (var first = 0; first < 48; first += 12)
            sum += parts.Backward(Hidden(48).AsSpan(first * 16, 12 * 16), Targets(48).AsSpan(first, 12), new float[12 * 16], options);
        Assert.Equal(expected, sum / active, 1e-5);
        var (one, several) = (Gradients(whole), Gradients(parts));
        for (var i = 0; i < one.Length; i++) Assert.Equal(one[i], several[i], 1e-6);

        // One step of both, to nearly the same weights.
        using var optimizer = new Sgd(0.5);
        optimizer.Step(whole);
        optimizer.Step(parts);
        for (var i = 0; i < whole.Parameters.Count; i++)
        {
            for (var at = 0; at < whole.Parameters[i].Count; at++) Assert.Equal(whole.Parameters[i].Values[at], parts.Parameters[i].Values[at], 1e-6);
        }
    }

    [Fact]
    public void FrozenParameters_TakeNoGradient_AndAllOthersKeepTheirBits()
    {
        using var whole = new DynamicAdaptiveSoftmax(s_layout);
        var expectedGradient = new float[20 * 16];
        var expected = whole.Backward(Hidden(20), Targets(20), expectedGradient);
        for (var mask = 0; mask < 1 << whole.Parameters.Count; mask += 5)
        {
            foreach (var wantsHidden in (ReadOnlySpan<bool>)[true, false])
            {
                using var layer = new DynamicAdaptiveSoftmax(s_layout);
                using var optimizer = new AdamW(weightDecay: 0.5);
                for (var i = 0; i < layer.Parameters.Count; i++) layer.Parameters[i].RequiresGradient = (mask >> i & 1) == 0;
                var gradient = new float[20 * 16];
                Assert.Equal(expected, wantsHidden ? layer.Backward(Hidden(20), Targets(20), gradient) : layer.Backward(Hidden(20), Targets(20)));
                if (wantsHidden) Assert.Equal(expectedGradient, gradient);
                for (var i = 0; i < layer.Parameters.Count; i++)
                {
                    var parameter = layer.Parameters[i];
                    Assert.Equal(parameter.RequiresGradient, parameter.HasGradient);
                    if (parameter.RequiresGradient) Assert.Equal(whole.Parameters[i].Gradient, parameter.Gradient);
                    else Assert.Equal(-1, parameter.Gradient.IndexOfAnyExcept(0f));
                }

                var before = layer.Parameters.Select(parameter => parameter.Values.ToArray()).ToArray();
                optimizer.Step(layer);
                for (var i = 0; i < before.Length; i++)
                    Assert.Equal(layer.Parameters[i].RequiresGradient, !layer.Parameters[i].Values.SequenceEqual(before[i]));
            }
        }
    }

    [Fact]
    public void FreezingForgetsAGradient_AndRefusesToTakeOne()
    {
        using var parameter = new Parameter("w", 2, 3);
        using var table = new Parameter("table", 2, 3, GradientLayout.SparseRows);
        parameter.TouchGradient().Fill(1);
        parameter.RequiresGradient = table.RequiresGradient = false;
        Assert.False(parameter.HasGradient);
        Assert.Equal(-1, parameter.Gradient.IndexOfAnyExcept(0f));
        Assert.Contains("'w' is frozen", Assert.Throws<InvalidOperationException>(() => parameter.TouchGradient().Clear()).Message, StringComparison.Ordinal);
        Assert.Throws<InvalidOperationException>(() => table.TouchGradientRow(1).Clear());
        MatrixKernels.AddWeightGradient(new float[2], new float[3], parameter);
        Assert.False(parameter.HasGradient);
        parameter.RequiresGradient = true;
        MatrixKernels.AddWeightGradient([1, 0], [2, 0, 0], parameter);
        Assert.Equal([2, 0, 0, 0, 0, 0], parameter.Gradient.ToArray());
    }

    [Fact]
    public void WhatDoesNotFit_IsRefused()
    {
        using var layer = new DynamicAdaptiveSoftmax(s_layout);
        var (hidden, gradient) = (Hidden(2), new float[32]);
        var none = new LossOptions { Reduction = Reduction.None };
        Assert.Throws<ArgumentException>(() => layer.Loss(hidden, [1, 2], weights: [1]));
        Assert.Throws<ArgumentException>(() => layer.Loss(hidden, [1, 2], weights: [1, float.NaN]));
        Assert.Throws<ArgumentException>(() => layer.Loss(hidden, [1, 2], weights: [1, -1]));
        Assert.Throws<ArgumentException>(() => layer.Loss(hidden, [1, 2], losses: new float[3]));
        Assert.Throws<ArgumentException>(() => layer.Loss(hidden, [1, 2], none));
        Assert.Throws<ArgumentException>(() => layer.Backward(hidden, [1, 2], gradient, none));
        Assert.Throws<ArgumentException>(() => layer.Loss(hidden, [1, 2], new LossOptions { GradientScale = double.NaN }));
        Assert.Throws<ArgumentException>(() => layer.Loss(hidden, [1, 2], new LossOptions { Reduction = (Reduction)3 }));
        Assert.Throws<ArgumentException>(() => layer.Loss(hidden, [1, 2], losses: hidden.AsSpan(3, 2)));
        Assert.Throws<ArgumentException>(() => layer.Backward(hidden, [1, 2], gradient, losses: gradient.AsSpan(3, 2)));
        Assert.Throws<ArgumentException>(() => layer.Backward(hidden, [1, 2], gradient, weights: gradient.AsSpan(3, 2)));
        Assert.All(layer.Parameters, parameter => Assert.False(parameter.HasGradient));
        Assert.Equal(layer.Loss(hidden, [1, 2], new LossOptions { Reduction = Reduction.Sum }, [1, -1]), layer.Loss(hidden, [1, 2], none, [1, -1], new float[2]));
    }

    [Fact]
    public void MessagesAreInvariant()
    {
        var culture = System.Globalization.CultureInfo.CurrentCulture;
        System.Globalization.CultureInfo.CurrentCulture = new System.Globalization.CultureInfo("de-DE");
        try
        {
            using var layer = new DynamicAdaptiveSoftmax(s_layout);
            Assert.Contains("is 1.5;", Assert.Throws<ArgumentException>(() => layer.Loss(Hidden(1), [1], new LossOptions { LabelSmoothing = 1.5f })).Message, StringComparison.Ordinal);
            Assert.Contains("is -0.5;", Assert.Throws<ArgumentException>(() => layer.Loss(Hidden(1), [1], weights: [-0.5f])).Message, StringComparison.Ordinal);
            Assert.Contains("-1.5", Assert.Throws<ArgumentOutOfRangeException>(() => new Sgd(-1.5)).Message, StringComparison.Ordinal);
            Assert.Contains("-1.5", Assert.Throws<ArgumentOutOfRangeException>(() => GradientClipping.ClipByGlobalNorm([], -1.5)).Message, StringComparison.Ordinal);
        }
        finally
        {
            System.Globalization.CultureInfo.CurrentCulture = culture;
        }
    }

    private static float[] Weights(int tokens, int seed, Reduction reduction)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, tokens).Select(_ => random.Next(5) == 0 ? 0 : (float)(random.NextDouble() * 2) - (reduction == Reduction.Mean ? 0 : 1))];
    }

    private static float[] Hidden(int tokens)
    {
        var random = new Random(7);
        return [.. Enumerable.Range(0, tokens * 16).Select(_ => (float)((random.NextDouble() * 4) - 2))];
    }

    private static int[] Targets(int tokens)
    {
        var random = new Random(8);
        return [.. Enumerable.Range(0, tokens).Select(_ => random.Next(6) == 0 ? -100 : random.Next(400))];
    }

    private static float[] Gradients(DynamicAdaptiveSoftmax layer) => [.. layer.Parameters.SelectMany(parameter => parameter.Gradient.ToArray())];

    private static void AssertClose(double[] expected, ReadOnlySpan<float> actual)
    {
        // A logit's gradient is a probability less 1 or 0, so float32 knows it to an absolute precision.
        var scale = Math.Max(0.1, expected.Length == 0 ? 0 : expected.Max(Math.Abs));
        for (var i = 0; i < expected.Length; i++) Assert.Equal(expected[i], actual[i], 3e-5 * scale);
    }
}
