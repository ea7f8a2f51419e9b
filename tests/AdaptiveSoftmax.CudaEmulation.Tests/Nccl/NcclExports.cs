using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using AdaptiveSoftmax.CudaEmulation.Tests.Driver;
using AdaptiveSoftmax.Gpu.Tests.Emulation;

namespace AdaptiveSoftmax.CudaEmulation.Tests.Nccl;

/// <summary>
/// The functions of <c>libnccl.so.2</c> that this library calls, on emulated devices: ranks are threads. As NCCL's, calls return before
/// values move, and all belongs to the primary context of the rank's device. Unlike NCCL, which waits for ever or mixes values up, it
/// refuses calls in another context, streams and memory of another, and calls that ranks do not make alike.
/// </summary>
internal static unsafe class NcclExports
{
    public const int Float32 = 7;
    public const int Float64 = 8;

    private static readonly Dictionary<Guid, NcclJob> s_jobs = [];
    private static readonly Dictionary<nint, NcclRank> s_ranks = [];

    private static nint s_next = 0x2000;

    [ThreadStatic]
    private static string? s_failure;

    /// <summary>The functions by name.</summary>
    public static IEnumerable<(string Name, nint Function)> Functions =>
        from method in typeof(NcclExports).GetMethods(BindingFlags.Static | BindingFlags.NonPublic)
        where method.GetCustomAttribute<UnmanagedCallersOnlyAttribute>() is not null
        orderby method.Name
        select (method.Name, method.MethodHandle.GetFunctionPointer());

    /// <summary>The calls of ncclAllReduce so far, of all ranks.</summary>
    public static int Reductions { get; private set; }

    /// <summary>The operations that ranks had not destroyed when they left, of jobs that nothing went wrong in.</summary>
    public static int LeftOperations { get; private set; }

    /// <summary>Lets nobody wait for a rank that has failed.</summary>
    public static void EndJobs()
    {
        lock (CudaExports.Device)
        {
            foreach (var job in s_jobs.Values) job.Fail(NcclStatus.RemoteError, "Another rank has left.");
        }
    }

    [UnmanagedCallersOnly]
    private static NcclStatus ncclGetVersion(int* version)
    {
        *version = 22_105;
        return NcclStatus.Success;
    }

    [UnmanagedCallersOnly]
    private static NcclStatus ncclGetUniqueId(NcclUniqueId* id) => Call(() =>
    {
        *id = default;
        id->First = Guid.NewGuid();
        s_jobs.Add(id->First, new NcclJob());
    });

    [UnmanagedCallersOnly]
    private static NcclStatus ncclCommInitRank(nint* communicator, int size, NcclUniqueId id, int rank) => Call(() =>
    {
        *communicator = 0;
        if (!s_jobs.TryGetValue(id.First, out var job) || id.Rest.Any()) throw new NcclFailure(NcclStatus.InvalidArgument, "The id is none that ncclGetUniqueId has given.");
        var context = CudaDevice.Current;
        if (CudaExports.Device.Primary(context.Device) != context) throw new NcclFailure(NcclStatus.InvalidUsage, "The thread's current context is not the device's primary one.");
        var joined = new NcclRank(job, rank, context);
        job.Join(joined, size);
        s_ranks.Add(*communicator = s_next += 16, joined);
    });

    [UnmanagedCallersOnly]
    private static NcclStatus ncclCommAbort(nint communicator) => Call(() =>
    {
        var rank = Remove(communicator);
        if (rank.Job.Failure is null) LeftOperations += rank.Operations.Count;
    });

    [UnmanagedCallersOnly]
    private static NcclStatus ncclCommGetAsyncError(nint communicator, NcclStatus* error) => Call(() =>
    {
        var rank = Find(communicator);
        var failure = rank.Job.Find(rank);
        *error = failure?.Status ?? NcclStatus.Success;
        if (failure is not null) s_failure = failure.Message;
    });

    [UnmanagedCallersOnly]
    private static NcclStatus ncclRedOpCreatePreMulSum(int* operation, void* scalar, int type, int residence, nint communicator) => Call(() =>
    {
        var rank = Find(communicator);
        if (type != Float32 || residence != 1) throw new NcclFailure(NcclStatus.InvalidArgument, "Scalars are float32 and on the host here.");
        *operation = rank.NextOperation++;
        rank.Operations.Add(*operation, *(float*)scalar);
    });

    [UnmanagedCallersOnly]
    private static NcclStatus ncclRedOpDestroy(int operation, nint communicator) => Call(() =>
    {
        if (!Find(communicator).Operations.Remove(operation)) throw new NcclFailure(NcclStatus.InvalidArgument, $"{operation} is no operation of the communicator.");
    });

    [UnmanagedCallersOnly]
    private static NcclStatus ncclAllReduce(ulong send, ulong receive, nuint count, int type, int operation, nint communicator, nint stream) => Call(() =>
    {
        var rank = Find(communicator);
        if (!rank.Operations.TryGetValue(operation, out var scale)) throw new NcclFailure(NcclStatus.InvalidArgument, $"{operation} is no operation of the communicator.");
        Reductions++;
        if (type != Float32) throw new NcclFailure(NcclStatus.InvalidArgument, $"Values of the type {type} are not added up here.");
        Begin(rank, new NcclCall("ncclAllReduce", (long)count, type, scale) { Send = send, Receive = receive, Stream = CudaExports.Device.Stream(stream) });
    });

    [UnmanagedCallersOnly]
    private static NcclStatus ncclAllGather(ulong send, ulong receive, nuint count, int type, nint communicator, nint stream) => Call(() =>
    {
        var rank = Find(communicator);
        if (type is not (Float32 or Float64)) throw new NcclFailure(NcclStatus.InvalidArgument, $"The type {type} is not known here.");
        Begin(rank, new NcclCall("ncclAllGather", (long)count, type, 1) { Send = send, Receive = receive, Stream = CudaExports.Device.Stream(stream) });
    });

    // The caller reads texts at once and never frees them: there are few failures.
    [UnmanagedCallersOnly]
    private static nint ncclGetErrorString(NcclStatus status) => Marshal.StringToCoTaskMemUTF8(status switch
    {
        NcclStatus.Success => "no error",
        NcclStatus.InvalidArgument => "invalid argument",
        NcclStatus.InvalidUsage => "invalid usage",
        NcclStatus.RemoteError => "remote process exited or there was a network error",
        _ => "unhandled cuda error",
    });

    // NCCL takes any communicator, and none.
    [UnmanagedCallersOnly]
    private static nint ncclGetLastError(nint communicator) => Marshal.StringToCoTaskMemUTF8(s_failure ?? "");

    private static void Begin(NcclRank rank, NcclCall call)
    {
        CheckMemory(rank, call.Send, call.Bytes);
        CheckMemory(rank, call.Receive, call.IsGather ? call.Bytes * rank.Job.Size : call.Bytes);
        var at = (long)(call.Send - call.Receive);
        if (call.IsGather && at > -call.Bytes && at < call.Bytes * rank.Job.Size && at != call.Bytes * rank.Number)
            throw new NcclFailure(NcclStatus.InvalidArgument, "The rank's values lie among those of all, and not in their place.");
        rank.Job.Begin(rank, call);
    }

    private static void CheckMemory(NcclRank rank, ulong address, long bytes)
    {
        if (bytes <= 0) throw new NcclFailure(NcclStatus.InvalidArgument, "There are no values.");
        if (!EmulatedMemory.IsDevice(address) || !rank.Context.Has(address)) throw new NcclFailure(NcclStatus.InvalidArgument, $"{address:x} is no memory of the communicator's context.");
        CudaExports.Device.Memory.Span(address, bytes);
    }

    private static NcclRank Find(nint communicator)
    {
        var rank = s_ranks.TryGetValue(communicator, out var found) ? found : throw new NcclFailure(NcclStatus.InvalidArgument, $"{communicator:x} is no communicator.");
        return CudaDevice.IsCurrent(rank.Context) ? rank : throw new NcclFailure(NcclStatus.InvalidUsage, "The communicator's context is not the thread's current one.");
    }

    private static NcclRank Remove(nint communicator)
    {
        var rank = Find(communicator);
        s_ranks.Remove(communicator);
        rank.HasLeft = true;
        return rank;
    }

    private static NcclStatus Call(Action action)
    {
        lock (CudaExports.Device)
        {
            try
            {
                action();
                return NcclStatus.Success;
            }
            catch (NcclFailure failure)
            {
                s_failure = failure.Message;
                return failure.Status;
            }
            catch (Exception exception)
            {
                s_failure = exception is CudaFailure or PtxException ? exception.Message : exception.ToString();
                return NcclStatus.UnhandledCudaError;
            }
        }
    }
}

/// <summary>The id, which is handed over by value.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct NcclUniqueId
{
    public Guid First;
    public NcclIdRest Rest;
}

/// <summary>The rest of an id, which is 0 here.</summary>
[InlineArray(14)]
internal struct NcclIdRest
{
    private ulong _first;

    /// <summary>Whether something stands there.</summary>
    public readonly bool Any()
    {
        foreach (var word in this)
        {
            if (word != 0) return true;
        }

        return false;
    }
}

/// <summary>The results of NCCL's functions that are given, with the numbers of <c>nccl.h</c>.</summary>
internal enum NcclStatus
{
    Success = 0,
    UnhandledCudaError = 1,
    InvalidArgument = 4,
    InvalidUsage = 5,
    RemoteError = 6,
}

/// <summary>What makes a function fail, and in more words than NCCL has.</summary>
internal sealed class NcclFailure(NcclStatus status, string message) : Exception(message)
{
    /// <summary>The result.</summary>
    public NcclStatus Status { get; } = status;
}
