using ILGPU;
using ILGPU.Runtime;
using ILGPU.Runtime.Cuda;

namespace AdaptiveSoftmax.Gpu;

/// <summary>Allocates device memory and says, when there is too little, how much was needed for what.</summary>
internal static class DeviceMemory
{
    /// <summary>Allocates memory without setting it.</summary>
    /// <param name="accelerator">The device.</param>
    /// <param name="length">The number of values; at least one is allocated, since kernels take no empty buffers.</param>
    /// <param name="purpose">What for, as in "the optimizer's state of 'head.weight'".</param>
    /// <exception cref="GpuMemoryException">The device has too little memory.</exception>
    public static MemoryBuffer1D<T, Stride1D.Dense> Allocate<T>(Accelerator accelerator, long length, string purpose)
        where T : unmanaged
    {
        var bytes = Math.Max(1, length) * Interop.SizeOf<T>();
        try
        {
            return accelerator.Allocate1D<T>(Math.Max(1, length));
        }
        catch (Exception exception) when (bytes > accelerator.MemorySize || MeansTooLittle(exception))
        {
            throw new GpuMemoryException(accelerator.Name, purpose, bytes, accelerator.MemorySize, exception);
        }
    }

    /// <summary>As <see cref="Allocate"/>, and sets the memory to 0.</summary>
    public static MemoryBuffer1D<T, Stride1D.Dense> AllocateZeros<T>(Accelerator accelerator, long length, string purpose)
        where T : unmanaged
    {
        var buffer = Allocate<T>(accelerator, length, purpose);
        return Fill(buffer, buffer => buffer.MemSetToZero());
    }

    /// <summary>As <see cref="Allocate"/>, with a copy of values of the host.</summary>
    public static MemoryBuffer1D<T, Stride1D.Dense> AllocateCopy<T>(Accelerator accelerator, T[] values, string purpose)
        where T : unmanaged
    {
        var buffer = Allocate<T>(accelerator, values.Length, purpose);
        return values.Length == 0 ? buffer : Fill(buffer, buffer => buffer.View.SubView(0, values.Length).CopyFromCPU(values));
    }

    // A driver reports with any call, this one too, that an earlier kernel failed.
    internal static bool MeansTooLittle(Exception exception) =>
        exception is OutOfMemoryException or OverflowException or ArgumentOutOfRangeException or CudaException { Error: nameof(CudaError.CUDA_ERROR_OUT_OF_MEMORY) }
        or AcceleratorException and not CudaException;

    // A device may look for room as late as here.
    private static MemoryBuffer1D<T, Stride1D.Dense> Fill<T>(MemoryBuffer1D<T, Stride1D.Dense> buffer, Action<MemoryBuffer1D<T, Stride1D.Dense>> fill)
        where T : unmanaged
    {
        try
        {
            fill(buffer);
            return buffer;
        }
        catch
        {
            buffer.Dispose();
            throw;
        }
    }
}
