using AdaptiveSoftmax.Vocabulary;
using ILGPU;
using ILGPU.Runtime;
using ILGPU.Runtime.Cuda;
using ILGPU.Runtime.OpenCL;

namespace AdaptiveSoftmax.Gpu.Tests.Layers;

/// <summary>What the layer says to wrong arguments, and what it promises about memory.</summary>
public abstract class ContractTests
{
    private static readonly SoftmaxLayout s_layout = SoftmaxLayout.Create(12, 60, [15, 30], [5, 3], hasHeadBias: true);

    private protected abstract Accelerator Accelerator { get; }

    [Fact]
    public void NoDevice_SaysWhatToInstall()
    {
        // Before the driver is asked for, which is done once: an emulated one is loaded with its accelerator.
        _ = Accelerator;
        using var context = Context.Create(builder => GpuContext.Configure(builder));
        Assert.Contains("install NVIDIA's driver", Assert.Throws<NotSupportedException>(() => GpuContext.CreateAccelerator(context)).Message, StringComparison.Ordinal);
        using var own = Context.Create(builder => GpuContext.Configure(Accelerator is CudaAccelerator ? builder.Cuda() : builder.OpenCL()));
        using var opened = GpuContext.CreateAccelerator(own);
        Assert.Equal(Accelerator.AcceleratorType, opened.AcceleratorType);
    }

    [Fact]
    public void WrongSizes_AreNamed()
    {
        using var layer = new DynamicGpuSoftmax(Accelerator, s_layout);
        using var hidden = Accelerator.Allocate1D<float>(24);
        using var targets = Accelerator.Allocate1D<int>(3);
        Assert.Contains("no multiple of the hidden size 12", Assert.Throws<ArgumentException>(() => layer.Loss(new float[13], [1])).Message, StringComparison.Ordinal);
        Assert.Contains("3 targets for 2", Assert.Throws<ArgumentException>(() => layer.Loss(new float[24], [1, 2, 3])).Message, StringComparison.Ordinal);
        Assert.Contains("has 3 values; it must have 2", Assert.Throws<ArgumentException>(() => layer.Loss(hidden.View, targets.View)).Message, StringComparison.Ordinal);
        Assert.Contains("gradient has room for 5", Assert.Throws<ArgumentException>(() => layer.Backward(new float[24], [1, 2], new float[5])).Message, StringComparison.Ordinal);
        Assert.Contains("must have 24", Assert.Throws<ArgumentException>(() => layer.Backward(hidden.View, targets.View.SubView(0, 2), hidden.View.SubView(0, 12))).Message, StringComparison.Ordinal);
        Assert.Contains("room for 1 predictions of 2", Assert.Throws<ArgumentException>(() => layer.Predict(new float[24], new int[1])).Message, StringComparison.Ordinal);
        Assert.Contains("[tokens, vocabulary]", Assert.Throws<ArgumentException>(() => layer.LogProb(new float[24], new float[60])).Message, StringComparison.Ordinal);
        Assert.Contains("hidden size is 12", Assert.Throws<ArgumentException>(() => layer.Predict(new float[24])).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => new DynamicGpuSoftmax(Accelerator, s_layout, 1, new GpuOptions { LogitBytes = -1 }));
    }

    [Fact]
    public void ViewOfAnotherAccelerator_IsRefused()
    {
        using var layer = new DynamicGpuSoftmax(Accelerator, s_layout);
        using var elsewhere = Backend.Cpu.Allocate1D<float>(24);
        using var targets = Accelerator.Allocate1D<int>(2);
        var error = Assert.Throws<ArgumentException>(() => layer.Loss(elsewhere.View, targets.View));
        Assert.Contains("another accelerator", error.Message, StringComparison.Ordinal);
        Assert.Contains(Accelerator.Name, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void DisposedLayer_SaysSo()
    {
        var layer = new DynamicGpuSoftmax(Accelerator, s_layout);
        layer.Dispose();
        layer.Dispose();
        Assert.Throws<ObjectDisposedException>(() => layer.Loss(new float[12], [1]));
        Assert.Throws<ObjectDisposedException>(() => layer.Predict(new float[12]));
        Assert.Throws<ObjectDisposedException>(() => layer.Save("x"));
        Assert.Throws<ObjectDisposedException>(() => layer.Parameters[0].Values);
        using var optimizer = new GpuOptimizer(new Sgd());
        Assert.Throws<ObjectDisposedException>(() => optimizer.Step(layer));
    }

    [Fact]
    public void TooLittleMemory_SaysHowMuchForWhat()
    {
        var error = Assert.Throws<GpuMemoryException>(() => new GpuParameter(Accelerator, "head.weight", 2_000_000, 1_000_000));
        Assert.Contains("8000000.0 MB for the weight 'head.weight' [2000000, 1000000]", error.Message, StringComparison.Ordinal);
        Assert.Equal(8_000_000_000_000, error.RequiredBytes);
        Assert.Contains("head.weight", error.Purpose, StringComparison.Ordinal);
        Assert.Contains("GB of memory", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void BuffersOfWhichOneFindsNoRoom_KeepNone()
    {
        using var buffers = new DeviceBuffers(Accelerator);
        var first = ((IArrayView)buffers.Allocate<float>(1000, "something small")).Buffer;
        Assert.False(first.IsDisposed);
        Assert.Throws<GpuMemoryException>(() => buffers.Allocate<float>(2_000_000_000_000, "too much"));
        Assert.True(first.IsDisposed);
        Assert.True(buffers.IsDisposed);
    }

    [Fact]
    public void LayerWhoseLastWeightFindsNoRoom_KeepsNoneOfTheOthers()
    {
        var layout = SoftmaxLayout.Create(4000, 1_000_000_015, [15], [2000], hasHeadBias: true);
        var head = new GpuHead<MatrixShape>(Accelerator, new MatrixShape(16, 4000), clusters: 1, hasBias: true);
        var tail = new GpuTail<MatrixShape, MatrixShape>(Accelerator, 0, new MatrixShape(2000, 4000), new MatrixShape(1_000_000_000, 2000));
        var error = Assert.Throws<GpuMemoryException>(() => new FailingSoftmax(head, [tail], layout));
        Assert.Contains("the weight 'tail.0.1.weight' [1000000000, 2000]", error.Message, StringComparison.Ordinal);
        Assert.Throws<ObjectDisposedException>(() => head.Weight.Values);
        Assert.Throws<ObjectDisposedException>(() => head.Bias!.Values);
        Assert.Throws<ObjectDisposedException>(() => tail.Projection.Values);
    }

    [Fact]
    public void LayerThatFailsWhileItIsMade_KeepsNoMemory()
    {
        var head = new GpuHead<MatrixShape>(Accelerator, new MatrixShape(17, 12), clusters: 2, hasBias: true);
        GpuTail[] tails =
        [
            new GpuTail<MatrixShape, MatrixShape>(Accelerator, 0, new MatrixShape(5, 12), new MatrixShape(15, 5)),
            new GpuTail<MatrixShape, MatrixShape>(Accelerator, 1, new MatrixShape(3, 12), new MatrixShape(30, 3)),
        ];
        Assert.Contains("when a layer is made", Assert.Throws<InvalidOperationException>(() => head.Weight.Values).Message, StringComparison.Ordinal);
        Assert.Throws<FormatException>(() => new FailingSoftmax(head, tails));
        Assert.Throws<ObjectDisposedException>(() => head.Weight.Values);
        Assert.Throws<ObjectDisposedException>(() => tails[1].Output.Values);
        Assert.Contains("another layer", Assert.Throws<ArgumentException>(() => new FailingSoftmax(head, tails)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void UnknownTarget_OnTheHost_ThrowsBeforeAnyGradient()
    {
        using var layer = new DynamicGpuSoftmax(Accelerator, s_layout);
        var error = Assert.Throws<ArgumentException>(() => layer.Backward(new float[24], [1, 60], new float[24]));
        Assert.Contains("Target 1 is 60", error.Message, StringComparison.Ordinal);
        Assert.False(layer.Parameters[0].HasGradient());
    }

    [Fact]
    public void UnknownTarget_OnTheDevice_CountsAsIgnoredUntilTheLossIsRead()
    {
        using var layer = new DynamicGpuSoftmax(Accelerator, s_layout);
        using var hidden = Accelerator.Allocate1D(Enumerable.Range(0, 36).Select(i => i * 0.1f).ToArray());
        using var targets = Accelerator.Allocate1D([1, 77, -5]);
        using var known = Accelerator.Allocate1D([1, -100, -100]);
        var wrong = layer.Loss(hidden.View, targets.View);
        var value = new float[1];
        wrong.View.CopyToCPU(Accelerator.DefaultStream, value);
        var error = Assert.Throws<ArgumentException>(() => wrong.Read());
        Assert.Contains("Target 1 is 77", error.Message, StringComparison.Ordinal);
        Assert.Equal(layer.Loss(hidden.View, known.View).Read(), value[0]);
    }

    [Fact]
    public void EmptyBatchesAndBatchesWithoutTargets_HaveLossZero()
    {
        using var layer = new DynamicGpuSoftmax(Accelerator, s_layout);
        Assert.Equal(0, layer.Loss([], []));
        Assert.Equal(0, layer.Backward([], [], []));
        layer.Predict([], []);
        layer.LogProb([], []);
        var gradient = new float[24];
        Array.Fill(gradient, 3);
        Assert.Equal(0, layer.Backward(new float[24], [-100, -100], gradient));
        Assert.All(gradient, value => Assert.Equal(0, value));
        Assert.All(layer.Parameters, parameter => Assert.False(parameter.HasGradient()));
    }

    [Fact]
    public virtual void StepsOnTheDevice_AllocateNothingAfterTheFirst()
    {
        using var layer = new DynamicGpuSoftmax(Accelerator, s_layout);
        using var optimizer = new GpuOptimizer(new Adagrad());
        using var hidden = Accelerator.Allocate1D(new float[12 * 40]);
        using var gradient = Accelerator.Allocate1D<float>(12 * 40);
        using var targets = Accelerator.Allocate1D(Enumerable.Range(0, 40).ToArray());
        using var tokens = Accelerator.Allocate1D<int>(40);
        ArrayView<float> hiddenView = hidden.View, gradientView = gradient.View;
        ArrayView<int> targetView = targets.View, tokenView = tokens.View;
        void Step()
        {
            layer.Backward(hiddenView, targetView, gradientView);
            optimizer.Step(layer);
            layer.Predict(hiddenView, tokenView);
            layer.Predict(hiddenView.SubView(0, 12), tokenView.SubView(0, 1));
            Accelerator.DefaultStream.Synchronize();
        }

        for (var i = 0; i < 30; i++) Step();
        var working = (layer.WorkingBytes, layer.ParameterBytes, optimizer.StateBytes);
        // The runtime may allocate now and then on its own account, such as when it compiles a method anew; a step that
        // allocates does so each time.
        var least = long.MaxValue;
        for (var round = 0; round < 5; round++)
        {
            var before = GC.GetAllocatedBytesForCurrentThread();
            for (var i = 0; i < 10; i++) Step();
            least = Math.Min(least, GC.GetAllocatedBytesForCurrentThread() - before);
        }

        Assert.Equal(0, least);
        Assert.Equal(working, (layer.WorkingBytes, layer.ParameterBytes, optimizer.StateBytes));
    }

    [Theory]
    [InlineData(1024, 252, 300)]
    [InlineData(2048, 336, 400)]
    public void WorkingMemoryOfALargeStep_StaysUnderItsBound(int hidden, int megabytes, int bound)
    {
        // What the layer will reserve, computed without the device: 8,192 tokens, vocabulary 262,144. The figures of docs/gpu.md.
        var layout = SoftmaxLayout.Create(hidden, 262_144, [8192, 40_960], [hidden / 4, hidden / 16]);
        using var scratch = new TrainingScratch(Accelerator, layout, GpuOptions.Default.LogitBytes);
        scratch.Reserve(8192, withGradient: true, withHiddenGradient: true);
        Assert.Equal(megabytes, Math.Round(scratch.Bytes / 1e6));
        Assert.InRange(megabytes, 1, bound);
    }

    [Fact]
    public void MemoryForLogits_IsNeverLessForMoreTokens()
    {
        var layout = SoftmaxLayout.Create(8, 262_144, [8192, 40_960], [8, 4]);
        using var scratch = new TrainingScratch(Accelerator, layout, GpuOptions.Default.LogitBytes);
        long least = 0;
        for (var tokens = 1; tokens < 20_000; tokens += tokens < 400 ? 1 : 97)
        {
            Assert.InRange(scratch.LogitCapacity(tokens), least, GpuOptions.Default.LogitBytes / sizeof(float));
            least = scratch.LogitCapacity(tokens);
        }
    }

    // Its weights are on the device already when the vocabulary is asked for.
    private sealed class FailingSoftmax(GpuHead head, GpuTail[] tails, SoftmaxLayout? layout = null)
        : GpuAdaptiveSoftmax(head.Weight.Accelerator, new SoftmaxIdentity(layout ?? s_layout, Fingerprint: "", VocabularyFingerprint: ""), head, tails)
    {
        protected override int FindSlot(int tokenId) => tokenId;

        protected override int GetTokenId(int slot) => throw new FormatException();
    }
}

[Collection(Backend.Collection)]
public sealed class OpenClContractTests : ContractTests
{
    private protected override Accelerator Accelerator => Backend.OpenCl;
}

[Collection(Backend.Collection)]
public sealed class CudaContractTests : ContractTests
{
    private protected override Accelerator Accelerator => Backend.Cuda;
}
