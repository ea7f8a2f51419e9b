using System.Numerics;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tests.Training;

/// <summary>Finite gradients, and steps that go beyond float32 all the same.</summary>
public sealed class OverflowTests
{
    [Fact]
    public void AStepBeyondFloat32_SaysWhere_AndFinishesItself()
    {
        foreach (var columns in (ReadOnlySpan<int>)[1, 7, 8, 40_001])
        {
            foreach (var takesIt in (ReadOnlySpan<bool>)[true, false])
            {
                using var optimizer = new Sgd(9e17);
                using var first = new Parameter("first", 1, 3);
                using var second = new Parameter("second", 2, columns);
                foreach (var parameter in (Parameter[])[first, second]) parameter.TouchGradient().Fill(1e-18f);
                second.EditRow(1, row => row[^1] = -3.4028e38f);
                second.TouchGradientRow(1)[^1] = 1.7e19f;
                var error = Assert.Throws<NotFiniteNumberException>(() =>
                {
                    if (takesIt) optimizer.Step(first, second);
                    else optimizer.TryStep(first, second);
                });
                Assert.StartsWith($"'second' is -Infinity at [1, {columns - 1}] after a step at the learning rate 9E+17", error.Message, StringComparison.Ordinal);
                Assert.Equal(-0.9f, first.Values[2], 1e-6f);
                Assert.Equal(1, optimizer.StepCount);
                Assert.False(second.HasGradient);
                Assert.Equal(-1, second.Gradient.IndexOfAnyExcept(0f));

                // What overflowed once is not held against the next step.
                second.Edit(values => values.Clear());
                second.TouchGradient().Fill(1);
                optimizer.Step(first, second);
            }
        }
    }

    [Theory]
    [InlineData(4)]
    [InlineData(32_768 * 3)]
    public void AStateBeyondFloat32_IsSaidToo(int columns)
    {
        using var optimizer = new Growing();
        using var parameter = new Parameter("w", 1, columns);
        var error = Assert.Throws<NotFiniteNumberException>(() =>
        {
            for (var step = 0; step < 10; step++)
            {
                parameter.TouchGradientRow(0)[columns - 1] = 1;
                optimizer.Step(parameter);
            }
        });
        Assert.StartsWith($"The state 'second' of 'w' is Infinity at [0, {columns - 1}] after", error.Message, StringComparison.Ordinal);
        Assert.Equal(4, optimizer.StepCount);
    }

    [Fact]
    public void AdagradsSum_EndsAtTheLargestNumber_AndTheValueGoesOn()
    {
        using var optimizer = new Adagrad(0.1);
        using var parameter = new Parameter("w", 1, 19);
        for (var step = 0; step < 4; step++)
        {
            parameter.TouchGradient().Fill(1.8e19f);
            optimizer.Step(parameter);
        }

        // 0.1 at first, 0.1 · 1.8e19 / √float.MaxValue from then on.
        Assert.All(parameter.Values.ToArray(), value => Assert.Equal(-0.1 - (3 * 0.1 * 1.8e19 / Math.Sqrt(float.MaxValue)), value, 1e-6));
    }

    [Fact]
    public void ARateThatAloneWouldOverflow_IsRefusedBeforeAnythingMoves()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => new Sgd(1e30));
        using var optimizer = new Sgd(0.1);
        Assert.Throws<ArgumentOutOfRangeException>(() => optimizer.LearningRate = 1e18);
        Assert.Equal(0.1, optimizer.LearningRate);
        Assert.Throws<ArgumentOutOfRangeException>(() => optimizer.AddGroup([], learningRateFactor: 1e18));
        optimizer.LearningRate = 9e17;
    }

    [Fact]
    public void ASpanThatIsKeptOverClipping_BringsNoNaNPastTheStep()
    {
        using var optimizer = new Sgd(0.1);
        using var dense = new Parameter("dense", 2, 3);
        using var sparse = new Parameter("sparse", 4, 3, GradientLayout.SparseRows);
        var kept = dense.TouchGradient();
        var keptRow = sparse.TouchGradientRow(2);
        kept.Fill(1);
        keptRow.Fill(1);
        GradientClipping.ClipByGlobalNorm([dense, sparse], 1);
        keptRow[1] = float.NaN;
        Assert.False(optimizer.TryStep(dense, sparse));

        // Kept over a step as well.
        MatrixKernels.AddWeightGradient([1, 1], [1, 1, 1], dense);
        GradientClipping.ClipByGlobalNorm([dense, sparse], 1);
        kept[4] = float.PositiveInfinity;
        Assert.False(optimizer.TryStep(dense, sparse));
        Assert.Equal(-1, dense.Values.IndexOfAnyExcept(0f));
        Assert.Equal(-1, sparse.Values.IndexOfAnyExcept(0f));
    }

    [Fact]
    public void ABackwardPassAfterClipping_IsLookedAt()
    {
        using var softmax = new DynamicAdaptiveSoftmax(SoftmaxLayout.Create(4, 12, [5, 8], [2, 1]));
        using var optimizer = new Sgd(0.1);
        float[] hidden = [1, -1, 0.5f, 2];
        softmax.Backward(hidden, [3]);
        GradientClipping.ClipByGlobalNorm(softmax.Parameters, 1);
        hidden[2] = float.NaN;
        softmax.Backward(hidden, [3]);
        Assert.False(optimizer.TryStep(softmax));
    }

    /// <summary>What a value that is not finite does to a loss: it is its own row's, as in decoding, and nothing throws.</summary>
    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    public void ARowThatIsNotFinite_HasNoLoss_AndAllOthersHaveTheirs(float bad)
    {
        using var softmax = new DynamicAdaptiveSoftmax(SoftmaxLayout.Create(4, 12, [5, 8], [2, 1]));
        foreach (var rows in (ReadOnlySpan<int>)[2, 40])
        {
            float[] hidden = [.. Enumerable.Range(0, rows * 4).Select(i => MathF.Sin(i))];
            int[] targets = [.. Enumerable.Range(0, rows).Select(i => i * 5 % 12)];
            var (expected, expectedLogProbs, losses, logProbs) = (new float[rows], new float[rows], new float[rows], new float[rows]);
            softmax.Forward(hidden, targets, expectedLogProbs, losses: expected);
            hidden[5] = bad;
            Assert.True(float.IsNaN(softmax.Loss(hidden, targets)));
            Assert.True(float.IsNaN(softmax.Forward(hidden, targets, logProbs, losses: losses)));
            Assert.True(float.IsNaN(softmax.Backward(hidden, targets)));
            (expected[1], expectedLogProbs[1]) = (float.NaN, float.NaN);
            Assert.Equal(expected, losses);
            Assert.Equal(expectedLogProbs, logProbs);
            Assert.NotNull(Record.Exception(() => new Sgd(0.1).Step(softmax)));
            foreach (var parameter in softmax.Parameters) parameter.ZeroGradient();

            // An ignored row is not read.
            targets[1] = -100;
            Assert.True(float.IsFinite(softmax.Backward(hidden, targets)));
            new Sgd(0.1).Step(softmax);
        }
    }

    /// <summary>Leaves values alone; a state that had a gradient grows by 1e10 with every step.</summary>
    private sealed class Growing() : Optimizer("growing", [new("lr", 1)])
    {
        protected override IReadOnlyList<StateBuffer> GetState(IReadOnlyDictionary<string, double> settings) => [new("first"), new("second")];

        protected override void Update(ParameterStep step) => step.Run(default(Rule));

        private readonly struct Rule : IUpdateRule
        {
            public static int StateCount => 2;

            public void Update(ref Vector<float> value, Vector<float> gradient, ref Vector<float> first, ref Vector<float> second) =>
                second = (second + gradient) * new Vector<float>(1e10f);
        }
    }
}
