using System.Diagnostics.Tracing;

namespace AdaptiveSoftmax.Gpu.Tests.Cuda;

/// <summary>The events that the GPU backend writes on this thread; tests beside this one write theirs on others.</summary>
internal sealed class GpuEvents : EventListener
{
    private readonly int _thread = Environment.CurrentManagedThreadId;

    /// <summary>Name, level and first value of each event.</summary>
    public List<(string Name, EventLevel Level, string? Text)> Written { get; } = [];

    protected override void OnEventSourceCreated(EventSource eventSource)
    {
        if (eventSource.Name == "AdaptiveSoftmax-Gpu") EnableEvents(eventSource, EventLevel.Verbose);
    }

    protected override void OnEventWritten(EventWrittenEventArgs eventData)
    {
        if (Environment.CurrentManagedThreadId == _thread && eventData.EventSource.Name == "AdaptiveSoftmax-Gpu")
            Written.Add((eventData.EventName!, eventData.Level, eventData.Payload?[0] as string));
    }
}
