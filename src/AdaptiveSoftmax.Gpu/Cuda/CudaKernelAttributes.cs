using ILGPU.Runtime;
using ILGPU.Runtime.Cuda;

namespace AdaptiveSoftmax.Gpu.Cuda;

/// <summary>Properties of CUDA kernels that ILGPU does not set.</summary>
internal static class CudaKernelAttributes
{
    /// <summary>
    /// Allows launches of a kernel to ask for dynamic shared memory above the 48 KiB that CUDA gives without being asked.
    /// Call it once after loading the kernel, before its first launch.
    /// </summary>
    /// <param name="kernel">A kernel of a CUDA accelerator; of a launcher's delegate it is <c>launcher.GetKernel()</c>.</param>
    /// <param name="bytes">The most dynamic shared memory of a launch, in bytes.</param>
    /// <exception cref="ArgumentException">The kernel is not one of a CUDA accelerator.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The bytes are negative.</exception>
    /// <exception cref="CudaException">The device has not that much; the message says how much it has.</exception>
    public static void AllowDynamicSharedMemory(Kernel kernel, int bytes)
    {
        ArgumentNullException.ThrowIfNull(kernel);
        ArgumentOutOfRangeException.ThrowIfNegative(bytes);
        if (kernel is not CudaKernel { Accelerator: CudaAccelerator accelerator } cudaKernel)
        {
            throw new ArgumentException(
                $"Kernel {kernel.CompiledKernel.Name} is loaded on {kernel.Accelerator.Name}, a device of "
                + $"{kernel.Accelerator.AcceleratorType}; this is an attribute of CUDA kernels.", nameof(kernel));
        }

        using var binding = accelerator.BindScoped();
        var status = CudaDriver.SetMaxDynamicSharedMemory(cudaKernel.FunctionPtr, bytes);
        if (status == CudaError.CUDA_SUCCESS) return;
        var known = CudaDriver.GetMaxSharedMemory(accelerator.DeviceId, out var most) == CudaError.CUDA_SUCCESS;
        throw new CudaException(
            FormattableString.Invariant($"{accelerator.Name} refused {bytes} bytes of dynamic shared memory for kernel {kernel.CompiledKernel.Name}: ")
            + $"{CudaDriver.Instance.Describe(status)}."
            + (known ? FormattableString.Invariant($" A group can have {most} bytes there, static shared memory included.") : ""));
    }
}
