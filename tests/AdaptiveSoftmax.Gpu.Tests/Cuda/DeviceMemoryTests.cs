using System.Runtime.CompilerServices;
using ILGPU.Runtime.Cuda;

namespace AdaptiveSoftmax.Gpu.Tests.Cuda;

public sealed class DeviceMemoryTests
{
    [Theory]
    [InlineData(nameof(CudaError.CUDA_ERROR_OUT_OF_MEMORY), true)]
    [InlineData(nameof(CudaError.CUDA_ERROR_ILLEGAL_ADDRESS), false)]
    [InlineData(nameof(CudaError.CUDA_ERROR_LAUNCH_FAILED), false)]
    public void FailureOfAnEarlierKernel_IsNotTakenForTooLittleMemory(string error, bool isMemory)
    {
        // Its constructor asks the driver for the error's text, and there may be none.
        var exception = (CudaException)RuntimeHelpers.GetUninitializedObject(typeof(CudaException));
        ErrorOf(exception) = error;
        Assert.Equal(isMemory, DeviceMemory.MeansTooLittle(exception));
    }

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "<Error>k__BackingField")]
    private static extern ref string ErrorOf(CudaException exception);
}
