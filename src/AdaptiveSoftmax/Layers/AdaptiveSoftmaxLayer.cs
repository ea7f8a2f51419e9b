using AdaptiveSoftmax.Vocabulary;

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
public abstract partial class AdaptiveSoftmaxLayer : IDisposable
{
    private readonly AdaptiveSoftmaxOptions _options;
    private readonly ScratchPool _scratch = new();
    private readonly WorkerPool _pool;
    private readonly HeadLayer _head;
    private readonly TailLayer[] _tails;
    private readonly Parameter[] _parameters;
    private readonly int _decodeBlockSize;

    /// <summary>Puts head and tails together; the weights stay as they are.</summary>
    /// <param name="identity">The sizes and the vocabulary.</param>
    /// <param name="head">The head, [shortlist + clusters, hidden].</param>
    /// <param name="tails">The tails in slot order.</param>
    /// <param name="options">How the layer runs; null for <see cref="AdaptiveSoftmaxOptions.Default"/>.</param>
    /// <exception cref="ArgumentException">Head and tails do not have the layout's sizes, or an option is out of range.</exception>
    protected AdaptiveSoftmaxLayer(SoftmaxIdentity identity, HeadLayer head, IReadOnlyList<TailLayer> tails, AdaptiveSoftmaxOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(identity);
        ArgumentNullException.ThrowIfNull(head);
        ArgumentNullException.ThrowIfNull(tails);
        _options = options ?? AdaptiveSoftmaxOptions.Default;
        _options.Check();
        Identity = identity;
        _head = head;
        _tails = [.. tails];
        CheckSizes();
        _pool = WorkerPool.Get(_options.Threads);
        _head.SetClusterSizes([.. Layout.Tails.Select(tail => tail.Size)]);
        var mostRows = Layout.Tails.Select(tail => tail.Size).Append(Layout.HeadRows).Max();
        _decodeBlockSize = TokenBlocks.BlockSize(mostRows, _options.ScratchBytes);
        Parameter[] headParameters = head.Bias is null ? [head.Weight] : [head.Weight, head.Bias];
        _parameters = [.. headParameters, .. _tails.SelectMany(tail => new[] { tail.Projection, tail.Output })];
    }

    /// <summary>What weights must agree on to be loaded into this layer.</summary>
    public SoftmaxIdentity Identity { get; }

    /// <summary>The sizes.</summary>
    public SoftmaxLayout Layout => Identity.Layout;

    /// <summary>Every weight, in PyTorch's order and under its names.</summary>
    public IReadOnlyList<Parameter> Parameters => _parameters;

    /// <summary>The bytes of working memory that calls have left for the next ones.</summary>
    internal long WorkingMemory => _scratch.FreeBytes;

    /// <summary>
    /// Fills the weights with PyTorch's initialisation: uniform in ±1/√fan_in, for the head's bias as for the matrices.
    /// The same seed gives the same bits on every machine.
    /// </summary>
    /// <param name="seed">The seed.</param>
    public void Initialize(ulong seed)
    {
        for (var i = 0; i < _parameters.Length; i++)
        {
            var parameter = _parameters[i];
            var fanIn = parameter.IsVector ? Layout.HiddenSize : parameter.Columns;
            UniformInitializer.Fill(parameter, 1 / Math.Sqrt(fanIn), seed, stream: (ulong)i);
        }
    }

    /// <summary>Releases the weights. The layer must not be in use.</summary>
    public void Dispose()
    {
        _scratch.Dispose();
        _head.Dispose();
        foreach (var tail in _tails) tail.Dispose();
        GC.SuppressFinalize(this);
    }

    /// <summary>The slot of a token, or −1 for an id that is not in the vocabulary.</summary>
    /// <param name="tokenId">A token's id.</param>
    protected abstract int FindSlot(int tokenId);

    /// <summary>The id of the token in a slot.</summary>
    /// <param name="slot">A slot in [0, V).</param>
    protected abstract int GetTokenId(int slot);

    private void CheckSizes()
    {
        CheckShape(_head.Weight, Layout.HeadRows, Layout.HiddenSize);
        if (_head.Bias is null == Layout.HasHeadBias)
            throw new ArgumentException($"The layout says that the head has {(Layout.HasHeadBias ? "a" : "no")} bias, and the head disagrees.");
        if (_tails.Length != Layout.ClusterCount)
            throw new ArgumentException($"There are {_tails.Length} tails for {Layout.ClusterCount} clusters; give one a cluster.");
        foreach (var cluster in Layout.Tails)
        {
            CheckShape(_tails[cluster.Index].Projection, cluster.ProjectionWidth, Layout.HiddenSize);
            CheckShape(_tails[cluster.Index].Output, cluster.Size, cluster.ProjectionWidth);
        }
    }

    private static void CheckShape(Parameter parameter, int rows, int columns)
    {
        if (parameter.Rows != rows || parameter.Columns != columns)
            throw new ArgumentException($"'{parameter.Name}' is [{parameter.Rows}, {parameter.Columns}]; the layout asks for [{rows}, {columns}].");
    }

    private int CheckHidden(ReadOnlySpan<float> hidden)
    {
        if (hidden.Length % Layout.HiddenSize != 0)
            throw new ArgumentException($"The hidden vectors hold {hidden.Length} values, which is no multiple of the hidden size {Layout.HiddenSize}.", nameof(hidden));
        return hidden.Length / Layout.HiddenSize;
    }
}
