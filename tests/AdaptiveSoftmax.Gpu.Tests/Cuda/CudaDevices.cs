using ILGPU;
using ILGPU.Runtime.Cuda;

namespace AdaptiveSoftmax.Gpu.Tests.Cuda;

/// <summary>The CUDA device of tests that need one; where there is none they are skipped, and say so.</summary>
internal static class CudaDevices
{
    public static Context CreateContext() => Context.Create(builder => GpuContext.Configure(builder.Cuda()));

    public static CudaAccelerator FirstOrSkip(Context context)
    {
        var devices = context.GetCudaDevices();
        if (devices.Count == 0) Assert.Skip("There is no CUDA device on this machine.");
        return devices[0].CreateCudaAccelerator(context);
    }
}
