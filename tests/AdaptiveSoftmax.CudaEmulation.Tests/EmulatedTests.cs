using AdaptiveSoftmax.Gpu.Tests;
using AdaptiveSoftmax.Gpu.Tests.Cuda;
using AdaptiveSoftmax.Gpu.Tests.Decoding;
using AdaptiveSoftmax.Gpu.Tests.Generated;
using AdaptiveSoftmax.Gpu.Tests.Layers;
using AdaptiveSoftmax.Gpu.Tests.Training;
using ILGPU.Runtime;

namespace AdaptiveSoftmax.CudaEmulation.Tests;

// The tests of CUDA devices, each on the emulated driver.
[Collection(Backend.Collection)]
public sealed class EmulatedCudaLayerTests : LayerTests
{
    private protected override Accelerator Accelerator => EmulatedBackend.Cuda;

    private protected override int Cases => 4;

    private protected override int SameBitsTokens => 60;
}

[Collection(Backend.Collection)]
public sealed class EmulatedCudaLossFeatureTests : LossFeatureTests
{
    private protected override Accelerator Accelerator => EmulatedBackend.Cuda;

    private protected override int Cases => 4;

    private protected override bool HasGraphs => true;
}

[Collection(Backend.Collection)]
public sealed class EmulatedCudaDecodeFaultTests : DecodeFaultTests
{
    private protected override Accelerator Accelerator => EmulatedBackend.Cuda;
}

[Collection(Backend.Collection)]
public sealed class EmulatedCudaDecodeSessionTests : DecodeSessionTests
{
    private protected override Accelerator Accelerator => EmulatedBackend.Cuda;

    private protected override int Cases => 2;

    private protected override int Draws => 40;

    private protected override int ManyRows => 18;
}

[Collection(Backend.Collection)]
public sealed class EmulatedCudaQuantizedSoftmaxTests : QuantizedSoftmaxTests
{
    private protected override Accelerator Accelerator => EmulatedBackend.Cuda;

    private protected override int Cases => 3;

    private protected override int ManyRows => 70;
}

[Collection(Backend.Collection)]
public sealed class EmulatedCudaGroupTests : GpuGroupTests
{
    private protected override Accelerator Accelerator => EmulatedBackend.Cuda;
}

[Collection(Backend.Collection)]
public sealed class EmulatedCudaContractTests : ContractTests
{
    private protected override Accelerator Accelerator => EmulatedBackend.Cuda;

    public override void StepsOnTheDevice_AllocateNothingAfterTheFirst() =>
        Assert.Skip("The emulated driver itself allocates on the thread that is measured.");
}

[Collection(Backend.Collection)]
public sealed class EmulatedCudaMatrixTests : MatrixTests
{
    private protected override Accelerator Accelerator => EmulatedBackend.Cuda;
}

[Collection(Backend.Collection)]
public sealed class EmulatedCudaPyTorchTests : PyTorchTests
{
    private protected override Accelerator Accelerator => EmulatedBackend.Cuda;
}

[Collection(Backend.Collection)]
public sealed class EmulatedCudaGeneratedLayerTests : GeneratedLayerTests
{
    private protected override Accelerator Accelerator => EmulatedBackend.Cuda;
}

[Collection(Backend.Collection)]
public sealed class EmulatedCudaOptimizerTests : GpuOptimizerTests
{
    private protected override Accelerator Accelerator => EmulatedBackend.Cuda;
}

[Collection(Backend.Collection)]
public sealed class EmulatedCudaStepTests : GpuStepTests
{
    private protected override Accelerator Accelerator => EmulatedBackend.Cuda;
}

[Collection(Backend.Collection)]
public sealed class EmulatedCudaGradientRowTests : GradientRowTests
{
    private protected override Accelerator Accelerator => EmulatedBackend.Cuda;
}

[Collection(Backend.Collection)]
public sealed class EmulatedCudaRecordingTests : RecordingTests
{
    private protected override Accelerator Accelerator => EmulatedBackend.Cuda;

    private protected override bool HasGraphs => true;
}

[Collection(Backend.Collection)]
public sealed class EmulatedCudaGraphTests : GraphTests
{
    private protected override Accelerator Accelerator => EmulatedBackend.Cuda;
}

[Collection(Backend.Collection)]
public sealed class EmulatedCudaSharedMemoryTests : SharedMemoryTests
{
    private protected override Accelerator Accelerator => EmulatedBackend.Cuda;
}

[Collection(Backend.Collection)]
public sealed class EmulatedCudaTensorCoreLayerTests : TensorCoreLayerTests
{
    private protected override Accelerator Accelerator => EmulatedBackend.Cuda;
}

/// <summary>200,019 tokens are too many to emulate in a test run; a visible skip for each test.</summary>
[Collection(Backend.Collection)]
public sealed class EmulatedCudaRealVocabularyTests : RealVocabularyTests
{
    private protected override Accelerator Accelerator
    {
        get
        {
            Assert.Skip("A vocabulary of 200,019 tokens takes too long on the emulated driver.");
            return EmulatedBackend.Cuda;
        }
    }
}
