using AdaptiveSoftmax.Gpu.Cuda;
using ILGPU;
using ILGPU.Runtime;
using ILGPU.Runtime.Cuda;

namespace AdaptiveSoftmax.Gpu.Tests.Cuda;

[Collection(Backend.Collection)]
public sealed class CudaKernelAttributesTests
{
    [Fact]
    public void KernelOfAnotherDevice_IsRefusedByName()
    {
        var kernel = Backend.Cpu.LoadKernel<ArrayView<float>>(ChainKernels.ReverseThroughSharedMemory).GetKernel();
        var exception = Assert.Throws<ArgumentException>("kernel", () => CudaKernelAttributes.AllowDynamicSharedMemory(kernel, 65536));
        Assert.Contains(nameof(ChainKernels.ReverseThroughSharedMemory), exception.Message, StringComparison.Ordinal);
        Assert.Contains("CPU", exception.Message, StringComparison.Ordinal);
    }
}

/// <summary>What a CUDA device does with the attributes.</summary>
public abstract class SharedMemoryTests
{
    private const int GroupSize = 128;

    private protected abstract Accelerator Accelerator { get; }

    [Fact]
    public void LaunchGetsMoreThan48KiBOnceAllowed()
    {
        var accelerator = Accelerator;
        using var values = accelerator.Allocate1D(Enumerable.Range(0, GroupSize).Select(i => (float)i).ToArray());
        using var stream = accelerator.CreateStream();
        var launcher = accelerator.LoadKernel<ArrayView<float>>(ChainKernels.ReverseThroughSharedMemory);
        var kernel = launcher.GetKernel();
        const int Bytes = 64 * 1024;
        var config = new KernelConfig(1, GroupSize, SharedMemoryConfig.RequestDynamic<float>(Bytes / sizeof(float)));

        Assert.Throws<CudaException>(() => launcher(stream, config, values.View));
        CudaKernelAttributes.AllowDynamicSharedMemory(kernel, Bytes);
        launcher(stream, config, values.View);
        stream.Synchronize();
        Assert.Equal(Enumerable.Range(0, GroupSize).Select(i => (float)(GroupSize - 1 - i)), values.GetAsArray1D(stream));

        var exception = Assert.Throws<CudaException>(() => CudaKernelAttributes.AllowDynamicSharedMemory(kernel, 1 << 30));
        Assert.Contains("A group can have", exception.Message, StringComparison.Ordinal);
    }
}

[Collection(Backend.Collection)]
public sealed class CudaSharedMemoryTests : SharedMemoryTests
{
    private protected override Accelerator Accelerator => Backend.Cuda;
}
