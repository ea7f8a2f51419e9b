namespace AdaptiveSoftmax.CudaEmulation.Tests.Driver;

/// <summary>
/// Work in order. It is done as late as it may be, when somebody waits for it: what does not wait where it must finds
/// nothing done.
/// </summary>
internal sealed class CudaStream(CudaContext context, bool isBlocking)
{
    private readonly Queue<Action> _pending = [];

    /// <summary>The context.</summary>
    public CudaContext Context { get; } = context;

    /// <summary>Whether it waits for the context's default stream, and that for it.</summary>
    public bool IsBlocking { get; } = isBlocking;

    /// <summary>What is recorded instead of done, or null.</summary>
    public CudaCapture? Capture { get; set; }

    /// <summary>Adds work, or records it.</summary>
    public void Add(Action work)
    {
        if (Capture is { } capture)
        {
            capture.Add(work);
            return;
        }

        Context.Order(this);
        _pending.Enqueue(work);
    }

    /// <summary>Does what there is to do.</summary>
    public void Finish()
    {
        while (_pending.TryDequeue(out var work)) work();
    }

    /// <summary>Forgets what there is to do.</summary>
    public void Abandon() => _pending.Clear();
}

/// <summary>What a stream records.</summary>
/// <param name="thread">The thread that began, which calls that could block must not come from.</param>
internal sealed class CudaCapture(int thread)
{
    private readonly List<Action> _nodes = [];

    /// <summary>The thread.</summary>
    public int Thread { get; } = thread;

    /// <summary>Whether a call spoilt it.</summary>
    public bool IsInvalidated { get; set; }

    /// <summary>What was recorded.</summary>
    public IReadOnlyList<Action> Nodes => _nodes;

    /// <summary>Records work.</summary>
    public void Add(Action work)
    {
        if (IsInvalidated) throw new CudaFailure(CudaStatus.StreamCaptureInvalidated, "An earlier call has spoilt the recording.");
        _nodes.Add(work);
    }
}
