using ILGPU;
using ILGPU.Runtime;
using ILGPU.Runtime.Cuda;
using ILGPU.Runtime.OpenCL;

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
        catch (Exception exception) when (Explain(accelerator, bytes, purpose, exception) is { } explained)
        {
            throw explained;
        }
    }

    /// <summary>As <see cref="Allocate"/>, and sets the memory to 0.</summary>
    public static MemoryBuffer1D<T, Stride1D.Dense> AllocateZeros<T>(Accelerator accelerator, long length, string purpose)
        where T : unmanaged
    {
        var buffer = Allocate<T>(accelerator, length, purpose);
        return Fill(buffer, purpose, buffer => buffer.MemSetToZero());
    }

    /// <summary>As <see cref="Allocate"/>, with a copy of values of the host.</summary>
    public static MemoryBuffer1D<T, Stride1D.Dense> AllocateCopy<T>(Accelerator accelerator, T[] values, string purpose)
        where T : unmanaged
    {
        var buffer = Allocate<T>(accelerator, values.Length, purpose);
        return values.Length == 0 ? buffer : Fill(buffer, purpose, buffer => buffer.View.SubView(0, values.Length).CopyFromCPU(values));
    }

    /// <summary>
    /// Whether an error is one of too little memory. A driver reports with any call, an allocation too, that an earlier kernel
    /// failed, and what is not about memory keeps its own name.
    /// </summary>
    internal static bool MeansTooLittle(Exception exception) => exception switch
    {
        CudaException cuda => cuda.Error == nameof(CudaError.CUDA_ERROR_OUT_OF_MEMORY),
        CLException openCl => openCl.Error is CLError.CL_MEM_OBJECT_ALLOCATION_FAILURE or CLError.CL_OUT_OF_RESOURCES or CLError.CL_OUT_OF_HOST_MEMORY or CLError.CL_INVALID_BUFFER_SIZE,
        _ => exception is OutOfMemoryException or OverflowException or ArgumentOutOfRangeException,
    };

    /// <summary>What to throw for an error of an allocation; null for the error itself, where that says what it is.</summary>
    internal static Exception? Explain(Accelerator accelerator, long bytes, string purpose, Exception exception)
    {
        if (bytes > accelerator.MemorySize || MeansTooLittle(exception))
            return new GpuMemoryException(accelerator.Name, purpose, bytes, accelerator.MemorySize, exception);

        // ILGPU's message does not name the error.
        return exception is CLException openCl
            ? new CLException($"The device '{accelerator.Name}' was asked for memory for {purpose}, and the driver says {openCl.Error}, which is an error of something before.", openCl)
            : null;
    }

    // A device may look for room as late as here.
    private static MemoryBuffer1D<T, Stride1D.Dense> Fill<T>(MemoryBuffer1D<T, Stride1D.Dense> buffer, string purpose, Action<MemoryBuffer1D<T, Stride1D.Dense>> fill)
        where T : unmanaged
    {
        try
        {
            fill(buffer);
            return buffer;
        }
        catch (Exception exception)
        {
            var explained = Explain(buffer.Accelerator, buffer.LengthInBytes, purpose, exception);
            buffer.Dispose();
            if (explained is not null) throw explained;
            throw;
        }
    }
}
