namespace AdaptiveSoftmax.CudaEmulation.Tests.Driver;

/// <summary>
/// Work in order. It is done as late as it may be, when somebody waits for it: what does not wait where it must finds
/// nothing done.
/// </summary>
internal sealed class CudaStream(CudaContext context, bool isBlocking)
{
    private readonly Queue<(Action Work, Func<bool>? IsReady)> _pending = [];

    /// <summary>The context.</summary>
    public CudaContext Context { get; } = context;

    /// <summary>Whether it waits for the context's default stream, and that for it.</summary>
    public bool IsBlocking { get; } = isBlocking;

    /// <summary>What is recorded instead of done, or null.</summary>
    public CudaCapture? Capture { get; set; }

    /// <summary>Adds work, or records it.</summary>
    /// <param name="work">The work.</param>
    /// <param name="isReady">Whether it can be done now; null where it always can.</param>
    public void Add(Action work, Func<bool>? isReady = null)
    {
        if (Capture is { } capture)
        {
            capture.Add(work);
            return;
        }

        Context.Order(this);
        _pending.Enqueue((work, isReady));
    }

    /// <summary>Does what there is to do.</summary>
    public void Finish()
    {
        while (DoNext()) { }
        if (_pending.Count > 0) throw new CudaFailure(CudaStatus.LaunchFailed, "The stream is waited for without an end: another rank has not made the call.");
    }

    /// <summary>Does what can be done.</summary>
    /// <returns>Whether that is all.</returns>
    public bool TryFinish()
    {
        while (DoNext()) { }
        return _pending.Count == 0;
    }

    /// <summary>Does the next work.</summary>
    /// <returns>Whether there was some, and it could be done.</returns>
    public bool DoNext()
    {
        if (!_pending.TryPeek(out var next) || next.IsReady?.Invoke() == false) return false;
        _pending.Dequeue();
        next.Work();
        return true;
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
