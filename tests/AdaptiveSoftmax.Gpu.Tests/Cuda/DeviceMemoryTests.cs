using System.Runtime.CompilerServices;
using ILGPU.Runtime.Cuda;
using ILGPU.Runtime.OpenCL;

namespace AdaptiveSoftmax.Gpu.Tests.Cuda;

[Collection(Backend.Collection)]
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

    [Theory]
    [InlineData(CLError.CL_MEM_OBJECT_ALLOCATION_FAILURE, true)]
    [InlineData(CLError.CL_OUT_OF_RESOURCES, true)]
    [InlineData(CLError.CL_OUT_OF_HOST_MEMORY, true)]
    [InlineData(CLError.CL_INVALID_BUFFER_SIZE, true)]
    [InlineData(CLError.CL_INVALID_CONTEXT, false)]
    [InlineData(CLError.CL_INVALID_COMMAND_QUEUE, false)]
    [InlineData(CLError.CL_DEVICE_NOT_AVAILABLE, false)]
    public void ErrorOfOpenCl_IsTooLittleMemoryOnlyWhereItSaysSo(CLError error, bool isMemory)
    {
        var exception = new CLException(error);
        Assert.Equal(isMemory, DeviceMemory.MeansTooLittle(exception));
        var explained = DeviceMemory.Explain(Backend.OpenCl, 1000, "something", exception);
        Assert.Equal(isMemory ? typeof(GpuMemoryException) : typeof(CLException), explained!.GetType());
        Assert.Contains(error.ToString(), explained.Message, StringComparison.Ordinal);
        Assert.Same(exception, explained.InnerException);
    }

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "<Error>k__BackingField")]
    private static extern ref string ErrorOf(CudaException exception);
}
