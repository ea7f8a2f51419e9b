using System.Diagnostics.Tracing;

namespace AdaptiveSoftmax.Gpu.Cuda;

/// <summary>
/// What the GPU backend has to tell an operator: event source <c>AdaptiveSoftmax-Gpu</c>, seen for example with
/// <c>dotnet-trace collect --providers AdaptiveSoftmax-Gpu</c>.
/// </summary>
[EventSource(Name = "AdaptiveSoftmax-Gpu")]
internal sealed class GpuEventSource : EventSource
{
    /// <summary>The one instance.</summary>
    public static readonly GpuEventSource Log = new();

    private GpuEventSource()
    {
    }

    /// <summary>A step's launches could not be recorded as a graph and run one by one, with the same results but slower.</summary>
    /// <param name="reason">Why not.</param>
    [Event(1, Level = EventLevel.Warning, Message = "Launches run one by one, not as a CUDA graph: {0}.")]
    public void GraphCaptureUnavailable(string reason) => WriteEvent(1, reason);
}
