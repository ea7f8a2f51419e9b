using ILGPU.Runtime;
using ILGPU.Runtime.Cuda;

namespace AdaptiveSoftmax.Gpu.Cuda;

/// <summary>
/// A fixed sequence of kernel launches that a CUDA device starts as one: a replay costs the host one launch, however many the
/// sequence has.
/// </summary>
/// <remarks>
/// The recording holds the grids, the addresses and every other argument as they were: a replay reads what the buffers
/// hold then. It keeps the recorded delegate, and so the kernels and buffers that the delegate refers to, from being
/// collected; a buffer that is disposed of must not be replayed. Not thread-safe.
/// </remarks>
internal sealed class LaunchGraph : AcceleratorObject
{
    private readonly nint _executable;
    private readonly Action<AcceleratorStream> _launches;

    private LaunchGraph(Accelerator accelerator, RecordedGraph graph, Action<AcceleratorStream> launches)
        : base(accelerator)
    {
        _executable = graph.Executable;
        _launches = launches;
        Nodes = graph.Nodes;
    }

    /// <summary>The number of launches and copies in the graph.</summary>
    public int Nodes { get; }

    /// <summary>Records launches without running them.</summary>
    /// <param name="accelerator">The accelerator.</param>
    /// <param name="stream">A stream made by <see cref="Accelerator.CreateStream"/>; the default stream cannot be recorded.</param>
    /// <param name="launches">
    /// Launches on the stream it is given. It must not allocate, load a kernel, synchronise or copy to pageable memory, so
    /// let it run once for real first. It runs on this thread, at most once; where null is returned it may have been
    /// stopped halfway, but nothing of it ran on the device.
    /// </param>
    /// <param name="reason">Why nothing was recorded, which is also logged, or null.</param>
    /// <returns>The graph, or null: the caller then runs the launches plainly on the stream, which is as usable as before.</returns>
    /// <exception cref="ArgumentException">The stream belongs to another accelerator.</exception>
    /// <exception cref="InvalidOperationException">The launches did not use the stream they were given.</exception>
    public static LaunchGraph? TryCapture(
        Accelerator accelerator, AcceleratorStream stream, Action<AcceleratorStream> launches, out string? reason)
    {
        ArgumentNullException.ThrowIfNull(accelerator);
        ArgumentNullException.ThrowIfNull(stream);
        ArgumentNullException.ThrowIfNull(launches);
        if (stream.Accelerator != accelerator)
            throw new ArgumentException($"The stream belongs to {stream.Accelerator}, not to {accelerator}.", nameof(stream));
        var graph = Capture(accelerator, stream, launches, out reason);
        if (graph is null) GpuEventSource.Log.GraphCaptureUnavailable(reason!);
        return graph;
    }

    /// <summary>Starts all recorded launches, in order after what the stream already has to do; returns at once.</summary>
    /// <param name="stream">A stream of the same accelerator, not necessarily the recorded one.</param>
    /// <exception cref="ObjectDisposedException">The graph was disposed of, or its accelerator was.</exception>
    /// <exception cref="ArgumentException">The stream belongs to another accelerator.</exception>
    /// <exception cref="CudaException">The driver refused the launch, or reports a failure of an earlier one.</exception>
    public void Launch(AcceleratorStream stream)
    {
        ArgumentNullException.ThrowIfNull(stream);
        ObjectDisposedException.ThrowIf(IsDisposed, this);
        if (stream.Accelerator != Accelerator)
            throw new ArgumentException($"The stream belongs to {stream.Accelerator}, the graph to {Accelerator}.", nameof(stream));
        using var binding = Accelerator.BindScoped();
        Check("cuGraphLaunch", CudaDriver.Instance.Launch(_executable, ((CudaStream)stream).StreamPtr));
        GC.KeepAlive(_launches);
    }

    /// <inheritdoc/>
    protected override void DisposeAcceleratorObject(bool disposing)
    {
        var status = CudaDriver.Instance.DestroyExecutable(_executable);
        if (disposing) Check("cuGraphExecDestroy", status);
    }

    private static LaunchGraph? Capture(
        Accelerator accelerator, AcceleratorStream stream, Action<AcceleratorStream> launches, out string? reason)
    {
        if (stream is not CudaStream { StreamPtr: var handle })
        {
            reason = $"{accelerator.Name} is a device of {accelerator.AcceleratorType}, and graphs are CUDA's";
            return null;
        }

        // 0 and 1 are the driver's two names for it (CU_STREAM_LEGACY is 1).
        if (handle is 0 or 1)
        {
            reason = "the default stream cannot be recorded; create one with CreateStream";
            return null;
        }

        reason = CudaDriver.GraphsUnavailable;
        if (reason is not null) return null;
        using var binding = accelerator.BindScoped();
        var graph = GraphRecorder.TryRecord(CudaDriver.Instance, handle, () => launches(stream), out reason);
        return graph is { } recorded ? new LaunchGraph(accelerator, recorded, launches) : null;
    }

    private static void Check(string call, CudaError status)
    {
        if (status != CudaError.CUDA_SUCCESS)
            throw new CudaException($"{call} failed with {CudaDriver.Instance.Describe(status)}");
    }
}
