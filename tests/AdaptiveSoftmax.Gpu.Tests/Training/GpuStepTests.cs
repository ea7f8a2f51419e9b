using System.Globalization;
using AdaptiveSoftmax.Tests.Checkpoints;
using AdaptiveSoftmax.Vocabulary;
using ILGPU;
using ILGPU.Runtime;

namespace AdaptiveSoftmax.Gpu.Tests.Training;

/// <summary>Steps on a device that are taken whole or not at all, and what they refuse.</summary>
public abstract class GpuStepTests
{
    private static readonly SoftmaxLayout s_layout = SoftmaxLayout.Create(20, 60, [15, 30], [9, 4], hasHeadBias: true);

    public static TheoryData<float> Faults => [float.NaN, -float.NaN, float.PositiveInfinity, float.NegativeInfinity, 2e19f, -3e38f];

    private protected abstract Accelerator Accelerator { get; }

    [Theory]
    [MemberData(nameof(Faults))]
    public void AGradientThatIsNotFinite_LeavesTheWholeStepOut(float fault)
    {
        using var layer = new DynamicGpuSoftmax(Accelerator, s_layout, seed: 2);
        using var table = new GpuParameter(Accelerator, "table", 9, 5, gradientLayout: GradientLayout.SparseRows);
        using var optimizer = new GpuOptimizer(new AdamW(0.1, weightDecay: 0.5));
        GpuParameter[] parameters = [.. layer.Parameters, table];
        Backward(layer, table, inTable: 1);
        Assert.True(optimizer.TryStep(parameters));
        var before = parameters.Select(Values).ToArray();
        foreach (var inHead in new[] { true, false })
        {
            Backward(layer, table, inHead ? 1 : fault);
            if (inHead) layer.Parameters[0].TouchGradient().SubView(44, 1).CopyFromCPU([fault]);
            Assert.False(optimizer.TryStep(parameters));
            Assert.Equal(before, parameters.Select(Values));
            Assert.All(parameters, parameter => Assert.False(parameter.HasGradient()));
            Assert.All(parameters, parameter => Assert.All(Gradient(parameter), value => Assert.Equal(0, value)));
        }

        Assert.Equal((2, 1), (optimizer.ReadLeftOutSteps(), optimizer.StepCount));
        Assert.All(parameters, parameter => Assert.Equal(1, optimizer.ReadSteps(parameter)));

        // Training goes on as if the two batches had not been there.
        Backward(layer, table, inTable: 1);
        Assert.True(optimizer.TryStep(parameters));
        Assert.All(parameters.Zip(before), pair => Assert.NotEqual(pair.Second, Values(pair.First)));
        using var other = new DynamicGpuSoftmax(Accelerator, s_layout, seed: 2);
        using var otherTable = new GpuParameter(Accelerator, "table", 9, 5, gradientLayout: GradientLayout.SparseRows);
        using var otherOptimizer = new GpuOptimizer(new AdamW(0.1, weightDecay: 0.5));
        GpuParameter[] others = [.. other.Parameters, otherTable];
        for (var step = 0; step < 2; step++)
        {
            Backward(other, otherTable, inTable: 1);
            otherOptimizer.Step(others);
        }

        Assert.Equal(others.Select(Values), parameters.Select(Values));
    }

    [Fact]
    public void TheLargestGradientWhoseSquareIsFinite_IsTaken()
    {
        using var parameter = new GpuParameter(Accelerator, "weight", 3, 5);
        using var optimizer = new GpuOptimizer(new Sgd(1e-19));
        parameter.TouchGradient().SubView(2, 1).CopyFromCPU([BitConverter.Int32BitsToSingle(0x5F7FFFFF)]);
        Assert.True(optimizer.TryStep(parameter));
        Assert.Equal(-1.8446743f, Values(parameter)[2], 1e-5f);
    }

    [Fact]
    public void LeftOutSteps_AreInNoCheckpoint()
    {
        using var folder = new TemporaryFolder();
        using var parameter = new GpuParameter(Accelerator, "weight", 3, 5);
        using var optimizer = new GpuOptimizer(new Adagrad(0.1));
        foreach (var value in new[] { 1, float.NaN, 2 })
        {
            parameter.TouchGradient().SubView(2, 1).CopyFromCPU([value]);
            optimizer.Step(parameter);
        }

        new GpuCheckpoint([parameter], optimizer).Save(folder["run.safetensors"]);
        using var host = new Parameter("weight", 3, 5);
        using var rule = new Adagrad();
        new Checkpoint([host], rule).Restore(folder["run.safetensors"]);
        Assert.Equal(2, rule.StepCount);
        new GpuCheckpoint([parameter], optimizer).Restore(folder["run.safetensors"]);
        Assert.Equal((2, 0), (optimizer.StepCount, optimizer.ReadLeftOutSteps()));
    }

    [Fact]
    public void ReadingAGradient_ChangesNothing()
    {
        using var layer = new DynamicGpuSoftmax(Accelerator, s_layout, seed: 2);
        using var table = new GpuParameter(Accelerator, "table", 9, 5, gradientLayout: GradientLayout.SparseRows);
        using var optimizer = new GpuOptimizer(new AdamW(0.1, weightDecay: 0.5));
        GpuParameter[] parameters = [.. layer.Parameters, table];
        // No target lies in the last tail, and no row of the table is touched.
        layer.Backward(new float[2 * 20], [3, 20], new float[2 * 20]);
        GpuParameter[] untouched = [parameters[^3], parameters[^2], table];
        var before = untouched.Select(Values).ToArray();
        Assert.All(untouched, parameter => Assert.All(Gradient(parameter), value => Assert.Equal(0, value)));
        optimizer.Step(parameters);
        Assert.Equal(before, untouched.Select(Values));
        Assert.All(untouched, parameter => Assert.Equal(0, optimizer.ReadSteps(parameter)));
    }

    [Fact]
    public void DisposedParameters_AreRefusedBeforeAnythingMoves_AndTheirStateGoes()
    {
        using var parameter = new GpuParameter(Accelerator, "weight", 3, 5);
        using var optimizer = new GpuOptimizer(new Adagrad(0.1));
        var gone = new GpuParameter(Accelerator, "gone", 30, 50);
        Touch(parameter, gone);
        optimizer.Step(parameter, gone);
        var (before, bytes) = (Values(parameter), optimizer.StateBytes);
        gone.Dispose();
        Assert.True(optimizer.StateBytes < bytes / 2);
        Touch(parameter);
        Assert.Throws<ObjectDisposedException>(() => optimizer.Step(parameter, gone));
        Assert.Throws<ObjectDisposedException>(() => optimizer.TryStep(gone));
        Assert.Equal(1, optimizer.StepCount);
        Assert.Equal(before, Values(parameter));
        optimizer.Step(parameter);
        Assert.NotEqual(before, Values(parameter));
        var layer = new DynamicGpuSoftmax(Accelerator, s_layout, seed: 2);
        layer.Dispose();
        Assert.Throws<ObjectDisposedException>(() => optimizer.Step(layer));
        optimizer.Dispose();
        Assert.Throws<ObjectDisposedException>(() => optimizer.Step(parameter));
        Assert.Throws<ObjectDisposedException>(() => optimizer.ReadLeftOutSteps());

        static void Touch(params GpuParameter[] parameters)
        {
            foreach (var one in parameters) one.TouchGradient().SubView(0, 1).CopyFromCPU([1f]);
        }
    }

    [Fact]
    public void TwoOptimizersOfOneParameter_CountTheirOwnSteps()
    {
        using var parameter = new GpuParameter(Accelerator, "weight", 3, 5);
        using var host = new Parameter("weight", 3, 5);
        using var first = new GpuOptimizer(new AdamW(0.1));
        using var second = new GpuOptimizer(new Adagrad(0.1, learningRateDecay: 0.5));
        using var hostFirst = new AdamW(0.1);
        using var hostSecond = new Adagrad(0.1, learningRateDecay: 0.5);
        for (var step = 0; step < 6; step++)
        {
            parameter.TouchGradient().SubView(1, 1).CopyFromCPU([step - 2f]);
            host.TouchGradient()[1] = step - 2f;
            if (step % 3 == 0)
            {
                second.Step(parameter);
                hostSecond.Step(host);
            }
            else
            {
                first.Step(parameter);
                hostFirst.Step(host);
            }
        }

        Assert.Equal(host.Values[1], Values(parameter)[1], 1e-5f);
    }

    [Fact]
    public void ACheckpoint_IsWholeOrRefused()
    {
        using var folder = new TemporaryFolder();
        using var one = new GpuParameter(Accelerator, "one", 3, 5);
        using var other = new GpuParameter(Accelerator, "other", 3, 5);
        var optimizer = new GpuOptimizer(new Adagrad(0.1));
        foreach (var parameter in new[] { one, other }) parameter.TouchGradient().SubView(0, 1).CopyFromCPU([1f]);
        optimizer.Step(one, other);
        AssertRefused("'other'", new GpuCheckpoint([one], optimizer));
        using (var second = new GpuOptimizer(new AdamW(0.1)))
        {
            AssertRefused("'one' was stepped by an optimizer", new GpuCheckpoint([one, other], second));
            other.TouchGradient().SubView(0, 1).CopyFromCPU([1f]);
            second.Step(other);
            AssertRefused("'other' was stepped by an optimizer", new GpuCheckpoint([one, other], optimizer));
            AssertRefused("Two optimizers", new GpuCheckpoint([one, other], optimizer, second));
        }

        Assert.Throws<ArgumentException>(() => new GpuCheckpoint([one], optimizer, optimizer));
        optimizer.Dispose();
        Assert.Throws<ObjectDisposedException>(() => new GpuCheckpoint([one, other], optimizer).Save(folder["run"]));
        Assert.False(File.Exists(folder["run"]));

        void AssertRefused(string message, GpuCheckpoint checkpoint) =>
            Assert.Contains(message, Assert.Throws<InvalidOperationException>(() => checkpoint.Save(folder["run"])).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void ACheckpointOfTwoOptimizers_GoesOnOnTheCpuAndBack()
    {
        using var folder = new TemporaryFolder();
        using var matrix = new GpuParameter(Accelerator, "matrix", 3, 5);
        using var bias = new GpuParameter(Accelerator, "bias", 5, 1, isVector: true);
        using var first = new GpuOptimizer(new AdamW(0.1, weightDecay: 0.5));
        using var second = new GpuOptimizer(new Adagrad(0.2));
        Step(first, matrix, 1);
        Step(first, matrix, 2);
        Step(second, bias, 3);
        new GpuCheckpoint([matrix, bias], first, second).Save(folder["run.safetensors"]);

        using var hostMatrix = new Parameter("matrix", 3, 5);
        using var hostBias = Parameter.CreateVector("bias", 5);
        using var hostFirst = new AdamW();
        using var hostSecond = new Adagrad();
        var host = new Checkpoint([hostMatrix, hostBias], hostFirst, hostSecond);
        host.Restore(folder["run.safetensors"]);
        Assert.Equal((2, 1), (hostFirst.StepCount, hostSecond.StepCount));
        host.Save(folder["back.safetensors"]);
        Step(first, matrix, 4);
        Step(second, bias, 5);
        var (expected, expectedBias) = (Values(matrix), Values(bias));
        new GpuCheckpoint([matrix, bias], first, second).Restore(folder["back.safetensors"]);
        Step(first, matrix, 4);
        Step(second, bias, 5);
        Assert.Equal(expected, Values(matrix));
        Assert.Equal(expectedBias, Values(bias));

        static void Step(GpuOptimizer optimizer, GpuParameter parameter, float gradient)
        {
            parameter.TouchGradient().SubView(1, 1).CopyFromCPU([gradient]);
            optimizer.Step(parameter);
        }
    }

    [Fact]
    public void ResultsOverMemoryThatIsStillRead_AreRefused()
    {
        using var layer = new DynamicGpuSoftmax(Accelerator, s_layout, seed: 2);
        using var memory = Accelerator.Allocate1D<float>(400);
        using var targets = Accelerator.Allocate1D<int>([1, 2, 3]);
        ArrayView<float> view = memory.View;
        var hidden = view.SubView(100, 60);
        foreach (var offset in new[] { 41, 100, 159 })
        {
            AssertRefused(() => layer.Backward(hidden, targets.View, view.SubView(offset, 60)));
            AssertRefused(() => layer.RecordBackward(hidden, targets.View, view.SubView(offset, 60)));
            AssertRefused(() => layer.LogProb(hidden, view.SubView(offset, 180)));
        }

        AssertRefused(() => layer.Forward(hidden, targets.View, view.SubView(120, 3)));
        AssertRefused(() => layer.Predict(hidden, view.Cast<int>().SubView(120, 3)));
        AssertRefused(() => layer.Backward(hidden, view.Cast<int>().SubView(200, 3), view.SubView(180, 60)));
        using var weight = new GpuParameter(Accelerator, "weight", 8, 8);
        using var matrix = new GpuMatrix(weight);
        AssertRefused(() => matrix.Forward(view.SubView(0, 16), view.SubView(8, 16)));
        AssertRefused(() => matrix.InputGradient(view.SubView(0, 16), view.SubView(0, 16)));

        // Side by side there is nothing to refuse.
        layer.Backward(hidden, targets.View, view.SubView(160, 60)).Read();
        matrix.Forward(view.SubView(0, 16), view.SubView(16, 16));
        Accelerator.Synchronize();

        static void AssertRefused(Action call) => Assert.Contains("share memory", Assert.Throws<ArgumentException>(call).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Messages_AreTheSameInEveryCulture()
    {
        using var layer = new DynamicGpuSoftmax(Accelerator, s_layout, seed: 2);
        var before = CultureInfo.CurrentCulture;
        try
        {
            foreach (var culture in new[] { "de-DE", "sv-SE", "fa-IR" })
            {
                CultureInfo.CurrentCulture = new CultureInfo(culture);
                Assert.Contains("Target 1 is -7,", Assert.Throws<ArgumentException>(() => layer.Loss(new float[40], [1, -7])).Message, StringComparison.Ordinal);
                var options = new LossOptions { LabelSmoothing = 1.5f };
                Assert.Contains("1.5", Assert.Throws<ArgumentException>(() => layer.Loss(new float[40], [1, 7], options)).Message, StringComparison.Ordinal);
            }
        }
        finally
        {
            CultureInfo.CurrentCulture = before;
        }
    }

    [Fact]
    public void ALossOfNoBatch_SaysSo() => Assert.Throws<InvalidOperationException>(() => default(GpuLoss).Read());

    private void Backward(DynamicGpuSoftmax layer, GpuParameter table, float inTable)
    {
        float[] hidden = [.. Enumerable.Range(0, 3 * 20).Select(i => MathF.Sin(i))];
        layer.Backward(hidden, [3, 20, 50], new float[hidden.Length]);
        using var rows = Accelerator.Allocate1D<int>([4, 7]);
        table.TouchGradientRows(rows.View).SubView(7 * table.Stride, 1).CopyFromCPU([inTable]);
        Accelerator.Synchronize();
    }

    private static float[] Values(GpuParameter parameter)
    {
        var values = new float[parameter.Rows * parameter.Columns];
        parameter.CopyTo(values);
        return values;
    }

    private static float[] Gradient(GpuParameter parameter)
    {
        var values = new float[parameter.Rows * parameter.Columns];
        parameter.CopyGradientTo(values);
        return values;
    }
}

[Collection(Backend.Collection)]
public sealed class OpenClStepTests : GpuStepTests
{
    private protected override Accelerator Accelerator => Backend.OpenCl;
}

[Collection(Backend.Collection)]
public sealed class CudaStepTests : GpuStepTests
{
    private protected override Accelerator Accelerator => Backend.Cuda;
}
