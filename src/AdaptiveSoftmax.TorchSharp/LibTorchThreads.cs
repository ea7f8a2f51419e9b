using System.Diagnostics;
using System.Runtime.InteropServices;
using static TorchSharp.torch;

namespace AdaptiveSoftmax.TorchSharp;

/// <summary>The threads of the fused implementation: libtorch's own where its OpenMP runtime can be asked, else others.</summary>
internal static class LibTorchThreads
{
    private const string Library = "libtorch_cpu.so";
    private const string ParallelRegion = "GOMP_parallel";

    /// <summary>
    /// The <see cref="OpenMpTeam"/> of the OpenMP runtime that libtorch uses; 0 where it is linked to none that has it, and
    /// outside Linux.
    /// </summary>
    public static nint Team { get; } = OperatingSystem.IsLinux() ? FindTeam() : 0;

    /// <summary>As many threads as libtorch takes for an operation of this thread.</summary>
    public static WorkerPool Pool => WorkerPool.Get(get_num_threads(), Team);

    // By the path of the library that is loaded, so that no second copy is; a search from it on goes through what it is
    // linked to, and finds the runtime that it uses itself, not another one in the process.
    private static nint FindTeam()
    {
        using var process = Process.GetCurrentProcess();
        var loaded = process.Modules.Cast<ProcessModule>().FirstOrDefault(module => Path.GetFileName(module.FileName) == Library);
        return loaded is not null && NativeLibrary.TryLoad(loaded.FileName, out var handle) && NativeLibrary.TryGetExport(handle, ParallelRegion, out var team) ? team : 0;
    }
}
