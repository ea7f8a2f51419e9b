using AdaptiveSoftmax.Vocabulary;
using ILGPU.Runtime;

namespace AdaptiveSoftmax.Gpu;

/// <summary>
/// Decodes weights in bfloat16 or float16 on a device, where they take two bytes each, with nothing in float32 beside them: those of
/// a <see cref="QuantizedSoftmax"/>, whether it is the copy of a layer, was loaded, or is the dense head of a checkpoint. The
/// weights are the CPU's bit by bit; products multiply and sum in float32, so that results are the CPU's up to the rounding of sums.
/// There is no training, and no way to change the weights.
/// </summary>
public sealed class GpuQuantizedSoftmax : GpuSoftmaxDecoder
{
    private readonly Func<int, int> _slotOf;
    private readonly Func<int, int> _tokenOf;
    private readonly StoredWeights _weights;

    /// <summary>Copies weights to a device, which need not stay on the host.</summary>
    /// <param name="accelerator">The device.</param>
    /// <param name="source">Weights in bfloat16, float16 or float32, each cluster in its own precision.</param>
    /// <param name="options">How it runs; null for <see cref="GpuOptions.Default"/>.</param>
    /// <exception cref="ArgumentException">An option is out of range, or is one of training.</exception>
    /// <exception cref="NotSupportedException">A cluster is in int8 or int4, or logits are scaled or capped, which devices do not compute.</exception>
    /// <exception cref="GpuMemoryException">The device has too little memory.</exception>
    /// <exception cref="ObjectDisposedException">The source is disposed.</exception>
    public GpuQuantizedSoftmax(Accelerator accelerator, QuantizedSoftmax source, GpuOptions? options = null)
        : this(accelerator, source, Describe(accelerator, source, options), options ?? GpuOptions.Default)
    {
    }

    private GpuQuantizedSoftmax(Accelerator accelerator, QuantizedSoftmax source, StoredWeights weights, GpuOptions options)
        : base(accelerator, source.Identity, weights.Linears, options)
    {
        (Precision, _weights, _slotOf, _tokenOf) = (source.Precision, weights, source.SlotOf, source.TokenOf);
        try
        {
            using var use = source.Leases.Take();
            weights.Upload(source);
            CreateTables();
        }
        catch
        {
            Release();
            throw;
        }
    }

    /// <summary>The precisions of the weights.</summary>
    public QuantizationOptions Precision { get; }

    /// <summary>The bytes of all weights on the device; the head's bias is in float32, and rows are padded to 8 values.</summary>
    public long WeightBytes => _weights.Bytes;

    /// <inheritdoc/>
    protected override int FindSlot(int tokenId) => _slotOf(tokenId);

    /// <inheritdoc/>
    protected override int GetTokenId(int slot) => _tokenOf(slot);

    private protected override void ReleaseWeights() => _weights.Dispose();

    private static StoredWeights Describe(Accelerator accelerator, QuantizedSoftmax source, GpuOptions? options)
    {
        ArgumentNullException.ThrowIfNull(accelerator);
        ArgumentNullException.ThrowIfNull(source);
        options?.Check();
        if (options is not null && (options.TensorCores != TensorCoreUse.Off || options.Precision != ProductPrecision.Float32))
            throw new ArgumentException($"{nameof(GpuOptions.TensorCores)} and {nameof(GpuOptions.Precision)} are of training, which {nameof(GpuQuantizedSoftmax)} has none of; leave them as they are by default.", nameof(options));
        CheckLayout(source.Layout);
        for (var cluster = 0; cluster <= source.Layout.TailCount; cluster++)
        {
            var precision = cluster == 0 ? source.Precision.Head : source.Precision.OfTail(cluster - 1);
            if (precision is WeightPrecision.Int8 or WeightPrecision.Int4)
                throw new NotSupportedException(FormattableString.Invariant($"{(cluster == 0 ? "The head" : FormattableString.Invariant($"Tail {cluster - 1}"))} is in {precision.GetName()}, which is not decoded on a device; quantize with {nameof(QuantizationOptions.Head)} and {nameof(QuantizationOptions.Tails)} in {nameof(WeightPrecision.BFloat16)} or {nameof(WeightPrecision.Float16)}."));
        }

        return new StoredWeights(accelerator, source);
    }
}
