using AdaptiveSoftmax.Gpu.Cuda;
using ILGPU;
using ILGPU.Runtime;
using ILGPU.Runtime.Cuda;
using ILGPU.Runtime.OpenCL;

namespace AdaptiveSoftmax.Gpu;

/// <summary>Contexts whose compiler settings the kernels of this library count on.</summary>
public static class GpuContext
{
    static GpuContext() => DriverLibraries.Register();

    /// <summary>
    /// Creates a context with all CUDA and OpenCL devices of the machine. A context of the caller's own does as well if
    /// <see cref="Configure"/> was called on its builder.
    /// </summary>
    public static Context Create() => Context.Create(builder => Configure(builder).Cuda().OpenCL());

    /// <summary>Opens the first CUDA device of a context, or its first OpenCL device where there is none.</summary>
    /// <param name="context">A context of <see cref="Create"/>.</param>
    /// <exception cref="NotSupportedException">The context has no such device; the message says what to install.</exception>
    public static Accelerator CreateAccelerator(Context context)
    {
        ArgumentNullException.ThrowIfNull(context);
        var device = context.Devices.FirstOrDefault(device => device is CudaDevice) ?? context.Devices.FirstOrDefault(device => device is CLDevice);
        if (device is null)
            throw new NotSupportedException($"There is no CUDA or OpenCL device ({CudaDriver.DescribeNoDevice()}): install NVIDIA's driver, or an OpenCL runtime with the generic address space (PoCL 4 or later runs on the processor).");
        return device.CreateAccelerator(context);
    }

    /// <summary>
    /// Sets what the kernels need: functions such as exp, inlining, and the optimization level at which ILGPU proves
    /// pointers to be global, without which each load would find that out at run time. Called before devices are added, as
    /// in <c>GpuContext.Configure(builder).Cuda()</c>, it also has ILGPU find drivers that are installed without the links
    /// libcuda.so or libOpenCL.so.
    /// </summary>
    /// <param name="builder">The builder of a context.</param>
    /// <returns>The same builder.</returns>
    public static Context.Builder Configure(Context.Builder builder)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.EnableAlgorithms().Optimize(OptimizationLevel.O2).Inlining(InliningMode.Aggressive);
    }
}
