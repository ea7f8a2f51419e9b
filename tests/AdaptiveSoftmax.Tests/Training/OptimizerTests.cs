namespace AdaptiveSoftmax.Tests.Training;

public sealed class OptimizerTests
{
    /// <summary>Each case by name: how to create ours and the reference.</summary>
    private static readonly Dictionary<string, (Func<Optimizer> Ours, Func<ReferenceOptimizer> Reference)> s_cases = new()
    {
        ["sgd"] = (() => new Sgd(0.1), () => new ReferenceOptimizer.Sgd(0.1, 0, 0, 0, false)),
        ["sgd decay"] = (() => new Sgd(0.1, weightDecay: 0.3), () => new ReferenceOptimizer.Sgd(0.1, 0, 0, 0.3, false)),
        ["sgd momentum"] = (() => new Sgd(0.1, 0.9, 0.4, 0.02), () => new ReferenceOptimizer.Sgd(0.1, 0.9, 0.4, 0.02, false)),
        ["sgd nesterov"] = (() => new Sgd(0.1, 0.8, nesterov: true, weightDecay: 0.1), () => new ReferenceOptimizer.Sgd(0.1, 0.8, 0, 0.1, true)),
        ["adagrad"] = (() => new Adagrad(0.1), () => new ReferenceOptimizer.Adagrad(0.1, 0, 0, 0, 1e-10)),
        ["adagrad all"] = (() => new Adagrad(0.1, 0.2, 0.05, 0.7, 1e-2), () => new ReferenceOptimizer.Adagrad(0.1, 0.2, 0.05, 0.7, 1e-2)),
        ["adamw"] = (() => new AdamW(), () => new ReferenceOptimizer.AdamW(1e-3, 0.9, 0.999, 1e-8, 1e-2)),
        ["adamw all"] = (() => new AdamW(0.05, 0.7, 0.95, 1e-3, 0.2), () => new ReferenceOptimizer.AdamW(0.05, 0.7, 0.95, 1e-3, 0.2)),
    };

    public static TheoryData<string> Cases => [.. s_cases.Keys];

    /// <summary>Dampening sets a sparse row's first step apart from a dense parameter's.</summary>
    public static TheoryData<string> UndampenedCases => [.. s_cases.Keys.Where(name => name != "sgd momentum")];

    [Theory]
    [MemberData(nameof(Cases))]
    public void SixSteps_AgreeWithPyTorchsFormulasInDouble(string name)
    {
        foreach (var (rows, columns) in new[] { (1, 1), (3, 5), (7, 19), (33, 1025) })
        {
            using var optimizer = s_cases[name].Ours();
            using var parameter = new Parameter("w", rows, columns);
            var reference = s_cases[name].Reference();
            var random = new Random(rows);
            Fill(parameter.WritableValues, random);
            var expected = ToDouble(parameter.Values);
            for (var step = 0; step < 6; step++)
            {
                Fill(parameter.TouchGradient(), random);
                reference.Step(expected, ToDouble(parameter.Gradient));
                optimizer.Step(parameter);
                AssertClose(expected, parameter.Values);
                Assert.False(parameter.HasGradient);
            }

            Assert.Equal(6, optimizer.StepCount);
        }
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public unsafe void Step_LeavesAZeroGradient(string name)
    {
        using var optimizer = s_cases[name].Ours();
        using var parameter = new Parameter("w", 9, 11);
        parameter.TouchGradient().Fill(2);
        optimizer.Step(parameter);
        Assert.Equal(-1, new Span<float>(parameter.GradientPointer, 99).IndexOfAnyExcept(0f));
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void SparseRows_AreSteppedAsIfTheyWereParametersOfTheirOwn(string name)
    {
        const int Columns = 13;
        using var optimizer = s_cases[name].Ours();
        using var parameter = new Parameter("embedding.weight", 70, Columns, GradientLayout.SparseRows);
        var random = new Random(3);
        Fill(parameter.WritableValues, random);
        var before = parameter.Values.ToArray();

        // Rows are touched in every step, so that each has the step count of the whole; 8 is never touched.
        var rows = new[] { 69, 4, 33 };
        var expected = rows.ToDictionary(row => row, row => ToDouble(parameter.Row(row)));
        var reference = rows.ToDictionary(row => row, _ => CreateSparseReference(name));
        for (var step = 0; step < 4; step++)
        {
            foreach (var row in rows)
            {
                Fill(parameter.TouchGradientRow(row), random);
                reference[row].Step(expected[row], ToDouble(parameter.GradientRow(row)));
            }

            optimizer.Step(parameter);
            Assert.True(parameter.TouchedRows.IsEmpty);
        }

        foreach (var row in rows) AssertClose(expected[row], parameter.Row(row));
        for (var row = 0; row < 70; row++)
        {
            if (!rows.Contains(row))
                Assert.Equal(before.AsSpan(row * Columns, Columns), parameter.Row(row));
        }
    }

    [Theory]
    [MemberData(nameof(UndampenedCases))]
    public void SparseRowsThatAreAllTouched_AreSteppedToTheBitsOfADenseParameter(string name)
    {
        const int Rows = 4_000;
        const int Columns = 33;
        using var ours = s_cases[name].Ours();
        using var dense = new Parameter("w", Rows, Columns);
        using var sparse = new Parameter("embedding.weight", Rows, Columns, GradientLayout.SparseRows);
        Fill(dense.WritableValues, new Random(1));
        dense.Values.CopyTo(sparse.WritableValues);
        for (var step = 0; step < 3; step++)
        {
            Fill(dense.TouchGradient(), new Random(step));
            for (var row = 0; row < Rows; row++) dense.GradientRow(row).CopyTo(sparse.TouchGradientRow(row));
            ours.Step(dense, sparse);
        }

        Assert.True(dense.Values.SequenceEqual(sparse.Values));
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void SparseRows_DoNotDependOnTheOrderOfTouching(string name)
    {
        float[] Train(bool reversed)
        {
            using var optimizer = s_cases[name].Ours();
            using var parameter = new Parameter("embedding.weight", 3_000, 33, GradientLayout.SparseRows);
            Fill(parameter.WritableValues, new Random(5));
            for (var step = 0; step < 3; step++)
            {
                var rows = Enumerable.Range(0, 3_000).Where(row => (row * 7) % (step + 2) == 0);
                foreach (var row in reversed ? rows.Reverse() : rows)
                    Fill(parameter.TouchGradientRow(row), new Random(row));
                optimizer.Step(parameter);
            }

            return parameter.Values.ToArray();
        }

        Assert.Equal(Train(false), Train(true));
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void ThreadCount_ChangesNoBit(string name)
    {
        float[] Train(int threads)
        {
            using var optimizer = s_cases[name].Ours();
            optimizer.Threads = threads;
            using var dense = new Parameter("w", 301, 519);
            using var sparse = new Parameter("embedding.weight", 9_000, 33, GradientLayout.SparseRows);
            Fill(dense.WritableValues, new Random(1));
            Fill(sparse.WritableValues, new Random(2));
            for (var step = 0; step < 3; step++)
            {
                Fill(dense.TouchGradient(), new Random(step));
                for (var row = 8_999 - step; row > 0; row -= 2) Fill(sparse.TouchGradientRow(row), new Random(row));
                GradientClipping.ClipByGlobalNorm([dense, sparse], 3 + step, threads: threads);
                optimizer.Step(dense, sparse);
            }

            return [.. dense.Values, .. sparse.Values];
        }

        var expected = Train(1);
        Assert.Equal(expected, Train(2));
        Assert.Equal(expected, Train(5));
    }

    [Fact]
    public void FullStepOfASteadyRun_AllocatesNothing()
    {
        using var optimizer = new AdamW { Threads = 1 };
        using var dense = new Parameter("w", 30, 50);
        using var sparse = new Parameter("embedding.weight", 90, 33, GradientLayout.SparseRows);
        IReadOnlyList<Parameter> parameters = [dense, sparse];
        var allocated = 0L;
        for (var step = 0; step < 40; step++)
        {
            allocated = GC.GetAllocatedBytesForCurrentThread();
            dense.TouchGradient()[step] = 1;
            sparse.TouchGradientRow(step % 3)[0] = 1;
            optimizer.Step(parameters);
            allocated = GC.GetAllocatedBytesForCurrentThread() - allocated;
        }

        // The enumerator of an interface is the one allocation left.
        Assert.InRange(allocated, 0, 64);
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void ParameterWithoutGradient_IsSkippedAndItsStepsDoNotCount(string name)
    {
        using var optimizer = s_cases[name].Ours();
        using var late = new Parameter("late", 2, 3);
        using var early = new Parameter("early", 2, 3);
        late.WritableValues.Fill(1.5f);
        early.WritableValues.Fill(1.5f);
        for (var step = 0; step < 3; step++)
        {
            early.TouchGradient().Fill(0.25f);
            optimizer.Step(early, late);
        }

        Assert.Equal(-1, late.Values.IndexOfAnyExcept(1.5f));
        for (var step = 0; step < 3; step++)
        {
            late.TouchGradient().Fill(0.25f);
            optimizer.Step(early, late);
        }

        Assert.Equal(early.Values, late.Values);
        Assert.Equal(6, optimizer.StepCount);
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void EmptyAndRepeatedParameters_AreSteppedOnce(string name)
    {
        using var optimizer = s_cases[name].Ours();
        using var once = s_cases[name].Ours();
        using var empty = new Parameter("empty", 0, 4);
        using var repeated = new Parameter("w", 1, 3);
        using var single = new Parameter("w", 1, 3);
        Assert.True(empty.TouchGradient().IsEmpty);
        repeated.TouchGradient().Fill(1);
        single.TouchGradient().Fill(1);
        optimizer.Step(empty, repeated, repeated);
        once.Step(single);
        Assert.Equal(single.Values, repeated.Values);
        optimizer.Step();
    }

    [Fact]
    public void Sgd_MatchesHandComputedSteps()
    {
        using var optimizer = new Sgd(learningRate: 0.5, momentum: 0.5);
        using var parameter = new Parameter("w", 1, 1);
        parameter.WritableValues[0] = 1;
        StepWith(optimizer, parameter, 0.5f);
        Assert.Equal(0.75f, parameter.Values[0]);     // buffer 0.5
        StepWith(optimizer, parameter, 0.25f);
        Assert.Equal(0.5f, parameter.Values[0]);      // buffer 0.5 * 0.5 + 0.25 = 0.5
        StepWith(optimizer, parameter, -0.25f);
        Assert.Equal(0.5f, parameter.Values[0]);      // buffer 0.5 * 0.5 - 0.25 = 0
    }

    [Fact]
    public void Adagrad_MatchesHandComputedSteps()
    {
        using var optimizer = new Adagrad(learningRate: 0.5);
        using var parameter = new Parameter("w", 1, 1);
        parameter.WritableValues[0] = 1;
        StepWith(optimizer, parameter, 3);
        Assert.Equal(0.5f, parameter.Values[0], 1e-6f);     // sum 9: 1 - 0.5 * 3 / 3
        StepWith(optimizer, parameter, -4);
        Assert.Equal(0.9f, parameter.Values[0], 1e-6f);     // sum 25: 0.5 + 0.5 * 4 / 5
    }

    [Fact]
    public void AdamW_MatchesHandComputedFirstStep()
    {
        // In the first step the corrected mean is the gradient and the root of the corrected square its size.
        using var optimizer = new AdamW(learningRate: 0.1, weightDecay: 0.5);
        using var parameter = new Parameter("w", 1, 2);
        parameter.WritableValues[0] = 2;
        parameter.WritableValues[1] = -4;
        parameter.TouchGradient()[0] = 7;
        parameter.TouchGradient()[1] = -0.001f;
        optimizer.Step(parameter);
        Assert.Equal(1.8f, parameter.Values[0], 1e-5f);     // 2 * 0.95 - 0.1
        Assert.Equal(-3.7f, parameter.Values[1], 1e-5f);    // -4 * 0.95 + 0.1
    }

    [Fact]
    public void LearningRate_MayChangeBetweenSteps()
    {
        using var optimizer = new Sgd(learningRate: 1);
        using var parameter = new Parameter("w", 1, 1);
        StepWith(optimizer, parameter, 1);
        optimizer.LearningRate = 0.25;
        StepWith(optimizer, parameter, 1);
        Assert.Equal(-1.25f, parameter.Values[0]);
    }

    [Fact]
    public void ArgumentsOutOfRange_AreRefused()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => new Sgd(-1));
        Assert.Throws<ArgumentOutOfRangeException>(() => new Sgd(double.NaN));
        Assert.Throws<ArgumentOutOfRangeException>(() => new Sgd(momentum: -0.1));
        Assert.Throws<ArgumentOutOfRangeException>(() => new Sgd(weightDecay: double.PositiveInfinity));
        Assert.Throws<ArgumentException>(() => new Sgd(nesterov: true));
        Assert.Throws<ArgumentException>(() => new Sgd(momentum: 0.9, dampening: 0.1, nesterov: true));
        Assert.Throws<ArgumentOutOfRangeException>(() => new Adagrad(epsilon: -1));
        Assert.Throws<ArgumentOutOfRangeException>(() => new Adagrad(learningRateDecay: -1));
        Assert.Throws<ArgumentOutOfRangeException>(() => new AdamW(beta1: 1));
        Assert.Throws<ArgumentOutOfRangeException>(() => new AdamW(beta2: double.NaN));
    }

    [Fact]
    public void DisposedOptimizer_RefusesToStep()
    {
        using var parameter = new Parameter("w", 1, 1);
        var optimizer = new AdamW();
        StepWith(optimizer, parameter, 1);
        optimizer.Dispose();
        optimizer.Dispose();
        Assert.Throws<ObjectDisposedException>(() => StepWith(optimizer, parameter, 1));
    }

    [Fact]
    public void DisposedParameters_AreRefusedBeforeAnythingMoves()
    {
        using var optimizer = new AdamW();
        using var parameter = new Parameter("w", 1, 1);
        var gone = new Parameter("gone", 1, 1);
        parameter.TouchGradient().Fill(1);
        gone.TouchGradient().Fill(1);
        gone.Dispose();
        Assert.Throws<ObjectDisposedException>(() => optimizer.Step(parameter, gone));
        Assert.Throws<ObjectDisposedException>(() => optimizer.TryStep(parameter, gone));
        Assert.Throws<ObjectDisposedException>(() => GradientClipping.ClipByGlobalNorm([parameter, gone], 1e-3));
        Assert.Equal((0, 0f, 1f), (optimizer.StepCount, parameter.Values[0], parameter.Gradient[0]));
    }

    [Fact]
    public void DisposedLayer_IsRefused()
    {
        using var optimizer = new Sgd();
        var layer = new DynamicAdaptiveSoftmax(Vocabulary.SoftmaxLayout.Create(4, 20, [5], 2));
        layer.Backward(new float[4], [7], new float[4]);
        layer.Dispose();
        Assert.Throws<ObjectDisposedException>(() => optimizer.Step(layer));
        Assert.Throws<ObjectDisposedException>(() => optimizer.TryStep(layer));
        Assert.Throws<ObjectDisposedException>(() => GradientClipping.ClipByGlobalNorm(layer.Parameters, 1));
        Assert.Throws<ObjectDisposedException>(() => layer.Backward(new float[4], [7], new float[4]));
        Assert.Throws<ObjectDisposedException>(() => layer.Initialize(1));
        Assert.Equal(0, optimizer.StepCount);
    }

    // A sparse row's buffer starts from 0 and dampens its first gradient as well.
    private static ReferenceOptimizer CreateSparseReference(string name) =>
        name == "sgd momentum" ? new ReferenceOptimizer.SparseSgd(0.1, 0.9, 0.4, 0.02) : s_cases[name].Reference();

    private static void StepWith(Optimizer optimizer, Parameter parameter, float gradient)
    {
        parameter.TouchGradient().Fill(gradient);
        optimizer.Step(parameter);
    }

    private static void Fill(Span<float> values, Random random)
    {
        foreach (ref var value in values) value = (float)((random.NextDouble() * 2) - 1);
    }

    private static double[] ToDouble(ReadOnlySpan<float> values)
    {
        var result = new double[values.Length];
        for (var i = 0; i < result.Length; i++) result[i] = values[i];
        return result;
    }

    private static void AssertClose(double[] expected, ReadOnlySpan<float> actual)
    {
        Assert.Equal(expected.Length, actual.Length);
        for (var i = 0; i < expected.Length; i++)
        {
            if (!(Math.Abs(expected[i] - actual[i]) <= 2e-6 * Math.Max(1, Math.Abs(expected[i]))))
                Assert.Fail($"Value {i} is {actual[i]:R}, expected {expected[i]:R}.");
        }
    }
}
