namespace ServerSample;

/// <summary>
/// The model that new requests get. It can be replaced while requests run: each ends with the model it began with, so that
/// no answer is of two models, and a replaced model is disposed of when nobody uses it any more.
/// </summary>
internal sealed class CurrentModel : IDisposable
{
    private readonly Lock _lock = new();
    private ModelLease _own;

    /// <summary>Begins with a model, which is this object's from now on.</summary>
    public CurrentModel(ServedModel first) => _own = ModelLease.Own(first);

    /// <summary>Called after a replacement, by the thread that made it.</summary>
    public event Action? Replaced;

    /// <summary>The model of new requests.</summary>
    public ServedModel Model
    {
        get
        {
            lock (_lock) return _own.Model;
        }
    }

    /// <summary>The model of new requests, which lives at least until the lease ends.</summary>
    public ModelLease Take()
    {
        lock (_lock) return _own.Share();
    }

    /// <summary>Gives new requests another model, which is this object's from now on.</summary>
    public void Replace(ServedModel next)
    {
        ModelLease former;
        lock (_lock) (former, _own) = (_own, ModelLease.Own(next));
        Replaced?.Invoke();
        former.Dispose();
    }

    public void Dispose() => _own.Dispose();
}

/// <summary>A hold on a model. The model is disposed of with the last of its leases.</summary>
internal sealed class ModelLease : IDisposable
{
    private readonly Holders _holders;
    private int _isOver;

    private ModelLease(ServedModel model, Holders holders) => (Model, _holders) = (model, holders);

    public ServedModel Model { get; }

    /// <summary>The first lease of a model.</summary>
    public static ModelLease Own(ServedModel model) => new(model, new Holders { Count = 1 });

    /// <summary>Another lease of the same model; this one must not be over.</summary>
    public ModelLease Share()
    {
        ObjectDisposedException.ThrowIf(Volatile.Read(ref _isOver) != 0, this);
        Interlocked.Increment(ref _holders.Count);
        return new ModelLease(Model, _holders);
    }

    public void Dispose()
    {
        if (Interlocked.Exchange(ref _isOver, 1) == 0 && Interlocked.Decrement(ref _holders.Count) == 0) Model.Dispose();
    }

    private sealed class Holders
    {
        public int Count;
    }
}
