using AdaptiveSoftmax.Gpu.Cuda;

namespace AdaptiveSoftmax.Gpu;

/// <summary>
/// The launches of a call, to be replayed on the same memory: a CUDA graph where the device has them, which starts all of
/// them at the cost of one; plain launches elsewhere, with the same results.
/// </summary>
/// <remarks>
/// A recording is over once the layer has grown its working memory for a larger batch, or is disposed: <see cref="Replay"/>
/// then says so. Record the largest batch first. Decoding one token has memory of its own, which never grows.
/// </remarks>
public sealed class GpuRecording : IDisposable
{
    private readonly GpuSoftmaxDecoder _layer;
    private readonly Action _call;
    private readonly LaunchGraph? _graph;
    private readonly (int, int)? _generation;
    private bool _disposed;

    // Only what uses memory that grows with the batch ends when that is exchanged.
    internal GpuRecording(GpuSoftmaxDecoder layer, Action call, LaunchGraph? graph, string? reason, bool usesGrowingMemory)
    {
        _layer = layer;
        _call = call;
        _graph = graph;
        _generation = usesGrowingMemory ? layer.Generation : null;
        WhyPlain = graph is null ? reason : null;
    }

    /// <summary>Whether a replay is one launch, a CUDA graph.</summary>
    public bool IsGraph => _graph is not null;

    /// <summary>Why launches are plain; null for a graph. It is logged as an event of <c>AdaptiveSoftmax-Gpu</c> as well.</summary>
    public string? WhyPlain { get; }

    /// <summary>The loss of the last replay of a backward pass.</summary>
    public GpuLoss Loss { get; internal set; }

    /// <summary>Of a backward pass, the layer's count of parameters that were frozen or learned again.</summary>
    internal int? LearningChanges { get; set; }

    /// <summary>Takes the call again, for what its memory holds now. Waits for nothing.</summary>
    /// <exception cref="InvalidOperationException">
    /// The layer has exchanged its working memory for another batch, or a parameter was frozen or learns again.
    /// </exception>
    /// <exception cref="ObjectDisposedException">The recording or the layer is disposed.</exception>
    public void Replay()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (_graph is null)
        {
            _call();
            return;
        }

        _layer.CheckUsable();
        if (_generation is { } generation && generation != _layer.Generation)
            throw new InvalidOperationException("The layer has taken another batch since, for which it exchanged the memory that the recording uses; record the call again.");
        if (LearningChanges is { } changes && changes != _layer.LearningChanges)
            throw new InvalidOperationException("A parameter was frozen since, or learns again, and the recording has the products of those that learned before; record the call again.");
        _graph.Launch(_layer.Accelerator.DefaultStream);
    }

    /// <summary>Releases the recording; the layer and the memory stay as they are.</summary>
    public void Dispose()
    {
        _disposed = true;
        _graph?.Dispose();
    }
}
