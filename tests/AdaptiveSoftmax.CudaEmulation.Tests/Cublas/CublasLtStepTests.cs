using AdaptiveSoftmax.CudaEmulation.Tests.Driver;
using AdaptiveSoftmax.Gpu;
using AdaptiveSoftmax.Gpu.Tests;
using AdaptiveSoftmax.Vocabulary;
using ILGPU.Runtime;

namespace AdaptiveSoftmax.CudaEmulation.Tests.Cublas;

/// <summary>What a training step by cuBLASLt calls and keeps, and what happens where it cannot.</summary>
[Collection(Backend.Collection)]
public sealed class CublasLtStepTests : IDisposable
{
    private const long WorkspaceBytes = 32 << 20;

    private static readonly GpuOptions s_tf32 = new() { Precision = ProductPrecision.Tf32 };

    // No size is a multiple of a tile or of a stride.
    private static readonly SoftmaxLayout s_layout = SoftmaxLayout.Create(21, 90, [15, 30, 60], [9, 5, 3], hasHeadBias: true);

    private readonly Accelerator _accelerator = EmulatedCublasLt.Cuda;
    private readonly int _left = CublasLtExports.Left;

    public void Dispose()
    {
        CublasLtExports.Failing = null;
        CudaExports.Device.AllocationsLeft = null;
        Assert.Equal(_left, CublasLtExports.Left);
    }

    // Of the head three, of each tail with a target three of its projection and three of its output.
    [Theory]
    [InlineData(new[] { 3, 20, 50, 70 }, 3 + (3 * 6))]
    [InlineData(new[] { 3, 4, 70, 5 }, 3 + 6)]
    [InlineData(new[] { 3 }, 3)]
    [InlineData(new[] { 89 }, 3 + 6)]
    [InlineData(new[] { 20, 21, 22, 23, 24 }, 3 + 6)]
    [InlineData(new[] { -100, -100 }, 0)]
    public void AStep_MakesTheProductsThatItsTargetsNeed(int[] targets, int products)
    {
        using var layer = Create();
        var hidden = Hidden(targets.Length);
        var (before, questions) = (CublasLtExports.Products, CublasLtExports.Questions);
        layer.Backward(hidden, targets, new float[hidden.Length]);
        Assert.Equal(products, CublasLtExports.Products - before);
        var asked = CublasLtExports.Questions - questions;
        Assert.InRange(asked, Math.Min(products, 1), products);

        // The same sizes again ask for no algorithm.
        layer.Backward(hidden, targets, new float[hidden.Length]);
        Assert.Equal((2 * products, asked), (CublasLtExports.Products - before, CublasLtExports.Questions - questions));
    }

    [Fact]
    public void WhatNobodyWants_IsNotMultiplied()
    {
        using var layer = Create();
        int[] targets = [3, 20, 50, 70];
        var hidden = Hidden(targets.Length);
        Assert.Equal(1 + (3 * 2), Count(() => layer.Loss(hidden, targets)));
        Assert.Equal(2 + (3 * 5), Count(() => layer.Backward(hidden, targets)));
        foreach (var parameter in layer.Parameters.Where(parameter => !parameter.IsVector)) parameter.RequiresGradient = false;
        Assert.Equal(2 + (3 * 4), Count(() => layer.Backward(hidden, targets, new float[hidden.Length])));

        // With label smoothing every token is in every tail, and in as many chunks as logits need.
        using var chunks = Create(s_tf32 with { LogitBytes = 0 });
        Assert.Equal(1 + (3 * 2), Count(() => chunks.Loss(hidden, targets, new LossOptions { LabelSmoothing = 0.1f })));
        Assert.Equal(3 + (3 * (1 + 3)), Count(() => chunks.Loss(Hidden(40), [.. Enumerable.Range(0, 40)], new LossOptions { LabelSmoothing = 0.1f })));
    }

    [Fact]
    public void TheWorkspace_IsWorkingMemory_AndSplitSumsAreNot()
    {
        using var plain = Create(GpuOptions.Default);
        using var layer = Create();
        Assert.Equal(plain.WorkingBytes + WorkspaceBytes, layer.WorkingBytes);
        var hidden = Hidden(4);
        plain.Backward(hidden, [3, 20, 50, 70], new float[hidden.Length]);
        layer.Backward(hidden, [3, 20, 50, 70], new float[hidden.Length]);
        const int stride = 24, values = 256 * 4 * stride;
        Assert.Equal(plain.WorkingBytes + WorkspaceBytes - (sizeof(float) * (values - 1)), layer.WorkingBytes);
        var bytes = layer.WorkingBytes;
        layer.Backward(hidden, [3, 20, 50, 70], new float[hidden.Length]);
        Assert.Equal(bytes, layer.WorkingBytes);
    }

    [Fact]
    public void Factors_AreRoundedToTf32()
    {
        Assert.Equal(1 + MathF.ScaleB(1, -10), CublasLtExports.Round(1 + MathF.ScaleB(1.5f, -11)));
        Assert.Equal(1, CublasLtExports.Round(1 + MathF.ScaleB(0.9f, -11)));
        var targets = Enumerable.Range(0, 30).Select(i => 3 * i).ToArray();
        var hidden = Hidden(targets.Length);
        float[] expected = new float[hidden.Length], rounded = new float[hidden.Length];
        using var plain = Create(GpuOptions.Default);
        using var layer = Create();
        var (loss, roundedLoss) = (plain.Backward(hidden, targets, expected), layer.Backward(hidden, targets, rounded));
        Assert.NotEqual(loss, roundedLoss);
        Assert.Equal(loss, roundedLoss, 2e-3 * loss);
        AssertClose(expected, rounded);
        for (var i = 0; i < plain.Parameters.Count; i++) AssertClose(Gradient(plain.Parameters[i]), Gradient(layer.Parameters[i]));
    }

    [Fact]
    public void TheSameData_GiveTheSameBits_AndAnOptimizerTakesTheGradients()
    {
        var results = Enumerable.Range(0, 2).Select(_ =>
        {
            using var layer = Create();
            using var optimizer = new GpuOptimizer(new Adagrad(0.1));
            float[] losses = new float[3], gradient = new float[Hidden(5).Length];
            for (var step = 0; step < 3; step++)
            {
                // A tail without targets in the second step keeps no gradient of the first.
                losses[step] = layer.Backward(Hidden(5), step == 1 ? [1, 2, 3, 4, 5] : [3, 20, 50, 70, 71], gradient);
                Assert.True(optimizer.TryStep(layer));
            }

            return (float[])[.. losses, .. gradient, .. layer.Parameters.SelectMany(Values)];
        }).ToArray();
        Assert.Equal(results[0], results[1]);
        Assert.True(results[0][2] < results[0][0]);
    }

    [Theory]
    [InlineData("cublasLtMatmulAlgoGetHeuristic", "NOT_SUPPORTED", 15, "Install another version, or create the layer for products in float32.")]
    [InlineData("cublasLtMatmul", "EXECUTION_FAILED", 13, "Set CUBLASLT_LOG_LEVEL=5 in its environment: cuBLASLt then says more.")]
    public void AProductThatFails_IsNamed_AndTheNextStepIsTaken(string call, string name, int status, string remedy)
    {
        using var layer = Create();
        CublasLtExports.Failing = (call, (LtStatus)status);
        var exception = Assert.Throws<CublasException>(() => layer.Backward(Hidden(2), [3, 20]));
        Assert.Equal(
            $"A product of 'head.weight' [18, 21] with 2 tokens: {call} failed: CUBLAS_STATUS_{name} ({status}), It was told to fail. (cuBLASLt 13.1.3, 'libcublasLt.so.13'). {remedy}",
            exception.Message);
        CublasLtExports.Failing = null;
        using var other = Create();
        Assert.Equal(other.Backward(Hidden(2), [3, 20]), layer.Backward(Hidden(2), [3, 20]));
        Assert.Equal(Gradient(other.Parameters[0]), Gradient(layer.Parameters[0]));
    }

    [Theory]
    [InlineData("cublasLtCreate")]
    [InlineData("cublasLtMatmulPreferenceCreate")]
    [InlineData("cublasLtMatmulPreferenceSetAttribute")]
    [InlineData("cublasLtMatmulDescCreate")]
    [InlineData("cublasLtMatmulDescSetAttribute")]
    public void ALayerThatCannotBeMade_LeavesNothing(string call)
    {
        var bytes = CudaExports.Device.Memory.AllocatedBytes;
        CublasLtExports.Failing = (call, LtStatus.AllocFailed);
        Assert.StartsWith($"{call} failed: CUBLAS_STATUS_ALLOC_FAILED (3)", Assert.Throws<CublasException>(() => Create()).Message, StringComparison.Ordinal);
        Assert.Equal(bytes, CudaExports.Device.Memory.AllocatedBytes);
    }

    [Fact]
    public void ADeviceWithoutRoomForTheWorkspace_IsSaid()
    {
        var bytes = CudaExports.Device.Memory.AllocatedBytes;
        var missing = new List<(string Purpose, long Bytes)>();
        for (var left = 0; left < 40; left++)
        {
            CudaExports.Device.AllocationsLeft = left;
            if (Record.Exception(() => Create().Dispose()) is not { } exception) break;
            var memory = Assert.IsType<GpuMemoryException>(exception);
            missing.Add((memory.Purpose, memory.RequiredBytes));
            Assert.Equal(bytes, CudaExports.Device.Memory.AllocatedBytes);
        }

        Assert.Contains(("cuBLASLt's workspace", WorkspaceBytes), missing);
    }

    // The emulated device has done nothing yet when the layer goes, and would write to memory that was freed.
    [Fact]
    public void ALayer_GoesBehindWhatItHasToDo_OnceAndInItsContext()
    {
        var own = CudaExports.Device.Get<CudaContext>(_accelerator.NativePtr);
        using var hidden = _accelerator.Allocate1D(Hidden(4));
        using var targets = _accelerator.Allocate1D<int>([3, 20, 50, 70]);
        var layer = Create();
        layer.Backward(hidden.View, targets.View);
        Assert.True(CudaDevice.IsCurrent(own));
        layer.Dispose();
        Assert.True(CudaDevice.IsCurrent(own));
        layer.Dispose();
        _accelerator.Synchronize();
        Assert.Throws<ObjectDisposedException>(() => layer.Backward(hidden.View, targets.View));
    }

    [Fact]
    public void WhatIsNotComputedSo_IsRefusedWithItsRemedy()
    {
        using var layer = Create();
        using var hidden = _accelerator.Allocate1D(Hidden(4));
        using var gradient = _accelerator.Allocate1D(Hidden(4));
        using var targets = _accelerator.Allocate1D<int>([3, 20, 50, 70]);
        Assert.Contains("record the steps of a layer with ProductPrecision.Float32", Assert.Throws<NotSupportedException>(() => layer.RecordBackward(hidden.View, targets.View)).Message, StringComparison.Ordinal);
        Assert.Throws<NotSupportedException>(() => layer.RecordBackward(hidden.View, targets.View, gradient.View));
        Assert.All(layer.Parameters, parameter => Assert.False(parameter.HasGradient()));

        // Decoding is float32 and can be recorded.
        using var tokens = _accelerator.Allocate1D<int>(4);
        using var recording = layer.RecordPredict(hidden.View, tokens.View);
        recording.Replay();
        using var plain = Create(GpuOptions.Default);
        var expected = new int[4];
        plain.Predict(Hidden(4), expected);
        Assert.Equal(expected, tokens.GetAsArray1D());
    }

    private static float[] Hidden(int tokens) => [.. Enumerable.Range(0, tokens * 21).Select(i => MathF.Sin(i * i))];

    private static int Count(Action call)
    {
        var before = CublasLtExports.Products;
        call();
        return CublasLtExports.Products - before;
    }

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

    // Of factors each has a relative error of at most 2^-11.
    private static void AssertClose(float[] expected, float[] actual)
    {
        var scale = expected.Max(Math.Abs);
        for (var i = 0; i < expected.Length; i++) Assert.Equal(expected[i], actual[i], 3e-3 * scale);
    }

    private DynamicGpuSoftmax Create(GpuOptions? options = null) => new(_accelerator, s_layout, seed: 7, options ?? s_tf32);
}
