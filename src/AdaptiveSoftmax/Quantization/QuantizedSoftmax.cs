namespace AdaptiveSoftmax;

/// <summary>
/// A decode-only copy of a layer whose weights take a half or a quarter of the memory, and of the time to read them:
/// bfloat16, or int8 with a scale a row. It does not change when the layer is trained on, and outlives it.
/// </summary>
public sealed class QuantizedSoftmax : SoftmaxDecoder
{
    private readonly SoftmaxDecoder _vocabulary;
    private readonly QuantizedCluster _head;
    private readonly QuantizedCluster[] _tails;

    internal QuantizedSoftmax(SoftmaxDecoder source, HeadLayer head, IReadOnlyList<TailLayer> tails, QuantizationOptions precision, AdaptiveSoftmaxOptions options)
        : base(source.Identity, options)
    {
        precision.Check(Layout.TailCount);
        Precision = precision;
        _vocabulary = source;
        _head = new QuantizedCluster(Pool, head.Weight, head.Bias, precision.Head);
        _tails = [.. tails.Select((tail, i) => new QuantizedCluster(Pool, tail, precision.OfTail(i)))];
    }

    /// <summary>The precisions of the weights.</summary>
    public QuantizationOptions Precision { get; }

    /// <summary>The bytes of all weights and scales.</summary>
    public long WeightBytes => _head.Bytes + _tails.Sum(tail => tail.Bytes);

    internal override IDecodingCluster DecodingHead => _head;

    internal override IReadOnlyList<IDecodingCluster> DecodingTails => _tails;

    /// <inheritdoc/>
    protected override int FindSlot(int tokenId) => _vocabulary.SlotOf(tokenId);

    /// <inheritdoc/>
    protected override int GetTokenId(int slot) => _vocabulary.TokenOf(slot);

    private protected override void DisposeWeights() => Leases.WhenUnused(() =>
    {
        _head.Dispose();
        foreach (var tail in _tails) tail.Dispose();
    });
}
