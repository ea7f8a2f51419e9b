using System.Runtime.InteropServices;

namespace AdaptiveSoftmax.CudaEmulation.Tests.Driver;

// Streams and graphs.
internal static unsafe partial class CudaExports
{
    private const int ThreadLocalCapture = 1; // CU_STREAM_CAPTURE_MODE_THREAD_LOCAL

    [UnmanagedCallersOnly]
    private static CudaStatus cuStreamCreate(nint* stream, uint flags) => Call(() =>
    {
        if (flags > 1) throw new CudaFailure(CudaStatus.InvalidValue, $"The flags {flags} are not known.");
        *stream = Device.Add(CudaDevice.Current.CreateStream(isBlocking: flags == 0));
    });

    [UnmanagedCallersOnly]
    private static CudaStatus cuStreamDestroy_v2(nint stream) => Call(() =>
    {
        var destroyed = Device.Remove<CudaStream>(stream);
        destroyed.Context.Destroy(destroyed);
    });

    [UnmanagedCallersOnly]
    private static CudaStatus cuStreamSynchronize(nint stream) => Call(() =>
    {
        // A stream that records must not be waited for by anybody.
        var waited = Device.Stream(stream);
        if (waited.Capture is { } capture)
        {
            capture.IsInvalidated = true;
            throw new CudaFailure(CudaStatus.StreamCaptureUnsupported, "A stream that records cannot be waited for.");
        }

        var context = CudaDevice.CurrentForWaiting("cuStreamSynchronize");
        context.Order(waited);
        context.Finish(waited);
    });

    [UnmanagedCallersOnly]
    private static CudaStatus cuStreamQuery(nint stream) => Call(() =>
    {
        var asked = Device.Stream(stream);
        if (!asked.Context.TryFinish(asked)) throw new CudaFailure(CudaStatus.NotReady, "The stream has work to do.");
    });

    [UnmanagedCallersOnly]
    private static CudaStatus cuStreamBeginCapture_v2(nint stream, int mode) => Call(() =>
    {
        var on = Device.Stream(stream);
        if (mode != ThreadLocalCapture) throw new CudaFailure(CudaStatus.InvalidValue, $"The mode {mode} is not known.");
        if (on == on.Context.DefaultStream) throw new CudaFailure(CudaStatus.StreamCaptureUnsupported, "The default stream cannot be recorded.");
        if (on.Capture is not null) throw new CudaFailure(CudaStatus.IllegalState, "The stream is recorded already.");
        on.Capture = new(Environment.CurrentManagedThreadId);
    });

    [UnmanagedCallersOnly]
    private static CudaStatus cuStreamEndCapture(nint stream, nint* graph) => Call(() =>
    {
        *graph = 0;
        var on = Device.Stream(stream);
        var capture = on.Capture ?? throw new CudaFailure(CudaStatus.IllegalState, "The stream is not recorded.");
        if (capture.Thread != Environment.CurrentManagedThreadId) throw new CudaFailure(CudaStatus.StreamCaptureWrongThread, "Another thread began the recording.");
        on.Capture = null;
        if (capture.IsInvalidated) throw new CudaFailure(CudaStatus.StreamCaptureInvalidated, "A call has spoilt the recording.");
        *graph = Device.Add(new CudaGraph(capture.Nodes));
    });

    [UnmanagedCallersOnly]
    private static CudaStatus cuGraphGetNodes(nint graph, nint* nodes, nint* count) => Call(() =>
    {
        if (nodes != null) throw new CudaFailure(CudaStatus.InvalidValue, "Handles of nodes are not known.");
        *count = Device.Get<CudaGraph>(graph).Nodes.Count;
    });

    [UnmanagedCallersOnly]
    private static CudaStatus cuGraphInstantiateWithFlags(nint* executable, nint graph, ulong flags) => Call(() =>
    {
        CudaDevice.CurrentForWaiting("cuGraphInstantiateWithFlags");
        if (flags != 0) throw new CudaFailure(CudaStatus.InvalidValue, $"The flags {flags} are not known.");
        *executable = Device.Add(new CudaExecutableGraph(Device.Get<CudaGraph>(graph).Nodes));
    });

    [UnmanagedCallersOnly]
    private static CudaStatus cuGraphLaunch(nint executable, nint stream) => Call(() =>
    {
        var on = Device.Stream(stream);
        if (on.Capture is { } capture)
        {
            capture.IsInvalidated = true;
            throw new CudaFailure(CudaStatus.StreamCaptureUnsupported, "Graphs within graphs are not known.");
        }

        foreach (var node in Device.Get<CudaExecutableGraph>(executable).Nodes) on.Add(node);
    });

    [UnmanagedCallersOnly]
    private static CudaStatus cuGraphDestroy(nint graph) => Call(() => Device.Remove<CudaGraph>(graph));

    [UnmanagedCallersOnly]
    private static CudaStatus cuGraphExecDestroy(nint executable) => Call(() => Device.Remove<CudaExecutableGraph>(executable));
}

/// <summary>A recorded graph.</summary>
internal sealed record CudaGraph(IReadOnlyList<Action> Nodes);

/// <summary>A graph that can be launched.</summary>
internal sealed record CudaExecutableGraph(IReadOnlyList<Action> Nodes);
