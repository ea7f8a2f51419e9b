using AdaptiveSoftmax.CudaEmulation.Tests.Driver;
using ILGPU.Runtime;

namespace AdaptiveSoftmax.CudaEmulation.Tests.Cublas;

/// <summary>Makes the emulated cuBLASLt this process's <c>libcublasLt.so.13</c>.</summary>
internal static class EmulatedCublasLt
{
    private static readonly Lazy<nint> s_library = new(() => JumpLibrary.Load("libcublasLt.so.13", CublasLtExports.Functions));

    /// <summary>The emulated device, with the library.</summary>
    public static Accelerator Cuda
    {
        get
        {
            _ = s_library.Value;
            return EmulatedBackend.Cuda;
        }
    }
}
