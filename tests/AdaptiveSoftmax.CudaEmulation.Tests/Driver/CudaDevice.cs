using AdaptiveSoftmax.Gpu.Tests.Emulation;

namespace AdaptiveSoftmax.CudaEmulation.Tests.Driver;

/// <summary>The devices, which have one memory, and what is alive on them. Its functions are called by one thread at a time.</summary>
internal sealed class CudaDevice
{
    private readonly Dictionary<nint, object> _handles = [];

    // No small number, which functions would take for one of their constants.
    private nint _next = 0x1000;

    [ThreadStatic]
    private static CudaContext? s_current;

    [ThreadStatic]
    private static Stack<CudaContext?>? s_below;

    private readonly Dictionary<int, (CudaContext Context, nint Handle, int Uses)> _primary = [];

    /// <summary>Whether it was initialised.</summary>
    public bool IsInitialized { get; set; }

    /// <summary>The global memory.</summary>
    public EmulatedMemory Memory { get; } = new();

    /// <summary>The kernels that were launched, by name, recorded ones each time that they ran.</summary>
    public Dictionary<string, int> Launches { get; } = new(StringComparer.Ordinal);

    /// <summary>How many more buffers the device has room for; null for as many as its memory holds.</summary>
    public int? AllocationsLeft { get; set; }

    /// <summary>The thread's context.</summary>
    /// <exception cref="CudaFailure">It has none, or one that is broken.</exception>
    public static CudaContext Current
    {
        get
        {
            var current = s_current ?? throw new CudaFailure(CudaStatus.InvalidContext, "The thread has no current context.");
            return current.Fault is { } fault ? throw new CudaFailure(fault.Status, fault.Message) : current;
        }
    }

    /// <summary>Sets the thread's context.</summary>
    public static void SetCurrent(CudaContext? context) => s_current = context;

    /// <summary>Sets the thread's context until <see cref="Pop"/>.</summary>
    public static void Push(CudaContext context)
    {
        (s_below ??= []).Push(s_current);
        s_current = context;
    }

    /// <summary>Sets the thread's context to what it was.</summary>
    public static void Pop() => s_current = s_below is { Count: > 0 } below ? below.Pop() : throw new CudaFailure(CudaStatus.InvalidContext, "No context was pushed.");

    /// <summary>Whether a context is the thread's.</summary>
    public static bool IsCurrent(CudaContext context) => s_current == context;

    /// <summary>
    /// The thread's context for a call that may wait for the device: a thread that records must not make one, and what it
    /// records is spoilt.
    /// </summary>
    public static CudaContext CurrentForWaiting(string call)
    {
        var current = Current;
        var captures = current.Captures(Environment.CurrentManagedThreadId).ToArray();
        foreach (var capture in captures) capture.IsInvalidated = true;
        return captures.Length == 0 ? current : throw new CudaFailure(CudaStatus.StreamCaptureUnsupported, $"{call} is not allowed while the thread records.");
    }

    /// <summary>The primary context of a device; null where nobody has retained it.</summary>
    public CudaContext? Primary(int device) => _primary.TryGetValue(device, out var primary) ? primary.Context : null;

    /// <summary>Retains the primary context of a device.</summary>
    /// <returns>Its handle.</returns>
    public nint RetainPrimary(int device)
    {
        if (!_primary.TryGetValue(device, out var primary))
        {
            primary.Context = new CudaContext(device);
            primary.Handle = Add(primary.Context);
        }

        _primary[device] = primary with { Uses = primary.Uses + 1 };
        return primary.Handle;
    }

    /// <summary>Releases it. The last release ends it; who has left buffers in it is told.</summary>
    public void ReleasePrimary(int device)
    {
        if (!_primary.TryGetValue(device, out var primary)) throw new CudaFailure(CudaStatus.InvalidContext, $"The primary context of device {device} is not retained.");
        _primary[device] = primary with { Uses = primary.Uses - 1 };
        if (primary.Uses > 1) return;
        _primary.Remove(device);
        Remove<CudaContext>(primary.Handle);
        if (primary.Context.Buffers.Count > 0) throw new CudaFailure(CudaStatus.IllegalState, "Buffers are left in the primary context.");
    }

    /// <summary>Keeps an object.</summary>
    /// <returns>Its handle.</returns>
    public nint Add(object item)
    {
        _next += 16;
        _handles.Add(_next, item);
        return _next;
    }

    /// <summary>Finds an object.</summary>
    public T Get<T>(nint handle)
        where T : class =>
        _handles.TryGetValue(handle, out var item) && item is T found ? found : throw new CudaFailure(CudaStatus.InvalidHandle, $"{handle:x} is no handle of a {typeof(T).Name}.");

    /// <summary>Forgets an object.</summary>
    public T Remove<T>(nint handle)
        where T : class
    {
        var item = Get<T>(handle);
        _handles.Remove(handle);
        return item;
    }

    /// <summary>A stream of the thread's context.</summary>
    public CudaStream Stream(nint handle)
    {
        var context = Current;
        // The numbers 0 and 1 stand for the default stream.
        var stream = handle is 0 or 1 ? context.DefaultStream : Get<CudaStream>(handle);
        return stream.Context == context ? stream : throw new CudaFailure(CudaStatus.InvalidHandle, "The stream is of another context.");
    }
}
