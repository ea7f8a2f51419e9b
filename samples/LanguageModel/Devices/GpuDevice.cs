using System.Globalization;
using AdaptiveSoftmax.Gpu;
using ILGPU;
using ILGPU.Runtime;
using ILGPU.Runtime.Cuda;
using ILGPU.Runtime.OpenCL;

namespace LanguageModelSample;

/// <summary>A CUDA or OpenCL device.</summary>
internal sealed class GpuDevice : ComputeDevice
{
    private readonly Context _context;
    private readonly Accelerator _accelerator;

    public GpuDevice(DeviceName name)
    {
        _context = GpuContext.Create();
        try
        {
            var devices = Find(_context, name.Kind);
            if (name.Index >= devices.Count) throw new DeviceException(DescribeMissing(name, devices.Count));
            _accelerator = devices[name.Index].CreateAccelerator(_context);
        }
        catch
        {
            _context.Dispose();
            throw;
        }

        Description = string.Create(CultureInfo.InvariantCulture, $"{name}, {_accelerator.Name} with {_accelerator.MemorySize / 1e9:F1} GB");
    }

    public override string Description { get; }

    public override string MemoryName => "memory on the device while training, body included";

    public override long UsedMemory => 0;

    public override LanguageModel CreateAdaptive(ulong seed) => Models.CreateAdaptive(seed, _accelerator);

    public override LanguageModel CreateFull(ulong seed) => Models.CreateFull(seed, _accelerator);

    public override void Dispose()
    {
        _accelerator.Dispose();
        _context.Dispose();
    }

    /// <summary>The devices of a kind, in the order of their indexes.</summary>
    public static IReadOnlyList<Device> Find(Context context, DeviceKind kind) =>
        kind == DeviceKind.Cuda ? [.. context.GetCudaDevices()] : [.. context.GetCLDevices()];

    private static string DescribeMissing(DeviceName name, int count)
    {
        if (count > 0) return string.Create(CultureInfo.InvariantCulture, $"There is no device {name}; this machine has {count} of that kind, and the last is {name with { Index = count - 1 }}. --device list shows them.");
        return name.Kind == DeviceKind.Cuda
            ? "There is no CUDA device on this machine; install NVIDIA's driver if it has such a card, or leave --device away to train on the processor."
            : "There is no OpenCL device on this machine; install the OpenCL driver of its graphics card, or PoCL (eng/opencl.sh), which computes on the processor.";
    }
}
