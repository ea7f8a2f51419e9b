using System.Runtime.InteropServices;
using ILGPU.Runtime.Cuda;

namespace AdaptiveSoftmax.CudaEmulation.Tests.Driver;

/// <summary>
/// Makes the emulated driver this process's <c>libcuda.so.1</c>, with the functions of <see cref="CudaExports"/>.
/// </summary>
internal static class EmulatedDriver
{
    private const string SharedName = "libcuda.so.1";

    private static readonly Lazy<nint> s_library = new(Open);

    /// <summary>Loads it, once, before anybody asks for CUDA.</summary>
    /// <exception cref="InvalidOperationException">There is no compiler; the message has the remedy.</exception>
    public static void Load()
    {
        if (!OperatingSystem.IsLinux() || RuntimeInformation.ProcessArchitecture != Architecture.X64)
            throw new PlatformNotSupportedException("CUDA is emulated on Linux on x86-64 alone.");
        _ = s_library.Value;
    }

    private static nint Open()
    {
        var library = JumpLibrary.Load(SharedName, CudaExports.Functions);
        // The library that was loaded under a name is found by that name: that serves this project's own functions.
        NativeLibrary.SetDllImportResolver(typeof(CudaAPI).Assembly, (name, _, _) => name == "cuda" ? library : 0);
        return library;
    }
}
