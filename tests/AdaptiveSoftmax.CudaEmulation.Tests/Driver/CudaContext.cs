namespace AdaptiveSoftmax.CudaEmulation.Tests.Driver;

/// <summary>A context: what belongs together on the device, and fails together.</summary>
internal sealed class CudaContext
{
    private readonly List<CudaStream> _streams = [];

    public CudaContext(int device)
    {
        Device = device;
        DefaultStream = new(this, isBlocking: true);
        _streams.Add(DefaultStream);
    }

    /// <summary>The number of its device.</summary>
    public int Device { get; }

    /// <summary>The stream of the handle 0.</summary>
    public CudaStream DefaultStream { get; }

    /// <summary>The buffers.</summary>
    public HashSet<ulong> Buffers { get; } = [];

    /// <summary>Whether an address is in one of them, which lie far apart.</summary>
    public bool Has(ulong address) => Buffers.Any(start => address >= start && address - start < 1UL << 40);

    /// <summary>What a kernel did wrong: after it nothing of the context works any more, as on a device.</summary>
    public CudaFailure? Fault { get; private set; }

    /// <summary>Makes a stream.</summary>
    public CudaStream CreateStream(bool isBlocking)
    {
        var stream = new CudaStream(this, isBlocking);
        _streams.Add(stream);
        return stream;
    }

    /// <summary>Ends a stream; what it has to do is still done.</summary>
    public void Destroy(CudaStream stream)
    {
        Finish(stream);
        _streams.Remove(stream);
    }

    /// <summary>The default stream waits for the blocking ones, and they for it.</summary>
    public void Order(CudaStream stream)
    {
        if (!stream.IsBlocking) return;
        foreach (var other in _streams)
        {
            if (other == stream || !other.IsBlocking || (other != DefaultStream && stream != DefaultStream)) continue;
            if (other.Capture is { } capture)
            {
                capture.IsInvalidated = true;
                throw new CudaFailure(CudaStatus.StreamCaptureImplicit, "The default stream would wait for a stream that records.");
            }

            Finish(other);
        }
    }

    /// <summary>Waits for a stream.</summary>
    public void Finish(CudaStream stream) => Guard(stream.Finish);

    /// <summary>Does what a stream can do without waiting for other ranks.</summary>
    /// <returns>Whether that is all.</returns>
    public bool TryFinish(CudaStream stream)
    {
        var isDone = false;
        Guard(() => isDone = stream.TryFinish());
        return isDone;
    }

    private void Guard(Action work)
    {
        try
        {
            work();
        }
        catch (CudaFailure failure)
        {
            Fault = failure;
            foreach (var other in _streams) other.Abandon();
            throw;
        }
    }

    /// <summary>Waits for all streams.</summary>
    public void FinishAll()
    {
        foreach (var stream in _streams) Finish(stream);
    }

    /// <summary>The recordings that a thread began.</summary>
    public IEnumerable<CudaCapture> Captures(int thread) =>
        _streams.Select(stream => stream.Capture).OfType<CudaCapture>().Where(capture => capture.Thread == thread);
}
