namespace AdaptiveSoftmax.Tests.Training;

/// <summary>Optimizers that are not the library's own.</summary>
public sealed class OwnOptimizerTests
{
    [Fact]
    public void Lion_FollowsItsFormulaInDouble_WithAnyThreads()
    {
        foreach (var threads in (ReadOnlySpan<int>)[1, 3])
        {
            using var optimizer = new Lion(0.01, 0.8, 0.95, 0.1) { Threads = threads };
            using var parameter = new Parameter("w", 33, 1_025);
            var random = new Random(4);
            Fill(parameter.WritableValues, random);
            double[] expected = [.. parameter.Values.ToArray().Select(value => (double)value)];
            var mean = new double[expected.Length];
            for (var step = 0; step < 5; step++)
            {
                var gradient = parameter.TouchGradient();
                Fill(gradient, random);
                for (var i = 0; i < expected.Length; i++)
                {
                    expected[i] = (expected[i] * (1 - (0.01 * 0.1))) - (0.01 * Math.Sign((0.8 * mean[i]) + (0.2 * gradient[i])));
                    mean[i] = (0.95 * mean[i]) + (0.05 * gradient[i]);
                }

                optimizer.Step(parameter);
            }

            // A sum next to 0 may have another sign in float32, which moves a value by twice the rate.
            var far = Enumerable.Range(0, expected.Length).Count(i => Math.Abs(expected[i] - parameter.Values[i]) > 1e-5);
            Assert.InRange(far, 0, 3);
            Assert.False(parameter.HasGradient);
        }
    }

    [Fact]
    public void AFormulaThatIsNoneOfSingleValues_ReachesRowsAndTheirState()
    {
        // Adagrad with one sum a row, in the row's first place.
        using var optimizer = new RowAdagrad(0.5);
        using var table = new Parameter("embedding.weight", 4, 3, GradientLayout.SparseRows);
        table.TouchGradientRow(2).Fill(2);
        optimizer.Step(table);
        Assert.Equal([0, 0, 0, 0, 0, 0, -0.5f, -0.5f, -0.5f, 0, 0, 0], table.Values.ToArray());
        Assert.False(table.HasGradient);
        Assert.Equal(-1, table.Gradient.IndexOfAnyExcept(0f));
        table.TouchGradientRow(2)[0] = 2;
        optimizer.Step(table);
        Assert.Equal(-0.5 - (0.5 * 2 / Math.Sqrt(4 + (4 / 3.0))), table.Values[6], 1e-6);
    }

    [Fact]
    public void WhatTheBaseNeeds_IsChecked()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => new Lion(-1));
        Assert.Throws<ArgumentOutOfRangeException>(() => new Lion(beta1: double.NaN));
        Assert.Contains("lack 'lr'", Assert.Throws<ArgumentException>(() => new Broken([])).Message, StringComparison.Ordinal);
        using var broken = new Broken(new Dictionary<string, double> { ["lr"] = 1 });
        using var parameter = new Parameter("w", 1, 1);
        parameter.TouchGradient()[0] = 1;
        Assert.Contains("1 state buffers and Broken keeps 0", Assert.Throws<InvalidOperationException>(() => broken.Step(parameter)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Settings_CanBeReadByName()
    {
        using var optimizer = new AdamW(0.5, beta2: 0.75) { LearningRate = 0.25 };
        Assert.Equal((0.25, 0.75, "adamw"), (optimizer.Settings["lr"], optimizer.Settings["beta2"], optimizer.Kind));
    }

    private static void Fill(Span<float> values, Random random)
    {
        foreach (ref var value in values) value = (float)((random.NextDouble() * 2) - 1);
    }

    private sealed class RowAdagrad(double learningRate) : Optimizer("row_adagrad", [new("lr", learningRate)])
    {
        protected override IReadOnlyList<StateBuffer> GetState(IReadOnlyDictionary<string, double> settings) => [new("sum")];

        protected override void Update(ParameterStep step)
        {
            foreach (var row in step.Parameter.TouchedRows)
            {
                var values = step.ValuesRow(row);
                var gradient = step.Parameter.GradientRow(row);
                ref var sum = ref step.StateRow(0, row)[0];
                var squares = 0f;
                foreach (var g in gradient) squares += g * g;
                sum += squares / gradient.Length;
                for (var i = 0; i < values.Length; i++) values[i] -= (float)step["lr"] * gradient[i] / MathF.Sqrt(sum);
            }
        }
    }

    private sealed class Broken(IEnumerable<KeyValuePair<string, double>> settings) : Optimizer("broken", settings)
    {
        protected override IReadOnlyList<StateBuffer> GetState(IReadOnlyDictionary<string, double> settings) => [];

        protected override void Update(ParameterStep step) => step.Run(default(OneBuffer));

        private readonly struct OneBuffer : IUpdateRule
        {
            public static int StateCount => 1;

            public void Update(ref System.Numerics.Vector<float> value, System.Numerics.Vector<float> gradient, ref System.Numerics.Vector<float> first, ref System.Numerics.Vector<float> second)
            {
            }
        }
    }
}
