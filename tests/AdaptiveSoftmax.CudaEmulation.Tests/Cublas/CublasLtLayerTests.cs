using AdaptiveSoftmax.Gpu;
using AdaptiveSoftmax.Gpu.Tests;
using AdaptiveSoftmax.Gpu.Tests.Layers;
using ILGPU.Runtime;

namespace AdaptiveSoftmax.CudaEmulation.Tests.Cublas;

/// <summary>The tests of every device with products by cuBLASLt, whose stand-in does not round here: what is wrong but for rounding shows.</summary>
[Collection(Backend.Collection)]
public sealed class CublasLtLayerTests : LayerTests, IDisposable
{
    public CublasLtLayerTests() => CublasLtExports.RoundsFactors = false;

    private protected override Accelerator Accelerator => EmulatedCublasLt.Cuda;

    private protected override int Cases => 8;

    private protected override int SameBitsTokens => 60;

    private protected override GpuOptions Options => new() { Precision = ProductPrecision.Tf32 };

    public void Dispose() => CublasLtExports.RoundsFactors = true;
}

/// <summary>Weights of tokens, label smoothing and frozen parameters.</summary>
[Collection(Backend.Collection)]
public sealed class CublasLtLossFeatureTests : LossFeatureTests, IDisposable
{
    public CublasLtLossFeatureTests() => CublasLtExports.RoundsFactors = false;

    private protected override Accelerator Accelerator => EmulatedCublasLt.Cuda;

    private protected override int Cases => 8;

    private protected override bool HasGraphs => true;

    private protected override GpuOptions Options => new() { Precision = ProductPrecision.Tf32 };

    public void Dispose() => CublasLtExports.RoundsFactors = true;
}
