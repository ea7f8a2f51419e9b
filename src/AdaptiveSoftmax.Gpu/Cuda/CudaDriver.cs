using System.Reflection;
using System.Runtime.InteropServices;
using ILGPU.Runtime.Cuda;

namespace AdaptiveSoftmax.Gpu.Cuda;

/// <summary>
/// The functions of the CUDA driver that ILGPU does not offer. Names, numbers and signatures are those of <c>cuda.h</c>;
/// on each call the device's context must be the thread's current one.
/// </summary>
internal sealed unsafe partial class CudaDriver : IGraphDriver
{
    private const string Library = "nvcuda";

    // Allocations and other calls of this thread alone can spoil the recording, not those of other threads.
    private const int ThreadLocalCapture = 1; // CU_STREAM_CAPTURE_MODE_THREAD_LOCAL

    private const int MaxDynamicSharedSize = 8; // CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES
    private const int MaxSharedMemoryPerBlockOptIn = 97; // CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN

    /// <summary>What graphs need; the newest of them, cuGraphInstantiateWithFlags, came with CUDA 11.4.</summary>
    internal static readonly string[] GraphEntryPoints =
    [
        "cuStreamBeginCapture_v2", "cuStreamEndCapture", "cuGraphGetNodes", "cuGraphInstantiateWithFlags", "cuGraphLaunch",
        "cuGraphDestroy", "cuGraphExecDestroy", "cuGetErrorName", "cuGetErrorString",
    ];

    private static readonly Lazy<nint> s_library = new(() => DriverLibraries.Load(DriverLibraries.Cuda));
    private static readonly Lazy<string?> s_graphsUnavailable = new(() => WhyUnavailable(s_library.Value, GraphEntryPoints));

    static CudaDriver() => NativeLibrary.SetDllImportResolver(typeof(CudaDriver).Assembly, Resolve);

    private CudaDriver()
    {
    }

    /// <summary>The driver of this machine.</summary>
    public static CudaDriver Instance { get; } = new();

    /// <summary>Why this machine's driver cannot record graphs, or null where it can.</summary>
    public static string? GraphsUnavailable => s_graphsUnavailable.Value;

    /// <summary>Why ILGPU finds no CUDA device, which it keeps to itself, in words for a person.</summary>
    public static string DescribeNoDevice()
    {
        if (WhyUnavailable(s_library.Value, []) is { } missing) return missing;
        var status = cuInit(0);
        if (status != CudaError.CUDA_SUCCESS) return $"the CUDA driver did not start: {Instance.Describe(status)}";
        status = cuDeviceGetCount(out var devices);
        if (status != CudaError.CUDA_SUCCESS) return $"the CUDA driver counted no devices: {Instance.Describe(status)}";
        return devices == 0 ? "the CUDA driver has no device" : "the CUDA driver has a device, and is too old for ILGPU to compile for it";
    }

    /// <summary>Says which of the entry points a library lacks, in words for a person, or null.</summary>
    /// <param name="library">A loaded library, or 0 for one that could not be loaded.</param>
    /// <param name="entryPoints">Names of functions.</param>
    internal static string? WhyUnavailable(nint library, IEnumerable<string> entryPoints)
    {
        if (library == 0) return $"the CUDA driver's library ({string.Join(" or ", DriverLibraries.Cuda)}) could not be loaded";
        var missing = entryPoints.Where(name => !NativeLibrary.TryGetExport(library, name, out _)).ToArray();
        return missing.Length == 0 ? null
            : $"the CUDA driver has no {string.Join(", ", missing)}; graphs need a driver for CUDA 11.4 or later";
    }

    /// <inheritdoc/>
    public CudaError BeginCapture(nint stream) => cuStreamBeginCapture_v2(stream, ThreadLocalCapture);

    /// <inheritdoc/>
    public CudaError EndCapture(nint stream, out nint graph) => cuStreamEndCapture(stream, out graph);

    /// <inheritdoc/>
    public CudaError CountNodes(nint graph, out nint count) => cuGraphGetNodes(graph, null, out count);

    /// <inheritdoc/>
    public CudaError Instantiate(nint graph, out nint executable) => cuGraphInstantiateWithFlags(out executable, graph, 0);

    /// <inheritdoc/>
    public CudaError Launch(nint executable, nint stream) => cuGraphLaunch(executable, stream);

    /// <inheritdoc/>
    public CudaError DestroyGraph(nint graph) => cuGraphDestroy(graph);

    /// <inheritdoc/>
    public CudaError DestroyExecutable(nint executable) => cuGraphExecDestroy(executable);

    /// <summary>Throws for a status that is not success.</summary>
    /// <param name="status">The status.</param>
    /// <param name="call">The function.</param>
    /// <exception cref="CudaException">It is not.</exception>
    public static void Check(CudaError status, string call)
    {
        if (status != CudaError.CUDA_SUCCESS) throw new CudaException($"{call} failed with {Instance.Describe(status)}");
    }

    /// <summary>Raises the bytes of dynamic shared memory that a launch of a kernel may ask for.</summary>
    public static CudaError SetMaxDynamicSharedMemory(nint function, int bytes) =>
        cuFuncSetAttribute(function, MaxDynamicSharedSize, bytes);

    /// <summary>The bytes of shared memory that a group can have on a device if its kernel is allowed to.</summary>
    public static CudaError GetMaxSharedMemory(int device, out int bytes) =>
        cuDeviceGetAttribute(out bytes, MaxSharedMemoryPerBlockOptIn, device);

    /// <inheritdoc/>
    public string Describe(CudaError error)
    {
        // Both leave the text at 0 for a number that the driver does not know.
        var named = cuGetErrorName(error, out var name) == CudaError.CUDA_SUCCESS && name != 0;
        var described = cuGetErrorString(error, out var text) == CudaError.CUDA_SUCCESS && text != 0;
        return FormattableString.Invariant($"{(named ? Marshal.PtrToStringUTF8(name) : "CUDA error")} ({(int)error})")
            + (described ? $": {Marshal.PtrToStringUTF8(text)}" : "");
    }

    private static nint Resolve(string name, Assembly assembly, DllImportSearchPath? path) => name == Library ? s_library.Value : 0;

    [LibraryImport(Library)]
    private static partial CudaError cuInit(uint flags);

    [LibraryImport(Library)]
    private static partial CudaError cuDeviceGetCount(out int count);

    [LibraryImport(Library)]
    private static partial CudaError cuStreamBeginCapture_v2(nint stream, int mode);

    [LibraryImport(Library)]
    private static partial CudaError cuStreamEndCapture(nint stream, out nint graph);

    [LibraryImport(Library)]
    private static partial CudaError cuGraphGetNodes(nint graph, nint* nodes, out nint count);

    [LibraryImport(Library)]
    private static partial CudaError cuGraphInstantiateWithFlags(out nint executable, nint graph, ulong flags);

    [LibraryImport(Library)]
    private static partial CudaError cuGraphLaunch(nint executable, nint stream);

    [LibraryImport(Library)]
    private static partial CudaError cuGraphDestroy(nint graph);

    [LibraryImport(Library)]
    private static partial CudaError cuGraphExecDestroy(nint executable);

    [LibraryImport(Library)]
    private static partial CudaError cuFuncSetAttribute(nint function, int attribute, int value);

    [LibraryImport(Library)]
    private static partial CudaError cuDeviceGetAttribute(out int value, int attribute, int device);

    [LibraryImport(Library)]
    private static partial CudaError cuGetErrorName(CudaError error, out nint name);

    [LibraryImport(Library)]
    private static partial CudaError cuGetErrorString(CudaError error, out nint text);
}
