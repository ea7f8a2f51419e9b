namespace AdaptiveSoftmax;

/// <summary>
/// An adaptive softmax on the CPU: trains and decodes with a head over the frequent tokens and narrower tail clusters
/// over the rare ones. Generated classes derive from it; <see cref="DynamicAdaptiveSoftmax"/> is one with sizes known
/// only at run time.
/// </summary>
/// <remarks>
/// The reference for every convention is PyTorch's <c>nn.AdaptiveLogSoftmaxWithLoss</c>. Targets and predictions are
/// token ids; a token's slot is its rank by count. Decoding is safe from several threads at once; training belongs to one.
/// </remarks>
public abstract partial class AdaptiveSoftmaxLayer : SoftmaxDecoder
{
    private readonly HeadLayer _head;
    private readonly TailLayer[] _tails;
    private readonly ITrainingCluster[] _tailClusters;
    private readonly Parameter[] _parameters;
    private readonly TrainingRun _training;

    /// <summary>Puts head and tails together; the weights stay as they are.</summary>
    /// <param name="identity">The sizes and the vocabulary.</param>
    /// <param name="head">The head, [shortlist + clusters, hidden].</param>
    /// <param name="tails">The tails in slot order.</param>
    /// <param name="options">How the layer runs; null for <see cref="AdaptiveSoftmaxOptions.Default"/>.</param>
    /// <exception cref="ArgumentException">
    /// Head and tails do not have the layout's sizes or are another layer's already, or an option is out of range.
    /// </exception>
    protected AdaptiveSoftmaxLayer(SoftmaxIdentity identity, HeadLayer head, IReadOnlyList<TailLayer> tails, AdaptiveSoftmaxOptions? options = null)
        : base(identity, options)
    {
        ArgumentNullException.ThrowIfNull(head);
        ArgumentNullException.ThrowIfNull(tails);
        _head = head;
        _tails = [.. tails];
        _tailClusters = [.. tails.Select(tail => tail.Cluster)];
        CheckSizes();
        _head.SetLayout(Layout);
        _training = new TrainingRun(Layout, FindSlot, _head.Cluster, _tailClusters, Pool, ScratchPool, Options);
        Parameter[] headParameters = head.Bias is null ? [head.Weight] : [head.Weight, head.Bias];
        _parameters = [.. headParameters, .. _tails.SelectMany(tail => new[] { tail.Projection, tail.Output })];
        foreach (var parameter in _parameters) parameter.JoinLayer(Leases);
    }

    /// <summary>Every weight, in PyTorch's order and under its names.</summary>
    public IReadOnlyList<Parameter> Parameters => _parameters;

    /// <summary>What <see cref="Quantize"/> takes where the caller says nothing: the spec's precision, or int8 where it has none.</summary>
    protected virtual QuantizationOptions DefaultQuantization => QuantizationOptions.Default;

    internal HeadLayer OwnHead => _head;

    internal IReadOnlyList<TailLayer> OwnTails => _tails;

    internal override IDecodingCluster DecodingHead => _head.Cluster;

    internal override IReadOnlyList<IDecodingCluster> DecodingTails => _tailClusters;

    /// <summary>
    /// Fills the weights with PyTorch's initialisation: uniform in ±1/√fan_in, for the head's bias as for the matrices.
    /// The same seed gives the same bits on every machine.
    /// </summary>
    /// <param name="seed">The seed.</param>
    public void Initialize(ulong seed)
    {
        using var use = Leases.Take();
        Migrations = null;
        for (var i = 0; i < _parameters.Length; i++)
        {
            var parameter = _parameters[i];
            var fanIn = parameter.IsVector ? Layout.HiddenSize : parameter.Columns;
            UniformInitializer.Fill(Pool, parameter, 1 / Math.Sqrt(fanIn), seed, stream: (ulong)i);
        }
    }

    /// <summary>
    /// Makes a decode-only copy with smaller weights, which is used and disposed on its own: it stays valid when this
    /// layer is trained on or disposed.
    /// </summary>
    /// <param name="options">The precision of head and tails; null for <see cref="DefaultQuantization"/>.</param>
    /// <exception cref="ArgumentException">The precisions do not fit the layout.</exception>
    /// <exception cref="DecodeException">A weight is not finite.</exception>
    /// <exception cref="ObjectDisposedException">The layer is disposed.</exception>
    public QuantizedSoftmax Quantize(QuantizationOptions? options = null)
    {
        using var use = Leases.Take();
        CheckFiniteWeights();
        return new QuantizedSoftmax(this, _head, _tails, options ?? DefaultQuantization, Options);
    }

    /// <summary>
    /// Makes a greedy decoder that reads int4 and int8 copies of the weights first, and of this layer's weights only the rows that
    /// may win: its predictions are this layer's, to the last tie. It reads this layer's weights, so dispose it first, and
    /// make a new one after training.
    /// </summary>
    /// <param name="options">Which copies; null for what suits the size.</param>
    /// <exception cref="ArgumentException">The options name no stages.</exception>
    /// <exception cref="DecodeException">A weight is not finite.</exception>
    /// <exception cref="ObjectDisposedException">The layer is disposed.</exception>
    public CertifiedSoftmax Certify(CertifyOptions? options = null)
    {
        options ??= CertifyOptions.Default;
        options.Check();
        using var use = Leases.Take();
        CheckFiniteWeights();
        return new CertifiedSoftmax(this, new StoredRows(_head.Weight, _head.Bias), [.. _tails.Select(tail => (new StoredRows(tail.Projection), new StoredRows(tail.Output)))], options, Options);
    }

    private protected override long Version
    {
        get
        {
            var changes = 0L;
            foreach (var parameter in _parameters) changes += parameter.Version;
            return changes;
        }
    }

    private protected override void DisposeWeights()
    {
        _head.Dispose();
        foreach (var tail in _tails) tail.Dispose();
    }

    private void CheckFiniteWeights()
    {
        DecodeFaults.CheckWeights(_head.Weight, tail: -1);
        if (_head.Bias is not null) DecodeFaults.CheckWeights(_head.Bias, tail: -1);
        for (var i = 0; i < _tails.Length; i++)
        {
            DecodeFaults.CheckWeights(_tails[i].Projection, i);
            DecodeFaults.CheckWeights(_tails[i].Output, i);
        }
    }

    private void CheckSizes()
    {
        CheckShape(_head.Weight, Layout.HeadRows, Layout.HiddenSize);
        if (_head.Bias is null == Layout.HasHeadBias)
            throw new ArgumentException($"The layout says that the head has {(Layout.HasHeadBias ? "a" : "no")} bias, and the head disagrees.");
        if (_tails.Length != Layout.TailCount)
            throw new ArgumentException(FormattableString.Invariant($"There are {_tails.Length} tails for {Layout.TailCount} clusters; give one a cluster."));
        foreach (var cluster in Layout.Tails)
        {
            CheckShape(_tails[cluster.Index].Projection, cluster.ProjectionWidth, Layout.HiddenSize);
            CheckShape(_tails[cluster.Index].Output, cluster.Size, cluster.ProjectionWidth);
        }
    }

    private static void CheckShape(Parameter parameter, int rows, int columns)
    {
        if (parameter.Rows != rows || parameter.Columns != columns)
            throw new ArgumentException(FormattableString.Invariant($"'{parameter.Name}' is [{parameter.Rows}, {parameter.Columns}]; the layout asks for [{rows}, {columns}]."));
    }
}
