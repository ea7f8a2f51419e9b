using System.Runtime.InteropServices;
using System.Text;

namespace AdaptiveSoftmax.Distributed;

/// <summary>
/// The functions and handles of an MPI library, found when it is loaded. Open MPI's handles are addresses of its symbols and
/// MPICH's are numbers, which other libraries of MPICH's binary interface share.
/// </summary>
internal sealed unsafe class MpiLibrary
{
    private const int VersionRoom = 8192;

    private static readonly string[] s_openMpi = ["libmpi.so.40", "libmpi.40.dylib"];
    private static readonly string[] s_mpich = ["libmpich.so.12", "libmpi.so.12", "libmpi.12.dylib"];

    private readonly nint _handle;

    private MpiLibrary(nint handle, string path)
    {
        _handle = handle;
        Path = path;
        GetLibraryVersion = (delegate* unmanaged<byte*, int*, int>)Find("MPI_Get_library_version");
        Version = ReadVersion();
        if (NativeLibrary.TryGetExport(handle, "ompi_mpi_comm_world", out var world))
        {
            World = world;
            Byte = Find("ompi_mpi_byte");
            Float = Find("ompi_mpi_float");
            NoInfo = Find("ompi_mpi_info_null");
            ErrorsReturn = Find("ompi_mpi_errors_return");
            InPlace = (void*)1;
            SharedType = 0;
        }
        else if (Version.Contains("MPICH", StringComparison.Ordinal) || Version.Contains("Intel(R) MPI", StringComparison.Ordinal))
        {
            World = 0x44000000;
            Byte = 0x4c00010d;
            Float = 0x4c00040a;
            NoInfo = 0x1c000000;
            ErrorsReturn = 0x54000001;
            InPlace = (void*)-1;
            SharedType = 1;
        }
        else
        {
            throw new MpiException($"'{path}' is '{Version}', whose handles are not known here; Open MPI (from 4.0 on) and MPICH (from 3.2 on) are.");
        }

        InitThread = (delegate* unmanaged<int*, nint, int, int*, int>)Find("MPI_Init_thread");
        Initialized = (delegate* unmanaged<int*, int>)Find("MPI_Initialized");
        Rank = (delegate* unmanaged<nint, int*, int>)Find("MPI_Comm_rank");
        Size = (delegate* unmanaged<nint, int*, int>)Find("MPI_Comm_size");
        SetErrorHandler = (delegate* unmanaged<nint, nint, int>)Find("MPI_Comm_set_errhandler");
        ErrorString = (delegate* unmanaged<int, byte*, int*, int>)Find("MPI_Error_string");
        Broadcast = (delegate* unmanaged<void*, int, nint, int, nint, int>)Find("MPI_Bcast");
        AllGather = (delegate* unmanaged<void*, int, nint, void*, int*, int*, nint, nint, int>)Find("MPI_Allgatherv");
        AllToAll = (delegate* unmanaged<void*, int*, int*, nint, void*, int*, int*, nint, nint, int>)Find("MPI_Alltoallv");
        Split = (delegate* unmanaged<nint, int, int, nint, nint*, int>)Find("MPI_Comm_split_type");
        FreeGroup = (delegate* unmanaged<nint*, int>)Find("MPI_Comm_free");
        AllocateWindow = (delegate* unmanaged<nint, int, nint, nint, void*, nint*, int>)Find("MPI_Win_allocate_shared");
        FindWindow = (delegate* unmanaged<nint, int, nint*, int*, void*, int>)Find("MPI_Win_shared_query");
        SetWindowErrorHandler = (delegate* unmanaged<nint, nint, int>)Find("MPI_Win_set_errhandler");
        FreeWindow = (delegate* unmanaged<nint*, int>)Find("MPI_Win_free");
        Probe = (delegate* unmanaged<int, int, nint, int*, void*, int>)Find("MPI_Iprobe");
        Finish = (delegate* unmanaged<int>)Find("MPI_Finalize");
        Abort = (delegate* unmanaged<nint, int, int>)Find("MPI_Abort");
    }

    /// <summary>Where it was loaded from.</summary>
    public string Path { get; }

    /// <summary>What it says of itself, such as <c>Open MPI v5.0.7</c>.</summary>
    public string Version { get; }

    public nint World { get; }

    public nint Byte { get; }

    public nint Float { get; }

    public nint NoInfo { get; }

    public nint ErrorsReturn { get; }

    /// <summary>What stands for values that are where the result is to be.</summary>
    public void* InPlace { get; }

    /// <summary>The kind of groups whose ranks share memory.</summary>
    public int SharedType { get; }

    public delegate* unmanaged<byte*, int*, int> GetLibraryVersion { get; }

    public delegate* unmanaged<int*, nint, int, int*, int> InitThread { get; }

    public delegate* unmanaged<int*, int> Initialized { get; }

    public delegate* unmanaged<nint, int*, int> Rank { get; }

    public delegate* unmanaged<nint, int*, int> Size { get; }

    public delegate* unmanaged<nint, nint, int> SetErrorHandler { get; }

    public delegate* unmanaged<int, byte*, int*, int> ErrorString { get; }

    public delegate* unmanaged<void*, int, nint, int, nint, int> Broadcast { get; }

    public delegate* unmanaged<void*, int, nint, void*, int*, int*, nint, nint, int> AllGather { get; }

    public delegate* unmanaged<void*, int*, int*, nint, void*, int*, int*, nint, nint, int> AllToAll { get; }

    public delegate* unmanaged<nint, int, int, nint, nint*, int> Split { get; }

    public delegate* unmanaged<nint*, int> FreeGroup { get; }

    public delegate* unmanaged<nint, int, nint, nint, void*, nint*, int> AllocateWindow { get; }

    public delegate* unmanaged<nint, int, nint*, int*, void*, int> FindWindow { get; }

    public delegate* unmanaged<nint, nint, int> SetWindowErrorHandler { get; }

    public delegate* unmanaged<nint*, int> FreeWindow { get; }

    public delegate* unmanaged<int, int, nint, int*, void*, int> Probe { get; }

    public delegate* unmanaged<int> Finish { get; }

    public delegate* unmanaged<nint, int, int> Abort { get; }

    /// <summary>Loads the library that the launcher belongs to, or the one that is there.</summary>
    /// <param name="path">The file; null to look for it.</param>
    /// <exception cref="MpiException">There is none, or it is none that is known.</exception>
    public static MpiLibrary Load(string? path)
    {
        string[] names = path is not null ? [path] : MpiLauncher.IsMpich ? [.. s_mpich, .. s_openMpi] : [.. s_openMpi, .. s_mpich];
        foreach (var name in names)
        {
            if (NativeLibrary.TryLoad(name, out var handle)) return new MpiLibrary(handle, name);
        }

        throw new MpiException(
            path is not null
                ? $"The MPI library '{path}' cannot be loaded."
                : $"There is no MPI library: none of {string.Join(", ", names)} can be loaded. Install Open MPI (Debian: openmpi-bin) or MPICH (mpich), or name the file by {MpiCollectives.LibraryVariable}.");
    }

    /// <summary>The library's words for an error.</summary>
    public string Describe(int error)
    {
        var text = stackalloc byte[VersionRoom];
        var length = 0;
        return ErrorString(error, text, &length) == 0 ? Encoding.UTF8.GetString(text, length) : FormattableString.Invariant($"error {error}");
    }

    private string ReadVersion()
    {
        var text = stackalloc byte[VersionRoom];
        var length = 0;
        if (GetLibraryVersion(text, &length) != 0) return "a library that does not know its version";
        // Behind it they tell how they were built, and who packed them.
        var version = Encoding.UTF8.GetString(text, length).Split('\n', '\0', ',')[0];
        return string.Join(' ', version.Split(' ', '\t').Where(word => word.Length > 0));
    }

    private nint Find(string name) =>
        NativeLibrary.TryGetExport(_handle, name, out var address) ? address : throw new MpiException($"'{Path}' has no {name}, so it is no MPI library of version 3 or later.");
}
