using AdaptiveSoftmax.Gpu.Cuda;
using AdaptiveSoftmax.Vocabulary;
using ILGPU.Runtime;

namespace AdaptiveSoftmax.Gpu.Tests.Layers;

/// <summary>Who asks for a precision that there is not, is told so; nothing falls back.</summary>
[Collection(Backend.Collection)]
public sealed class PrecisionTests
{
    private static readonly SoftmaxLayout s_layout = SoftmaxLayout.Create(8, 20, [9], [3]);

    private static Accelerator Accelerator => Backend.OpenCl;

    [Fact]
    public void Tf32_NeedsACudaDevice()
    {
        var exception = Assert.Throws<NotSupportedException>(() => new DynamicGpuSoftmax(Accelerator, s_layout, 1, new GpuOptions { Precision = ProductPrecision.Tf32 }));
        Assert.Equal($"Products in Tf32 were asked for, and '{Accelerator.Name}' is no CUDA device; use ProductPrecision.Float32 there.", exception.Message);
    }

    [Fact]
    public void WhatIsNoPrecision_OrOneTooMany_IsRefused()
    {
        Assert.Equal(
            "The precision of products is 7, which is none of Float32 and Tf32.",
            Assert.Throws<ArgumentException>(() => new DynamicGpuSoftmax(Accelerator, s_layout, 1, new GpuOptions { Precision = (ProductPrecision)7 })).Message);
        Assert.Equal(
            "TensorCores multiplies in bfloat16, and Precision asks for Tf32; set one of the two.",
            Assert.Throws<ArgumentException>(() => new DynamicGpuSoftmax(Accelerator, s_layout, 1, new GpuOptions { Precision = ProductPrecision.Tf32, TensorCores = TensorCoreUse.On })).Message);
    }

    [Fact]
    public void AMachineWithoutTheLibrary_IsToldWhatWasTried()
    {
        try
        {
            Assert.Skip($"This machine has cuBLASLt {CublasLtLibrary.Load(null).Version}.");
        }
        catch (CublasException exception)
        {
            Assert.StartsWith("There is no cuBLASLt: none of libcublasLt.so.13, libcublasLt.so.12 can be loaded. Install it", exception.Message, StringComparison.Ordinal);
            Assert.EndsWith("or name its file by ADAPTIVE_SOFTMAX_CUBLASLT.", exception.Message, StringComparison.Ordinal);
        }
    }
}
