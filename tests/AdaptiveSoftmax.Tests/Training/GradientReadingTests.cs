using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tests.Training;

/// <summary>Reading a gradient, for a log say, is not using it.</summary>
public sealed class GradientReadingTests
{
    [Fact]
    public void ReadingTheGradientOfAnUntouchedTail_LeavesTheNextStepAsItWas()
    {
        var layout = SoftmaxLayout.Create(16, 400, [40, 120], 2.0, hasHeadBias: false);
        using var read = new DynamicAdaptiveSoftmax(layout, seed: 3);
        using var plain = new DynamicAdaptiveSoftmax(layout, seed: 3);
        using var readOptimizer = new AdamW(0.1, weightDecay: 0.5);
        using var plainOptimizer = new AdamW(0.1, weightDecay: 0.5);
        var hidden = new float[16];
        hidden[3] = 1;
        for (var step = 0; step < 4; step++)
        {
            // The second tail has no target but in the first step.
            int[] targets = [step == 0 ? 399 : 50];
            read.Backward(hidden, targets, new float[16]);
            plain.Backward(hidden, targets, new float[16]);
            foreach (var parameter in read.Parameters)
            {
                var had = parameter.HasGradient;
                var sum = 0f;
                foreach (var value in parameter.Gradient) sum += MathF.Abs(value);
                for (var row = 0; row < parameter.Rows; row++) sum += MathF.Abs(parameter.GradientRow(row)[0]);
                Assert.Equal(had, parameter.HasGradient);
                if (!had) Assert.Equal(0, sum);
            }

            readOptimizer.Step(read);
            plainOptimizer.Step(plain);
        }

        for (var i = 0; i < plain.Parameters.Count; i++) Assert.Equal(plain.Parameters[i].Values, read.Parameters[i].Values);
    }

    [Fact]
    public void ReadingRowsOfASparseGradient_TouchesNone()
    {
        using var table = new Parameter("embedding.weight", 5, 2, GradientLayout.SparseRows);
        table.TouchGradientRow(3)[1] = 7;
        for (var row = 0; row < 5; row++) Assert.Equal(row == 3 ? 7 : 0, table.GradientRow(row)[1]);
        Assert.Equal([0, 0, 0, 0, 0, 0, 0, 7, 0, 0], table.Gradient.ToArray());
        Assert.Equal([3], table.TouchedRows.ToArray());
        table.ZeroGradient();
        Assert.Equal(-1, table.Gradient.IndexOfAnyExcept(0f));
        Assert.False(table.HasGradient);
    }

    [Fact]
    public void GradientsThatWereRead_AreNoneForClippingAndSteps()
    {
        using var optimizer = new AdamW(0.1, weightDecay: 0.5);
        using var parameter = new Parameter("w", 2, 2);
        parameter.WritableValues.Fill(1);
        Assert.Equal(4, parameter.Gradient.Length);
        Assert.Equal(0, GradientClipping.ClipByGlobalNorm([parameter], 1));
        optimizer.Step(parameter);
        Assert.Equal(-1, parameter.Values.IndexOfAnyExcept(1f));
    }
}
