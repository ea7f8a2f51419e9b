using System.Globalization;
using System.Runtime.InteropServices;

namespace AdaptiveSoftmax.Gpu.Cuda;

/// <summary>What ranks have in common that are to find each other: <c>ncclUniqueId</c>, which is handed over by value.</summary>
[StructLayout(LayoutKind.Sequential, Size = Length)]
internal struct NcclId
{
    public const int Length = 128;
}

/// <summary>
/// The functions of NCCL that are used, under the names and with the signatures of <c>nccl.h</c>, from version 2.11 on. On each call
/// the primary context of the rank's device must be the thread's current one (<see cref="PrimaryContext"/>).
/// </summary>
internal sealed unsafe class NcclLibrary
{
    /// <summary>The environment variable that names the file.</summary>
    public const string Variable = "ADAPTIVE_SOFTMAX_NCCL";

    public const int Float32 = 7; // ncclFloat32
    public const int Float64 = 8; // ncclFloat64

    private const int Success = 0; // ncclSuccess
    private const int InProgress = 7; // ncclInProgress
    private const int HostImmediate = 1; // ncclScalarHostImmediate

    private readonly nint _handle;
    private readonly string _path;
    private readonly delegate* unmanaged<NcclId*, int> _getUniqueId;
    private readonly delegate* unmanaged<nint*, int, NcclId, int, int> _commInitRank;
    private readonly delegate* unmanaged<nint, int> _commAbort;
    private readonly delegate* unmanaged<nint, int*, int> _commGetAsyncError;
    private readonly delegate* unmanaged<int, byte*> _getErrorString;
    private readonly delegate* unmanaged<nint, byte*> _getLastError; // null before 2.13
    private readonly delegate* unmanaged<ulong, ulong, nuint, int, int, nint, nint, int> _allReduce;
    private readonly delegate* unmanaged<ulong, ulong, nuint, int, nint, nint, int> _allGather;
    private readonly delegate* unmanaged<int*, void*, int, int, nint, int> _createScaledSum;
    private readonly delegate* unmanaged<int, nint, int> _destroyOperation;

    private NcclLibrary(nint handle, string path)
    {
        (_handle, _path) = (handle, path);
        var getVersion = (delegate* unmanaged<int*, int>)Find("ncclGetVersion");
        _getErrorString = (delegate* unmanaged<int, byte*>)Find("ncclGetErrorString");
        if (NativeLibrary.TryGetExport(handle, "ncclGetLastError", out var getLastError)) _getLastError = (delegate* unmanaged<nint, byte*>)getLastError;
        _getUniqueId = (delegate* unmanaged<NcclId*, int>)Find("ncclGetUniqueId");
        _commInitRank = (delegate* unmanaged<nint*, int, NcclId, int, int>)Find("ncclCommInitRank");
        _commAbort = (delegate* unmanaged<nint, int>)Find("ncclCommAbort");
        _commGetAsyncError = (delegate* unmanaged<nint, int*, int>)Find("ncclCommGetAsyncError");
        _allReduce = (delegate* unmanaged<ulong, ulong, nuint, int, int, nint, nint, int>)Find("ncclAllReduce");
        _allGather = (delegate* unmanaged<ulong, ulong, nuint, int, nint, nint, int>)Find("ncclAllGather");
        _createScaledSum = (delegate* unmanaged<int*, void*, int, int, nint, int>)Find("ncclRedOpCreatePreMulSum");
        _destroyOperation = (delegate* unmanaged<int, nint, int>)Find("ncclRedOpDestroy");
        int version;
        Check(getVersion(&version), "ncclGetVersion");
        Version = string.Create(CultureInfo.InvariantCulture, $"{version / 10_000}.{version / 100 % 100}.{version % 100}");
    }

    /// <summary>The version, such as 2.21.5.</summary>
    public string Version { get; }

    /// <summary>Loads it.</summary>
    /// <param name="path">The file; null to look for it.</param>
    /// <exception cref="NcclException">There is none, or it is none that is known.</exception>
    public static NcclLibrary Load(string? path)
    {
        string[] names = path is null ? ["libnccl.so.2", "libnccl.so"] : [path];
        foreach (var name in names)
        {
            if (NativeLibrary.TryLoad(name, out var handle)) return new NcclLibrary(handle, name);
        }

        throw new NcclException(path is null
            ? $"There is no NCCL: none of {string.Join(", ", names)} can be loaded. Install it (NVIDIA's package libnccl2; PyTorch's wheels bring it as well), or name its file by {Variable}."
            : $"The NCCL library '{path}', which {Variable} names, cannot be loaded. Name the file libnccl.so.2 of an installed NCCL for Linux, or unset the variable.");
    }

    /// <summary>A new id, on one rank. Needs no context.</summary>
    public NcclId CreateId()
    {
        NcclId id;
        Check(_getUniqueId(&id), "ncclGetUniqueId");
        return id;
    }

    /// <summary>Joins the ranks of an id; waits for the others.</summary>
    public int Join(NcclId id, int rank, int size, out nint communicator)
    {
        fixed (nint* pointer = &communicator) return _commInitRank(pointer, size, id, rank);
    }

    /// <summary>Leaves, whatever has not ended.</summary>
    public int Abort(nint communicator) => _commAbort(communicator);

    /// <summary>What went wrong after calls had returned; <see cref="Success"/> where nothing did.</summary>
    public int FindError(nint communicator)
    {
        int error;
        var result = _commGetAsyncError(communicator, &error);
        return result != Success ? result : error == InProgress ? Success : error;
    }

    /// <summary>Makes the operation that adds values up after multiplying them by a scale.</summary>
    public int CreateScaledSum(float scale, nint communicator, out int operation)
    {
        fixed (int* pointer = &operation) return _createScaledSum(pointer, &scale, Float32, HostImmediate, communicator);
    }

    /// <summary>Forgets an operation; calls that began with it end as they are to.</summary>
    public int DestroyOperation(int operation, nint communicator) => _destroyOperation(operation, communicator);

    /// <summary>Reduces float32 values of the device in their place.</summary>
    public int AllReduce(ulong values, long count, int operation, nint communicator, nint stream) =>
        _allReduce(values, values, (nuint)count, Float32, operation, communicator, stream);

    /// <summary>Puts the float64 values of all ranks together.</summary>
    public int AllGather(ulong own, ulong all, long count, nint communicator, nint stream) =>
        _allGather(own, all, (nuint)count, Float64, communicator, stream);

    /// <summary>What to throw for a result that is not success.</summary>
    /// <param name="result">The result.</param>
    /// <param name="call">The function.</param>
    /// <param name="where">On which rank, with a blank before it.</param>
    public NcclException Explain(int result, string call, string where)
    {
        var remedy = result switch
        {
            4 or 5 => "Give each rank a device of its own, the same id and number of ranks, and the same calls in the same order.", // ncclInvalidArgument, ncclInvalidUsage
            6 => "Another rank has ended, or the network between them has failed: its own error says why.", // ncclRemoteError
            InProgress => "Unset NCCL_COMM_BLOCKING in its environment: calls must not return before they have begun.",
            _ => "Set NCCL_DEBUG=WARN in its environment: NCCL then says more.",
        };
        return new(FormattableString.Invariant($"{call} failed{where}: {Marshal.PtrToStringUTF8((nint)_getErrorString(result))} ({result}, NCCL {Version ?? "of unknown version"}, '{_path}'). {LastError()}{remedy}"));
    }

    // In its own words, with file or address, where it has some.
    private string LastError()
    {
        var text = _getLastError is null ? null : Marshal.PtrToStringUTF8((nint)_getLastError(0))?.Trim();
        return string.IsNullOrEmpty(text) ? "" : $"NCCL says last: {text.TrimEnd('.')}. ";
    }

    private void Check(int result, string call)
    {
        if (result != Success) throw Explain(result, call, "");
    }

    private nint Find(string name) =>
        NativeLibrary.TryGetExport(_handle, name, out var address) ? address : throw new NcclException($"'{_path}' has no {name}, which NCCL has from version 2.11 on. Install a newer one, or name its file by {Variable}.");
}
