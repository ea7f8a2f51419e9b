using System.Reflection;
using System.Runtime.InteropServices;
using System.Runtime.Loader;
using ILGPU;

namespace AdaptiveSoftmax.Gpu.Cuda;

/// <summary>
/// The files of the drivers. ILGPU asks for libcuda.so and libOpenCL.so, names that on Linux belong to the packages for
/// developing; a driver alone may have brought only those with a version.
/// </summary>
internal static class DriverLibraries
{
    static DriverLibraries() => AssemblyLoadContext.GetLoadContext(typeof(Context).Assembly)!.ResolvingUnmanagedDll += Resolve;

    /// <summary>CUDA's names, the likelier first.</summary>
    public static string[] Cuda => OperatingSystem.IsWindows() ? ["nvcuda.dll"] : ["libcuda.so.1", "libcuda.so"];

    /// <summary>From here on ILGPU finds the drivers under these names too. Before it looks for devices, which it does once.</summary>
    public static void Register()
    {
        // The static constructor has done it.
    }

    /// <summary>The first of some libraries that can be loaded, or 0.</summary>
    public static nint Load(params ReadOnlySpan<string> names)
    {
        foreach (var name in names)
        {
            if (NativeLibrary.TryLoad(name, out var library)) return library;
        }

        return 0;
    }

    // Asked only after the usual places had nothing.
    internal static nint Resolve(Assembly assembly, string name)
    {
        if (assembly != typeof(Context).Assembly || !OperatingSystem.IsLinux()) return 0;
        return name switch
        {
            "cuda" => Load(Cuda),
            "OpenCL" => Load("libOpenCL.so.1"),
            _ => 0,
        };
    }
}
