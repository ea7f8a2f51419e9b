namespace AdaptiveSoftmax.Distributed;

/// <summary>
/// A window of memory for each rank, of a length that stays in a core's cache, which all ranks read: ranks on one machine pass values
/// on in it without messages. A rank writes into its own alone.
/// </summary>
internal abstract unsafe class SharedMemory : IDisposable
{
    /// <summary>The floats of a window.</summary>
    public const int Length = 1 << 16;

    /// <summary>The window of a rank, [<see cref="Length"/>].</summary>
    public abstract float* Of(int rank);

    /// <summary>Waits until all ranks have come here; what they wrote before can be read then.</summary>
    public abstract void Wait();

    /// <inheritdoc/>
    public abstract void Dispose();
}
