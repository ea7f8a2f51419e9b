using System.Globalization;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Distributed;

/// <summary>
/// An adaptive softmax whose rows are cut over the ranks: a rank has weights, gradients and optimizer state of its rows alone, and
/// computes with them alone. It trains and decodes as a whole layer does.
/// </summary>
/// <remarks>
/// Every rank makes the same calls with the same hidden vectors, targets and options, and gets the same results; a batch that
/// differs is a <see cref="RankMismatchException"/> at the first cut cluster that it reaches. Where each rank has tokens of its own,
/// <see cref="BackwardGathered"/> and <see cref="LossGathered"/> take them, and <see cref="DecodeGathered"/> decodes them. An instance belongs to one thread.
/// <para>
/// What crosses in a step of training is, for each token and cut cluster that it needs, what the normaliser is made of, the logit of
/// the target, and the gradient of the hidden vector in the cluster's own width: nothing of it grows with the vocabulary. Losses,
/// gradients and weights have the same bits for any number of ranks, as threads or processes, and differ from those of
/// <see cref="DynamicAdaptiveSoftmax"/> by rounding. Decoding gathers the logits of the clusters that a token needs and returns
/// that layer's very bits.
/// </para>
/// </remarks>
public sealed partial class VocabularyParallel : SoftmaxDecoder
{
    private readonly Collectives _collectives;
    private readonly CutLayers _layers;
    private readonly Parameter[] _parameters;
    private readonly TrainingRun _training;
    private readonly TokenTable? _table;
    private readonly SlotIndex? _slots;

    /// <summary>Creates this rank's part of a layer, with the weights that <see cref="DynamicAdaptiveSoftmax"/> has from the seed.</summary>
    /// <param name="collectives">The ranks.</param>
    /// <param name="layout">The sizes; token ids are slots.</param>
    /// <param name="seed">The seed of the initialisation.</param>
    /// <param name="plan">What is cut; null for <see cref="VocabularyPlan.Create(SoftmaxLayout, int)"/>.</param>
    /// <param name="options">How it runs; null for <see cref="AdaptiveSoftmaxOptions.Default"/>.</param>
    /// <exception cref="ArgumentException">The plan does not fit the layout, or there are more ranks than rows or blocks of what it cuts.</exception>
    /// <exception cref="RankMismatchException">The ranks do not agree on version, sizes, plan or seed; the message names what differs, and the values.</exception>
    public VocabularyParallel(Collectives collectives, SoftmaxLayout layout, ulong seed = 1, VocabularyPlan? plan = null, AdaptiveSoftmaxOptions? options = null)
        : this(collectives, Identify(layout), definition: null, seed, plan, options)
    {
    }

    /// <summary>Creates this rank's part of a layer of a spec, with its vocabulary and fingerprints.</summary>
    /// <param name="collectives">The ranks.</param>
    /// <param name="definition">The spec and its vocabulary, as <see cref="SoftmaxDefinitionReader"/> reads them.</param>
    /// <param name="seed">The seed of the initialisation.</param>
    /// <param name="plan">What is cut; null for <see cref="VocabularyPlan.Create(SoftmaxLayout, int)"/>.</param>
    /// <param name="options">How it runs; null for <see cref="AdaptiveSoftmaxOptions.Default"/>.</param>
    /// <exception cref="ArgumentException">The plan does not fit the layout, or there are more ranks than rows or blocks of what it cuts.</exception>
    /// <exception cref="RankMismatchException">The ranks do not agree on version, vocabulary, sizes, plan or seed; the message names what differs, and the values.</exception>
    public VocabularyParallel(Collectives collectives, SoftmaxDefinition definition, ulong seed = 1, VocabularyPlan? plan = null, AdaptiveSoftmaxOptions? options = null)
        : this(collectives, Identify(definition), definition, seed, plan, options)
    {
    }

    private VocabularyParallel(Collectives collectives, SoftmaxIdentity identity, SoftmaxDefinition? definition, ulong seed, VocabularyPlan? plan, AdaptiveSoftmaxOptions? options)
        : base(identity, options)
    {
        ArgumentNullException.ThrowIfNull(collectives);
        _collectives = collectives;
        _number = ++collectives.Layers;
        Plan = plan ?? VocabularyPlan.Create(Layout);
        Plan.Check(Layout, collectives.Size);
        if (definition is not null) (_table, _slots) = (definition.Table, new SlotIndex(definition.Table));
        _layers = new CutLayers(collectives, Layout, Plan);
        _parameters = [.. _layers.Tensors.SelectMany(tensor => tensor.Own)];
        foreach (var parameter in _parameters) parameter.JoinLayer(Leases);
        _layers.Initialize(Pool, Layout.HiddenSize, seed);
        _training = new TrainingRun(Layout, FindSlot, _layers.Head, _layers.Tails, Pool, ScratchPool, Options);
        collectives.CheckAgreement([.. ReplicaFacts.Of(identity), .. Plan.Facts, new("the seed", seed.ToString(CultureInfo.InvariantCulture))]);
    }

    /// <summary>What is cut.</summary>
    public VocabularyPlan Plan { get; }

    /// <summary>
    /// This rank's weights, in PyTorch's order. What is cut stands there block by block, and the name of a block has its rows in the
    /// whole: <c>tail.0.1.weight[512..1024]</c>. What is not cut every rank has, to the same bits.
    /// </summary>
    public IReadOnlyList<Parameter> Parameters => _parameters;

    internal Collectives Collectives => _collectives;

    internal override IDecodingCluster DecodingHead => _layers.Head;

    internal override IReadOnlyList<IDecodingCluster> DecodingTails => _layers.Tails;

    private protected override long Version
    {
        get
        {
            var changes = 0L;
            foreach (var parameter in _parameters) changes += parameter.Version;
            return changes;
        }
    }

    /// <summary>The loss of a batch, without gradients: that of <see cref="AdaptiveSoftmaxLayer.Loss"/>.</summary>
    /// <param name="hidden">Hidden vectors, [tokens, hidden]; the same on each rank, as all arguments.</param>
    /// <param name="targets">Token ids, [tokens].</param>
    /// <param name="options">What the loss is made of; null for <see cref="LossOptions.Default"/>.</param>
    /// <param name="weights">What each token's loss counts, [tokens]; none for 1. It must be finite, and for a mean not negative.</param>
    /// <param name="losses">Receives the loss of each token, unweighted, [tokens]; 0 where the target is ignored. None where nobody wants them.</param>
    /// <returns>The reduced loss; 0 for a batch without targets, NaN where a value that was read is not finite.</returns>
    /// <exception cref="ObjectDisposedException">The layer is disposed.</exception>
    /// <exception cref="ArgumentException">A value is one that <see cref="AdaptiveSoftmaxLayer.Loss"/> refuses.</exception>
    /// <exception cref="RankMismatchException">Another rank makes another call, or has another batch.</exception>
    public float Loss(ReadOnlySpan<float> hidden, ReadOnlySpan<int> targets, LossOptions? options = null, ReadOnlySpan<float> weights = default, Span<float> losses = default)
    {
        ThrowIfBusy();
        return _training.Run(CheckHidden(hidden), hidden, targets, [], [], options, weights, losses, wantsGradient: false);
    }

    /// <summary>
    /// The loss and its gradients: sets that of the hidden vectors, on all ranks to the same bits, and adds to those of this rank's
    /// parameters. A tail that no target needs costs nothing and its parameters get no gradient.
    /// </summary>
    /// <param name="hidden">Hidden vectors, [tokens, hidden]; the same on each rank, as all arguments.</param>
    /// <param name="targets">Token ids, [tokens].</param>
    /// <param name="hiddenGradient">Receives the gradient of the hidden vectors, [tokens, hidden].</param>
    /// <param name="options">What the loss is made of; null for <see cref="LossOptions.Default"/>.</param>
    /// <param name="weights">What each token's loss counts, [tokens]; none for 1. It must be finite, and for a mean not negative.</param>
    /// <param name="losses">Receives the loss of each token, unweighted, [tokens]; 0 where the target is ignored. None where nobody wants them.</param>
    /// <returns>The reduced loss; 0 for a batch without targets, NaN where a value that was read is not finite.</returns>
    /// <exception cref="ObjectDisposedException">The layer is disposed.</exception>
    /// <exception cref="ArgumentException">A value is one that <see cref="AdaptiveSoftmaxLayer.Backward(ReadOnlySpan{float}, ReadOnlySpan{int}, Span{float}, LossOptions, ReadOnlySpan{float}, Span{float})"/> refuses.</exception>
    /// <exception cref="RankMismatchException">Another rank makes another call, or has another batch.</exception>
    public float Backward(
        ReadOnlySpan<float> hidden, ReadOnlySpan<int> targets, Span<float> hiddenGradient, LossOptions? options = null, ReadOnlySpan<float> weights = default, Span<float> losses = default)
    {
        ThrowIfBusy();
        CheckGradientRoom(hidden, hiddenGradient);
        return _training.Run(CheckHidden(hidden), hidden, targets, [], hiddenGradient, options, weights, losses, wantsGradient: true);
    }

    /// <inheritdoc/>
    protected override int FindSlot(int tokenId) =>
        _slots is { } slots ? slots.SlotOf(tokenId) : (uint)tokenId < (uint)Layout.VocabularySize ? tokenId : -1;

    /// <inheritdoc/>
    protected override int GetTokenId(int slot) => _table?.GetId(slot) ?? slot;

    private protected override void DisposeWeights() => _layers.Dispose();

    private static void CheckGradientRoom(ReadOnlySpan<float> hidden, Span<float> hiddenGradient)
    {
        if (hiddenGradient.Length != hidden.Length)
            throw new ArgumentException($"The gradient has room for {hiddenGradient.Length} values of {hidden.Length}; it must have the hidden vectors' shape.", nameof(hiddenGradient));
    }

    private static SoftmaxIdentity Identify(SoftmaxLayout layout)
    {
        ArgumentNullException.ThrowIfNull(layout);
        return new SoftmaxIdentity(layout, Fingerprint: "", VocabularyFingerprint: "");
    }

    private static SoftmaxIdentity Identify(SoftmaxDefinition definition)
    {
        ArgumentNullException.ThrowIfNull(definition);
        return new SoftmaxIdentity(definition.Layout, definition.Fingerprint, definition.VocabularyFingerprint);
    }
}
