using AdaptiveSoftmax.Tests.Checkpoints;
using ILGPU.Runtime;

namespace AdaptiveSoftmax.Gpu.Tests.Training;

/// <summary>Gradients that a caller's own kernels write, dense and row-sparse, against a parameter on the CPU.</summary>
public abstract class GradientRowTests
{
    private const int Rows = 40;
    private const int Columns = 5;

    public static TheoryData<string> Rules => ["sgd", "momentum", "adagrad", "adamw"];

    private protected abstract Accelerator Accelerator { get; }

    [Theory]
    [MemberData(nameof(Rules))]
    public void RowSparseSteps_AgreeWithTheCpu_AndMoveNoOtherRow(string name)
    {
        using var host = new Parameter("table", Rows, Columns, GradientLayout.SparseRows);
        using var device = new GpuParameter(Accelerator, "table", Rows, Columns, gradientLayout: GradientLayout.SparseRows);
        var random = new Random(4);
        foreach (ref var value in host.WritableValues) value = random.NextSingle();
        device.CopyFrom(host);
        using var rule = Create(name);
        using var optimizer = new GpuOptimizer(rule);
        var untouched = host.Row(7).ToArray();
        for (var step = 0; step < 5; step++)
        {
            // Rows of two calls add up, and a row that is named twice is one row.
            AddRows(host, device, [3, 9, 3, step + 20], random);
            AddRows(host, device, [9, 39], random);
            AssertEqual(Gradient(host), device);
            rule.Step(host);
            optimizer.Step(device);
            AssertEqual(new float[Rows * Columns], device);
        }

        var values = new float[Rows * Columns];
        device.CopyTo(values);
        for (var i = 0; i < values.Length; i++) Assert.Equal(host.Values[i], values[i], 1e-5f);
        Assert.Equal(untouched, values.AsSpan(7 * Columns, Columns).ToArray());
    }

    [Fact]
    public void RestoredTable_ForgetsItsGradient_AndGoesOnOnTheCpu()
    {
        using var folder = new TemporaryFolder();
        using var host = new Parameter("table", Rows, Columns, GradientLayout.SparseRows);
        using var device = new GpuParameter(Accelerator, "table", Rows, Columns, gradientLayout: GradientLayout.SparseRows);
        using var optimizer = new GpuOptimizer(new Adagrad(0.1));
        using var rule = new Adagrad(0.1);
        AddRows(null, device, [1, 2], new Random(1));
        optimizer.Step(device);
        new GpuCheckpoint([device], optimizer).Save(folder["run.safetensors"]);
        AddRows(null, device, [4], new Random(2));
        new GpuCheckpoint([device], optimizer).Restore(folder["run.safetensors"]);
        new Checkpoint([host], rule).Restore(folder["run.safetensors"]);
        AssertEqual(new float[Rows * Columns], device);
        AddRows(host, device, [2, 3], new Random(3));
        rule.Step(host);
        optimizer.Step(device);
        var values = new float[Rows * Columns];
        device.CopyTo(values);
        for (var i = 0; i < values.Length; i++) Assert.Equal(host.Values[i], values[i], 1e-5f);
        Assert.All(values.AsSpan(4 * Columns, Columns).ToArray(), value => Assert.Equal(0, value));
    }

    [Fact]
    public void DenseGradient_IsZeroWhereItWasAbsent_AndKeptWhereItWasNot()
    {
        using var device = new GpuParameter(Accelerator, "scale", 9, 1, isVector: true);
        device.TouchGradient().SubView(2, 1).CopyFromCPU(Accelerator.DefaultStream, [5f]);
        device.TouchGradient().SubView(3, 1).CopyFromCPU(Accelerator.DefaultStream, [6f]);
        AssertEqual([0, 0, 5, 6, 0, 0, 0, 0, 0], device);
        device.ZeroGradient();
        device.TouchGradient();
        AssertEqual(new float[9], device);
        using var optimizer = new GpuOptimizer(new Sgd(1));
        device.TouchGradient().SubView(8, 1).CopyFromCPU(Accelerator.DefaultStream, [2f]);
        optimizer.Step(device);
        var values = new float[9];
        device.CopyTo(values);
        Assert.Equal([0, 0, 0, 0, 0, 0, 0, 0, -2], values);
        device.TouchGradient();
        AssertEqual(new float[9], device);
    }

    [Fact]
    public void GradientOfTheOtherLayout_IsAnErrorThatNamesTheMethod()
    {
        using var dense = new GpuParameter(Accelerator, "weight", 2, 2);
        using var sparse = new GpuParameter(Accelerator, "table", 2, 2, gradientLayout: GradientLayout.SparseRows);
        Assert.Contains("TouchGradientRows", Assert.Throws<InvalidOperationException>(() => sparse.TouchGradient()).Message, StringComparison.Ordinal);
        Assert.Contains("SparseRows", Assert.Throws<InvalidOperationException>(() => dense.TouchGradientRows(default)).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => new GpuMatrix(sparse));
    }

    // Adds to rows as a kernel would: what stands there, and a little more.
    private void AddRows(Parameter? host, GpuParameter device, int[] rows, Random random)
    {
        using var indices = Accelerator.Allocate1D<int>([.. rows, -1, Rows]);
        var gradient = device.TouchGradientRows(indices.View);
        foreach (var row in rows)
        {
            float[] values = new float[Columns], sums = new float[Columns];
            foreach (ref var value in values.AsSpan()) value = random.NextSingle() - 0.5f;
            var at = gradient.SubView((long)row * device.Stride, Columns);
            at.CopyToCPU(Accelerator.DefaultStream, sums);
            for (var i = 0; i < Columns; i++) sums[i] += values[i];
            at.CopyFromCPU(Accelerator.DefaultStream, sums);
            if (host is null) continue;
            var target = host.TouchGradientRow(row);
            for (var i = 0; i < Columns; i++) target[i] += values[i];
        }
    }

    private static float[] Gradient(Parameter host)
    {
        var result = new float[Rows * Columns];
        foreach (var row in host.TouchedRows.ToArray()) host.GradientRow(row).CopyTo(result.AsSpan(row * Columns));
        return result;
    }

    private static void AssertEqual(float[] expected, GpuParameter device)
    {
        var gradient = new float[expected.Length];
        device.CopyGradientTo(gradient);
        Assert.Equal(expected, gradient);
    }

    private static Optimizer Create(string name) => name switch
    {
        "sgd" => new Sgd(0.1, weightDecay: 0.01),
        "momentum" => new Sgd(0.1, momentum: 0.9, weightDecay: 0.01),
        "adagrad" => new Adagrad(0.1, learningRateDecay: 0.1, initialAccumulatorValue: 0.1),
        _ => new AdamW(0.01, weightDecay: 0.1),
    };
}

[Collection(Backend.Collection)]
public sealed class OpenClGradientRowTests : GradientRowTests
{
    private protected override Accelerator Accelerator => Backend.OpenCl;
}

[Collection(Backend.Collection)]
public sealed class CudaGradientRowTests : GradientRowTests
{
    private protected override Accelerator Accelerator => Backend.Cuda;
}
