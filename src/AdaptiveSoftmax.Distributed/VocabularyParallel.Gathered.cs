namespace AdaptiveSoftmax.Distributed;

// Batches of which each rank has some tokens: those of a body that is in parallel over the data.
public sealed partial class VocabularyParallel
{
    private float[] _gatheredHidden = [];
    private float[] _gatheredGradient = [];

    /// <summary>
    /// The loss of a batch of which each rank has some tokens, in the order of the ranks: <see cref="Loss"/> of all of them, to the same
    /// bits however they are dealt out.
    /// </summary>
    /// <param name="hidden">This rank's hidden vectors, [own tokens, hidden]; a rank may have none.</param>
    /// <param name="targets">Their token ids, [own tokens].</param>
    /// <param name="options">What the loss is made of, the same on each rank; null for <see cref="LossOptions.Default"/>.</param>
    /// <param name="weights">What each own token's loss counts, [own tokens]; none for 1.</param>
    /// <param name="losses">Receives the loss of each own token, unweighted, [own tokens]. None where nobody wants them.</param>
    /// <returns>The reduced loss of all ranks' tokens.</returns>
    /// <exception cref="ObjectDisposedException">The layer is disposed.</exception>
    /// <exception cref="ArgumentException">A value is one that <see cref="AdaptiveSoftmaxLayer.Loss"/> refuses; positions of tokens in the message are those in the batch of all ranks.</exception>
    /// <exception cref="RankMismatchException">Another rank makes another call.</exception>
    public float LossGathered(ReadOnlySpan<float> hidden, ReadOnlySpan<int> targets, LossOptions? options = null, ReadOnlySpan<float> weights = default, Span<float> losses = default)
    {
        var batch = Gather(hidden, targets, weights, losses.Length);
        var all = losses.IsEmpty && !batch.WantsLosses ? [] : new float[batch.Targets.Length];
        var loss = _training.Run(batch.Targets.Length, HiddenOf(batch), batch.Targets, [], [], options, batch.Weights, all, wantsGradient: false);
        if (!losses.IsEmpty) all.AsSpan(batch.First, targets.Length).CopyTo(losses);
        return loss;
    }

    /// <summary>
    /// The loss of a batch of which each rank has some tokens, and its gradients: those of <see cref="Backward"/> for all of them, to the
    /// same bits however they are dealt out. Each rank gets the gradient of its own hidden vectors.
    /// </summary>
    /// <param name="hidden">This rank's hidden vectors, [own tokens, hidden]; a rank may have none.</param>
    /// <param name="targets">Their token ids, [own tokens].</param>
    /// <param name="hiddenGradient">Receives the gradient of the hidden vectors, [own tokens, hidden].</param>
    /// <param name="options">What the loss is made of, the same on each rank; null for <see cref="LossOptions.Default"/>.</param>
    /// <param name="weights">What each own token's loss counts, [own tokens]; none for 1.</param>
    /// <param name="losses">Receives the loss of each own token, unweighted, [own tokens]. None where nobody wants them.</param>
    /// <returns>The reduced loss of all ranks' tokens.</returns>
    /// <exception cref="ObjectDisposedException">The layer is disposed.</exception>
    /// <exception cref="ArgumentException">A value is one that <see cref="AdaptiveSoftmaxLayer.Backward(ReadOnlySpan{float}, ReadOnlySpan{int}, Span{float}, LossOptions, ReadOnlySpan{float}, Span{float})"/> refuses; positions of tokens in the message are those in the batch of all ranks.</exception>
    /// <exception cref="RankMismatchException">Another rank makes another call.</exception>
    public float BackwardGathered(
        ReadOnlySpan<float> hidden, ReadOnlySpan<int> targets, Span<float> hiddenGradient, LossOptions? options = null, ReadOnlySpan<float> weights = default, Span<float> losses = default)
    {
        CheckGradientRoom(hidden, hiddenGradient);
        SpanOverlap.Refuse(hidden, hiddenGradient, "the hidden vectors", "the gradient of the hidden vectors", nameof(hiddenGradient));
        var batch = Gather(hidden, targets, weights, losses.Length);
        var all = losses.IsEmpty && !batch.WantsLosses ? [] : new float[batch.Targets.Length];
        var length = batch.Targets.Length * Layout.HiddenSize;
        if (_gatheredGradient.Length < length) _gatheredGradient = new float[length];
        var head = _layers.Head as CutSoftmax;
        try
        {
            head?.ExpectOwners(batch.ActiveEnds((options ?? LossOptions.Default).IgnoreIndex));
            var loss = _training.Run(batch.Targets.Length, HiddenOf(batch), batch.Targets, [], _gatheredGradient.AsSpan(0, length), options, batch.Weights, all, wantsGradient: true);
            _gatheredGradient.AsSpan(batch.First * Layout.HiddenSize, hidden.Length).CopyTo(hiddenGradient);
            if (!losses.IsEmpty) all.AsSpan(batch.First, targets.Length).CopyTo(losses);
            return loss;
        }
        finally
        {
            head?.ExpectOwners(null);
        }
    }

    private ReadOnlySpan<float> HiddenOf(GatheredTokens batch) => _gatheredHidden.AsSpan(0, batch.Targets.Length * Layout.HiddenSize);

    // What can be wrong on one rank alone is refused there, before the others wait for it.
    private GatheredTokens Gather(ReadOnlySpan<float> hidden, ReadOnlySpan<int> targets, ReadOnlySpan<float> weights, int losses)
    {
        ThrowIfBusy();
        var tokens = CheckHidden(hidden);
        if (targets.Length != tokens)
            throw new ArgumentException(FormattableString.Invariant($"There are {targets.Length} targets for {tokens} hidden vectors; give one each."), nameof(targets));
        if (losses > 0) TrainingRun.CheckRoom(losses, tokens, "losses", nameof(losses));
        TrainingRun.CheckWeights(weights, tokens, Reduction.Sum);

        var batch = GatheredTokens.Gather(_collectives, targets, weights, wantsLosses: losses > 0);
        var size = Layout.HiddenSize;
        if (_gatheredHidden.Length < batch.Targets.Length * size) _gatheredHidden = new float[batch.Targets.Length * size];
        int[] lengths = [.. batch.Lengths.Select(count => checked(count * size))];
        _collectives.AllGatherUneven(CollectiveKind.AllGatherUneven, hidden, 0, lengths, _gatheredHidden.AsSpan(0, batch.Targets.Length * size));
        return batch;
    }
}
