using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax;

/// <summary>
/// A decode-only copy of a layer whose weights take a half or a quarter of the memory, and of the time to read them:
/// bfloat16, float16, or int8 with a scale a row. It does not change when the layer is trained on, and outlives it. Or the
/// dense head of a checkpoint, in the precision that it is stored in.
/// </summary>
public sealed partial class QuantizedSoftmax : SoftmaxDecoder
{
    private readonly Func<int, int> _slotOf;
    private readonly Func<int, int> _tokenOf;
    private readonly QuantizedCluster _head;
    private readonly QuantizedCluster[] _tails;
    private readonly CertifiedScreens? _screens;

    internal QuantizedSoftmax(SoftmaxDecoder source, HeadLayer head, IReadOnlyList<TailLayer> tails, QuantizationOptions precision, AdaptiveSoftmaxOptions options)
        : base(source.Identity, options)
    {
        precision.Check(Layout.TailCount);
        Precision = precision;
        (_slotOf, _tokenOf) = (source.SlotOf, source.TokenOf);
        _head = new QuantizedCluster(Pool, head.Weight, head.Bias, LogitMap.Of(Layout), precision.Head);
        _tails = [.. tails.Select((tail, i) => new QuantizedCluster(Pool, tail, precision.OfTail(i)))];
    }

    /// <summary>A copy that was stored before, whose clusters belong to this from then on.</summary>
    internal QuantizedSoftmax(SoftmaxDecoder vocabulary, QuantizedCluster head, QuantizedCluster[] tails, CertifiedScreens? screens, QuantizationOptions precision, AdaptiveSoftmaxOptions options)
        : base(vocabulary.Identity, options)
    {
        (Precision, _head, _tails, _screens) = (precision, head, tails, screens);
        (_slotOf, _tokenOf) = (vocabulary.SlotOf, vocabulary.TokenOf);
        Leases.Watch(tails.Append(head).SelectMany(cluster => cluster.Maps).Concat(screens?.Parts.Select(part => part.Map) ?? []));
    }

    /// <summary>The precisions of the weights.</summary>
    public QuantizationOptions Precision { get; }

    /// <summary>The bytes of all weights and scales.</summary>
    public long WeightBytes => _head.Bytes + _tails.Sum(tail => tail.Bytes);

    /// <summary>
    /// Makes a greedy decoder that reads int4 and int8 copies of these weights first, and of the weights themselves only the rows that
    /// may win: its predictions are this decoder's, to the last tie. It reads these weights, so dispose it first. Where these were
    /// loaded from what <see cref="CertifiedSoftmax.Save(string, string)"/> wrote, the copies are there and need not be made.
    /// </summary>
    /// <param name="options">Which copies; null for those that were loaded, or what suits the size.</param>
    /// <exception cref="ArgumentException">The weights are whole numbers themselves, or the options name no stages.</exception>
    /// <exception cref="DecodeException">A weight is not finite.</exception>
    /// <exception cref="ObjectDisposedException">It is disposed.</exception>
    public CertifiedSoftmax Certify(CertifyOptions? options = null)
    {
        using var use = Leases.Take();
        options ??= CertifyOptions.Default;
        options.Check();
        for (var i = -1; i < Layout.TailCount; i++)
        {
            var precision = i < 0 ? Precision.Head : Precision.OfTail(i);
            if (precision is WeightPrecision.Int8 or WeightPrecision.Int4)
                throw new ArgumentException(FormattableString.Invariant($"{(i < 0 ? "The head" : FormattableString.Invariant($"Tail {i}"))} is in {precision.GetName()}, which int8 copies cannot screen; certify the layer itself, or a copy of it in float32, bfloat16 or float16."));
        }

        var certified = new CertifiedSoftmax(this, _head.Output, [.. _tails.Select(tail => (tail.Projection!, tail.Output))], options, Options, _screens);
        certified.CheckFinite();
        return certified;
    }

    /// <summary>The head and the tails, for those who read weights as they are stored.</summary>
    internal IEnumerable<QuantizedCluster> Clusters => _tails.Prepend(_head);

    internal override IDecodingCluster DecodingHead => _head;

    internal override IReadOnlyList<IDecodingCluster> DecodingTails => _tails;

    /// <inheritdoc/>
    protected override int FindSlot(int tokenId) => _slotOf(tokenId);

    /// <inheritdoc/>
    protected override int GetTokenId(int slot) => _tokenOf(slot);

    private protected override void DisposeWeights() => Leases.WhenUnused(() =>
    {
        _head.Dispose();
        foreach (var tail in _tails) tail.Dispose();
        _screens?.Dispose();
    });
}
