using AdaptiveSoftmax.Gpu.Cuda;
using ILGPU;
using ILGPU.Runtime;
using ILGPU.Runtime.CPU;
using ILGPU.Runtime.Cuda;
using ILGPU.Runtime.OpenCL;

namespace AdaptiveSoftmax.Gpu.Tests;

/// <summary>A device that tests run on, opened once for the whole run: a kernel is compiled once an accelerator.</summary>
internal static class Backend
{
    /// <summary>
    /// The collection of all tests that use a device: they run one after the other, since a kernel's arguments are set and
    /// then launched, which two threads must not do at once on one accelerator.
    /// </summary>
    public const string Collection = "Devices";

    private static readonly Lazy<Accelerator?> s_openCl = new(() =>
    {
        var context = Context.Create(builder => GpuContext.Configure(builder).OpenCL());
        var devices = context.GetCLDevices();
        return devices.Count == 0 ? null : devices[0].CreateAccelerator(context);
    });

    private static readonly Lazy<Accelerator> s_cpu = new(() =>
    {
        var context = Context.Create(builder => GpuContext.Configure(builder.CPU(new CPUDevice(numThreadsPerWarp: 4, numWarpsPerMultiprocessor: 64, numMultiprocessors: 1))));
        return context.GetCPUDevice(0).CreateCPUAccelerator(context);
    });

    private static readonly Lazy<Accelerator?> s_cuda = new(() =>
    {
        var context = Context.Create(builder => GpuContext.Configure(builder).Cuda());
        var devices = context.GetCudaDevices();
        return devices.Count == 0 ? null : devices[0].CreateAccelerator(context);
    });

    /// <summary>The first OpenCL device; where there is none, the test fails with the remedy.</summary>
    public static Accelerator OpenCl
    {
        get
        {
            // A machine that has a GPU and nothing else checks CUDA alone: eng/gpu-bundle.sh.
            Assert.SkipWhen(Environment.GetEnvironmentVariable("ADAPTIVE_SOFTMAX_TESTS") == "cuda", "Only CUDA was asked for.");
            Assert.True(s_openCl.Value is not null, "There is no OpenCL device; eng/opencl.sh installs one that runs on the processor.");
            return s_openCl.Value!;
        }
    }

    /// <summary>ILGPU's own interpreter-like accelerator: slow, for tiny sizes.</summary>
    public static Accelerator Cpu => s_cpu.Value;

    /// <summary>The first CUDA device; where there is none, the test is skipped.</summary>
    public static Accelerator Cuda
    {
        get
        {
            Assert.SkipWhen(s_cuda.Value is null, $"There is no CUDA device on this machine: {CudaDriver.DescribeNoDevice()}.");
            return s_cuda.Value!;
        }
    }

    /// <summary>The first CUDA device; where there is none, or it is too old for the generated kernels, the test is skipped.</summary>
    public static Accelerator CudaWithTensorCores
    {
        get
        {
            var accelerator = (CudaAccelerator)Cuda;
            Assert.SkipWhen(accelerator.Architecture < CudaArchitecture.SM_80, $"{accelerator.Name} has compute capability {accelerator.Architecture}; tensor cores need 8.0.");
            return accelerator;
        }
    }
}
