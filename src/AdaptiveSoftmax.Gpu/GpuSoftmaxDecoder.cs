using AdaptiveSoftmax.Gpu.Kernels;
using AdaptiveSoftmax.Vocabulary;
using ILGPU;
using ILGPU.Runtime;

namespace AdaptiveSoftmax.Gpu;

/// <summary>
/// Decodes an adaptive softmax on an ILGPU accelerator, CUDA or OpenCL: a layer that is trained there,
/// <see cref="GpuAdaptiveSoftmax"/>, or weights of two bytes, <see cref="GpuQuantizedSoftmax"/>.
/// </summary>
/// <remarks>
/// Calls with spans copy from and to the host and wait. Calls with views of the device's memory copy nothing, do not wait for
/// their results, and once a batch of their size was seen allocate nothing there. The same data on the same device give the same bits.
/// A decoder belongs to one thread at a time. The accelerator stays the caller's, and must outlive the decoder.
/// </remarks>
public abstract partial class GpuSoftmaxDecoder : IDisposable
{
    private readonly DecodeLinears _linears;
    private readonly DecodeScratch _decoding;
    private readonly VectorScratch _one;
    private DeviceTables? _tables;
    private AcceleratorStream _stream;
    private bool _disposed;

    // The weights need no memory yet; who has them allocates it, then creates the tables, and releases all where that fails.
    private protected GpuSoftmaxDecoder(Accelerator accelerator, SoftmaxIdentity identity, DecodeLinears linears, GpuOptions options)
    {
        (Accelerator, Identity, Options, _linears) = (accelerator, identity, options, linears);
        _stream = accelerator.DefaultStream;
        Kernels = KernelCache.Get(accelerator, device => new CommonKernels(device));
        _decoding = new DecodeScratch(accelerator, Layout, linears.Strips);
        _one = new VectorScratch(accelerator, Layout);
    }

    /// <summary>The device.</summary>
    public Accelerator Accelerator { get; }

    /// <summary>What weights must agree on to be loaded into this layer.</summary>
    public SoftmaxIdentity Identity { get; }

    /// <summary>The sizes.</summary>
    public SoftmaxLayout Layout => Identity.Layout;

    /// <summary>The bytes of working memory on the device, for the largest batches so far.</summary>
    public long WorkingBytes => _decoding.Bytes + _one.Bytes + Tables.Bytes + TrainingBytes;

    // How often memory was exchanged: what another batch gave back to the device must not be replayed.
    internal virtual (int Training, int Decoding) Generation => (0, _decoding.Generation);

    // How often a parameter was frozen or learns again: a recording has the products of those that learned.
    internal virtual int LearningChanges => 0;

    private protected GpuOptions Options { get; }

    private protected CommonKernels Kernels { get; }

    private protected DeviceTables Tables => _tables!;

    // The default stream, but while launches are recorded.
    private protected AcceleratorStream Stream => _stream;

    private protected bool IsRecording { get; private set; }

    private protected virtual long TrainingBytes => 0;

    /// <summary>Releases the device's memory; the accelerator stays the caller's.</summary>
    public void Dispose()
    {
        if (_disposed) return;
        Release();
        GC.SuppressFinalize(this);
    }

    /// <summary>The slot of a token, or −1 for an id that is not in the vocabulary.</summary>
    /// <param name="tokenId">A token's id.</param>
    protected abstract int FindSlot(int tokenId);

    /// <summary>The id of the token in a slot.</summary>
    /// <param name="slot">A slot in [0, V).</param>
    protected abstract int GetTokenId(int slot);

    internal void CheckUsable() => ObjectDisposedException.ThrowIf(_disposed, this);

    /// <summary>Refuses what no device computes.</summary>
    private protected static void CheckLayout(SoftmaxLayout layout)
    {
        if (layout.MapsLogits)
            throw new NotSupportedException("Scaled and capped logits are not computed on a device; take the class on the CPU, or fold a logitScale without a cap into the weights, and leave both out of the spec.");
    }

    private protected void CreateTables() => _tables = new DeviceTables(Accelerator, Layout, _linears, GetTokenId);

    // Also in the middle of making the layer, when the weights' memory may not be there yet.
    private protected void Release()
    {
        _disposed = true;
        ReleaseWeights();
        _decoding.Dispose();
        _one.Dispose();
        _tables?.Dispose();
    }

    private protected abstract void ReleaseWeights();

    private protected int CountTokens(long hiddenLength, string name)
    {
        CheckUsable();
        if (hiddenLength % Layout.HiddenSize != 0)
            throw new ArgumentException(FormattableString.Invariant($"The hidden vectors hold {hiddenLength} values, which is no multiple of the hidden size {Layout.HiddenSize}."), name);
        if (hiddenLength / Layout.HiddenSize > int.MaxValue / 64)
            throw new ArgumentException(FormattableString.Invariant($"There are {hiddenLength / Layout.HiddenSize} hidden vectors; give at most {int.MaxValue / 64} at a time."), name);
        return (int)(hiddenLength / Layout.HiddenSize);
    }

    // A view of another accelerator would be read as if its addresses were this device's.
    private protected void CheckView<T>(ArrayView<T> view, long length, string what, string name)
        where T : unmanaged
    {
        if (view.Length != length)
            throw new ArgumentException(FormattableString.Invariant($"{what} has {view.Length} values; it must have {length}."), name);
        if (length > 0 && view.GetAccelerator() != Accelerator)
            throw new ArgumentException($"{what} lies in the memory of '{view.GetAccelerator().Name}', which is another accelerator than the layer's '{Accelerator.Name}'; allocate it on the layer's.", name);
    }
}
