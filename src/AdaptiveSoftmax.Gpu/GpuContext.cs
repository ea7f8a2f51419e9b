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
        return device?.CreateAccelerator(context) ?? throw new NotSupportedException(DescribeNoDevice());
    }

    /// <summary>Opens a device of a context by its name.</summary>
    /// <param name="context">A context of <see cref="Create"/>.</param>
    /// <param name="id">A device of <see cref="ListDevices"/>, or <c>cuda:0</c> and <c>opencl:0</c> for the first ones.</param>
    /// <exception cref="NotSupportedException">The context has no such device; the message lists those that it has.</exception>
    public static Accelerator CreateAccelerator(Context context, string id)
    {
        ArgumentNullException.ThrowIfNull(context);
        ArgumentNullException.ThrowIfNull(id);
        var found = Find(context).FirstOrDefault(entry => entry.Id == id || entry.Id + ":0" == id).Device;
        return found?.CreateAccelerator(context) ?? throw new NotSupportedException($"There is no device '{id}'; {DescribeDevices(context)}");
    }

    /// <summary>The CUDA and OpenCL devices of a context, each kind in its driver's order.</summary>
    /// <param name="context">A context of <see cref="Create"/>.</param>
    public static IReadOnlyList<GpuDeviceInfo> ListDevices(Context context)
    {
        ArgumentNullException.ThrowIfNull(context);
        return [.. Find(context).Select(entry => new GpuDeviceInfo(entry.Id, entry.Device.Name, entry.Device.MemorySize))];
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

    // Without a kind the name is its first device's.
    private static IEnumerable<(string Id, Device Device)> Find(Context context) =>
        Name("cuda", context.Devices.Where(device => device is CudaDevice)).Concat(Name("opencl", context.Devices.Where(device => device is CLDevice)));

    private static IEnumerable<(string Id, Device Device)> Name(string kind, IEnumerable<Device> devices) =>
        devices.Select((device, index) => (index == 0 ? kind : FormattableString.Invariant($"{kind}:{index}"), device));

    private static string DescribeDevices(Context context)
    {
        var devices = ListDevices(context);
        return devices.Count == 0
            ? DescribeNoDevice()
            : $"this machine has {string.Join(", ", devices.Select(device => $"{device.Id} ({device.Name})"))}.";
    }

    private static string DescribeNoDevice() =>
        $"There is no CUDA or OpenCL device ({CudaDriver.DescribeNoDevice()}): install NVIDIA's driver, or an OpenCL runtime with the generic address space (PoCL 4 or later runs on the processor).";
}
