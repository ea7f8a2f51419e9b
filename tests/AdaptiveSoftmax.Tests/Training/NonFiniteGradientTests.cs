using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tests.Training;

/// <summary>What is not finite never reaches the weights.</summary>
public sealed class NonFiniteGradientTests
{
    /// <summary>2e19 is finite, and its square is not: Adagrad and AdamW would keep an infinite sum for good.</summary>
    public static TheoryData<float> Unsound => [float.NaN, float.PositiveInfinity, float.NegativeInfinity, 2e19f, -2e19f];

    [Fact]
    public void TheLoopOfTheDocs_LeavesABatchWithANaNOut()
    {
        var layout = SoftmaxLayout.Create(16, 400, [40, 120], 2.0, hasHeadBias: false);
        using var clean = new DynamicAdaptiveSoftmax(layout, seed: 3);
        using var dirty = new DynamicAdaptiveSoftmax(layout, seed: 3);
        using var cleanOptimizer = new AdamW();
        using var dirtyOptimizer = new AdamW();
        for (var step = 0; step < 5; step++)
        {
            if (step != 2) Assert.True(Advance(clean, cleanOptimizer, step, spoiled: false));
            Assert.Equal(step != 2, Advance(dirty, dirtyOptimizer, step, spoiled: step == 2));
        }

        for (var i = 0; i < clean.Parameters.Count; i++) Assert.Equal(clean.Parameters[i].Values, dirty.Parameters[i].Values);
        Assert.Equal(4, dirtyOptimizer.StepCount);

        static bool Advance(DynamicAdaptiveSoftmax softmax, Optimizer optimizer, int step, bool spoiled)
        {
            var random = new Random(step);
            float[] hidden = [.. Enumerable.Range(0, 32 * 16).Select(_ => (float)random.NextDouble())];
            int[] targets = [.. Enumerable.Range(0, 32).Select(_ => random.Next(400))];
            if (spoiled) hidden[(17 * 16) + 5] = float.NaN;
            var loss = softmax.Backward(hidden, targets, new float[hidden.Length]);
            Assert.Equal(spoiled, float.IsNaN(loss));
            Assert.Equal(spoiled, double.IsNaN(GradientClipping.ClipByGlobalNorm(softmax.Parameters, maxNorm: 1)));
            return optimizer.TryStep(softmax);
        }
    }

    [Theory]
    [MemberData(nameof(Unsound))]
    public void Step_RefusesAnUnsoundGradient_AndChangesNothing(float bad)
    {
        foreach (var at in (ReadOnlySpan<int>)[0, 7, 8, 40_000, (3 * 20_001) - 1])
        {
            using var optimizer = new Adagrad(0.1);
            using var first = new Parameter("first", 2, 2);
            using var second = new Parameter("second", 3, 20_001);
            first.TouchGradient().Fill(1);
            optimizer.Step(first);
            first.TouchGradient().Fill(1);
            second.TouchGradient().Fill(1);
            second.TouchGradient()[at] = bad;
            var before = first.Values.ToArray();
            var error = Assert.Throws<NotFiniteNumberException>(() => optimizer.Step(first, second));
            Assert.Contains($"'second' is", error.Message, StringComparison.Ordinal);
            Assert.Contains($"at [{at / 20_001}, {at % 20_001}]", error.Message, StringComparison.Ordinal);
            Assert.Equal(bad, error.OffendingNumber);
            Assert.Equal(before, first.Values);
            Assert.Equal(-1, second.Values.IndexOfAnyExcept(0f));
            Assert.Equal(1, optimizer.StepCount);
            Assert.True(first.HasGradient && second.HasGradient);

            Assert.False(optimizer.TryStep(first, second));
            Assert.Equal(before, first.Values);
            Assert.False(first.HasGradient || second.HasGradient);
            Assert.Equal(-1, second.Gradient.IndexOfAnyExcept(0f));
            Assert.Equal(1, optimizer.StepCount);
        }
    }

    [Theory]
    [MemberData(nameof(Unsound))]
    public void TouchedRows_AreCheckedToo(float bad)
    {
        using var optimizer = new AdamW();
        using var table = new Parameter("embedding.weight", 9_000, 33, GradientLayout.SparseRows);
        for (var row = 0; row < 9_000; row += 3) table.TouchGradientRow(row).Fill(1);
        table.TouchGradientRow(8_997)[32] = bad;
        Assert.Throws<NotFiniteNumberException>(() => optimizer.Step(table));
        Assert.False(optimizer.TryStep(table));
        Assert.Equal(-1, table.Values.IndexOfAnyExcept(0f));
        table.TouchGradientRow(5).Fill(1);
        Assert.True(optimizer.TryStep(table));
        Assert.Equal(33, table.Values.ToArray().Count(value => value != 0));
    }

    [Fact]
    public void WhatClippingFoundSound_IsLookedAtAgainOnceSomethingIsAdded()
    {
        using var optimizer = new Sgd(0.1);
        using var parameter = new Parameter("w", 1, 3);
        parameter.TouchGradient().Fill(1);
        Assert.True(double.IsFinite(GradientClipping.ClipByGlobalNorm([parameter], 1)));
        parameter.TouchGradientRow(0)[2] = float.NaN;
        Assert.False(optimizer.TryStep(parameter));
        parameter.TouchGradient().Fill(1);
        Assert.True(double.IsFinite(GradientClipping.ClipByGlobalNorm([parameter], 1)));
        parameter.TouchGradient()[0] = float.PositiveInfinity;
        Assert.False(optimizer.TryStep(parameter));
    }

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.NegativeInfinity)]
    public void Clipping_MayTakeANormThatIsNotFiniteForAnError(float bad)
    {
        using var sound = new Parameter("a", 1, 2);
        using var parameter = new Parameter("b", 2, 2);
        sound.TouchGradient().Fill(3);
        parameter.TouchGradient()[3] = bad;
        var error = Assert.Throws<NotFiniteNumberException>(() => GradientClipping.ClipByGlobalNorm([sound, parameter], 1, errorIfNonfinite: true));
        Assert.Contains("'b' is", error.Message, StringComparison.Ordinal);
        Assert.Contains("[1, 1]", error.Message, StringComparison.Ordinal);
        Assert.Equal(3, sound.Gradient[0]);
        sound.ZeroGradient();
        parameter.ZeroGradient();
        Assert.Equal(0, GradientClipping.ClipByGlobalNorm([sound, parameter], 1, errorIfNonfinite: true));
    }

    [Fact]
    public void NormBeyondFloat32_IsFinite_AndClips()
    {
        using var parameter = new Parameter("w", 1, 4);
        using var optimizer = new Sgd(0.5);
        parameter.TouchGradient().Fill(3e38f);
        Assert.Equal(6e38, GradientClipping.ClipByGlobalNorm([parameter], 1), 1e33);
        foreach (var value in parameter.Gradient) Assert.Equal(0.5f, value, 1e-6f);
        optimizer.Step(parameter);
        Assert.Equal(-0.25f, parameter.Values[0], 1e-6f);

        // A norm so large that float32 has no factor for it.
        using var large = new Parameter("large", 3_000, 4_001);
        large.TouchGradient().Fill(3e38f);
        var norm = 3e38 * Math.Sqrt(3_000.0 * 4_001);
        Assert.Equal(norm, GradientClipping.ClipByGlobalNorm([large], 1e-3), 1e-6 * norm);
        Assert.Equal(1e-3, GradientClipping.ClipByGlobalNorm([large], 1), 1e-8);
    }

    [Fact]
    public void AnInfiniteLimit_OnlyMeasures_AndAnswersForNothing()
    {
        using var optimizer = new Adagrad(0.5);
        using var parameter = new Parameter("w", 1, 4);
        parameter.TouchGradient().Fill(3e38f);
        Assert.Equal(6e38, GradientClipping.ClipByGlobalNorm([parameter], double.PositiveInfinity), 1e33);
        Assert.Equal(3e38f, parameter.Gradient[0]);
        Assert.False(optimizer.TryStep(parameter));
    }
}
