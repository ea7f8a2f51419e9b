using AdaptiveSoftmax.CudaEmulation.Tests.Driver;
using AdaptiveSoftmax.Gpu;
using ILGPU;
using ILGPU.Runtime;
using ILGPU.Runtime.Cuda;

namespace AdaptiveSoftmax.CudaEmulation.Tests;

/// <summary>ILGPU's CUDA accelerator on the emulated driver.</summary>
internal static class EmulatedBackend
{
    private static CudaAccelerator? s_accelerator;

    /// <summary>The accelerator; a new one after a kernel has done what it must not, since the other is then of no use.</summary>
    public static Accelerator Cuda
    {
        get
        {
            EmulatedDriver.Load();
            if (s_accelerator is null || CudaExports.Device.Get<CudaContext>(s_accelerator.NativePtr).Fault is not null)
            {
                var context = Context.Create(builder => GpuContext.Configure(builder.Cuda()));
                s_accelerator = context.GetCudaDevice(0).CreateCudaAccelerator(context);
            }

            return s_accelerator;
        }
    }
}
