using ILGPU.Runtime.Cuda;

namespace AdaptiveSoftmax.Gpu.Cuda;

/// <summary>An executable graph as the driver knows it.</summary>
/// <param name="Executable">Its handle, to be destroyed by who holds it.</param>
/// <param name="Nodes">The number of launches and copies in it.</param>
internal readonly record struct RecordedGraph(nint Executable, int Nodes);

/// <summary>Records launches on a stream as a graph, and leaves the stream usable however that ends.</summary>
internal static class GraphRecorder
{
    /// <summary>Records <paramref name="launches"/> on a stream; they do not run.</summary>
    /// <param name="driver">The driver.</param>
    /// <param name="stream">The handle of a created stream.</param>
    /// <param name="launches">
    /// Launches on that stream. An exception of theirs passes through, after the recording was ended; only
    /// <see cref="CudaException"/>, the driver's refusal of a call during a recording, is turned into a reason.
    /// </param>
    /// <param name="reason">Why there is no graph, or null.</param>
    /// <returns>The graph, or null with a reason.</returns>
    /// <exception cref="InvalidOperationException">Nothing was launched on the stream.</exception>
    public static RecordedGraph? TryRecord(IGraphDriver driver, nint stream, Action launches, out string? reason)
    {
        // A stream that does not begin is not ours to end: somebody may be recording on it.
        if (!Succeeded(driver, "cuStreamBeginCapture", driver.BeginCapture(stream), out reason)) return null;
        nint graph = 0;
        try
        {
            string? refusal = null;
            var ended = CudaError.CUDA_SUCCESS;
            try
            {
                launches();
            }
            catch (CudaException exception)
            {
                refusal = $"the driver refused a call while it recorded: {exception.Message}";
            }
            finally
            {
                ended = driver.EndCapture(stream, out graph);
            }

            var whole = Succeeded(driver, "cuStreamEndCapture", ended, out reason);
            if (refusal is not null) reason = refusal;
            return whole && refusal is null ? Instantiate(driver, graph, out reason) : null;
        }
        finally
        {
            // Its status would say nothing new: an error here is one of an earlier launch, which the next call reports.
            if (graph != 0) driver.DestroyGraph(graph);
        }
    }

    private static RecordedGraph? Instantiate(IGraphDriver driver, nint graph, out string? reason)
    {
        if (!Succeeded(driver, "cuGraphGetNodes", driver.CountNodes(graph, out var count), out reason)) return null;
        if (count == 0)
        {
            throw new InvalidOperationException(
                "Nothing was recorded: the launches did not use the stream they were given, so that they ran at once. "
                + "Pass that stream to each of them.");
        }

        return Succeeded(driver, "cuGraphInstantiateWithFlags", driver.Instantiate(graph, out var executable), out reason)
            ? new RecordedGraph(executable, (int)count)
            : null;
    }

    private static bool Succeeded(IGraphDriver driver, string call, CudaError status, out string? reason)
    {
        reason = status == CudaError.CUDA_SUCCESS ? null : $"{call} failed with {driver.Describe(status)}";
        return reason is null;
    }
}
