using System.Runtime.InteropServices;
using ILGPU.Runtime.Cuda;

namespace AdaptiveSoftmax.Gpu.Cuda;

/// <summary>
/// A context that is the thread's current one until this is disposed: then the one before is, whatever a library has done, which
/// ILGPU would not find out.
/// </summary>
internal readonly ref partial struct CurrentContext
{
    private const string Library = "nvcuda"; // resolved by CudaDriver

    /// <summary>Makes a context the current one.</summary>
    /// <exception cref="CudaException">The driver refuses.</exception>
    public CurrentContext(nint context)
    {
        _ = CudaDriver.Instance; // finds the library
        CudaDriver.Check(cuCtxPushCurrent_v2(context), nameof(cuCtxPushCurrent_v2));
    }

    /// <summary>Makes the one before the current one again.</summary>
    public void Dispose() => CudaDriver.Check(cuCtxPopCurrent_v2(out _), nameof(cuCtxPopCurrent_v2));

    [LibraryImport(Library)]
    private static partial CudaError cuCtxPushCurrent_v2(nint context);

    [LibraryImport(Library)]
    private static partial CudaError cuCtxPopCurrent_v2(out nint context);
}
