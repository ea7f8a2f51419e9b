using System.Globalization;

namespace AdaptiveSoftmax;

public abstract partial class AdaptiveSoftmaxLayer
{
    /// <summary>The loss of a batch, without gradients.</summary>
    /// <param name="hidden">Hidden vectors, [tokens, hidden].</param>
    /// <param name="targets">Token ids, [tokens].</param>
    /// <param name="options">What the loss is made of; null for <see cref="LossOptions.Default"/>.</param>
    /// <returns>The reduced loss; 0 for a batch without targets.</returns>
    /// <exception cref="ArgumentException">The sizes do not agree, or a target is not in the vocabulary.</exception>
    public float Loss(ReadOnlySpan<float> hidden, ReadOnlySpan<int> targets, LossOptions? options = null) =>
        Train(hidden, targets, [], [], options, wantsLogProbs: false, wantsGradient: false);

    /// <summary>The log-prob of each target and the loss: PyTorch's <c>forward</c>.</summary>
    /// <param name="hidden">Hidden vectors, [tokens, hidden].</param>
    /// <param name="targets">Token ids, [tokens].</param>
    /// <param name="targetLogProbs">Receives log p(target), [tokens]; 0 where the target is ignored.</param>
    /// <param name="options">What the loss is made of; null for <see cref="LossOptions.Default"/>.</param>
    /// <returns>The reduced loss; 0 for a batch without targets.</returns>
    /// <exception cref="ArgumentException">The sizes do not agree, or a target is not in the vocabulary.</exception>
    public float Forward(ReadOnlySpan<float> hidden, ReadOnlySpan<int> targets, Span<float> targetLogProbs, LossOptions? options = null) =>
        Train(hidden, targets, targetLogProbs, [], options, wantsLogProbs: true, wantsGradient: false);

    /// <summary>
    /// The loss and its gradients: sets that of the hidden vectors, adds to those of the parameters. A tail that no
    /// target needs costs nothing and its parameters get no gradient.
    /// </summary>
    /// <param name="hidden">Hidden vectors, [tokens, hidden].</param>
    /// <param name="targets">Token ids, [tokens].</param>
    /// <param name="hiddenGradient">Receives the gradient of the hidden vectors, [tokens, hidden].</param>
    /// <param name="options">What the loss is made of; null for <see cref="LossOptions.Default"/>.</param>
    /// <returns>The reduced loss; 0 for a batch without targets.</returns>
    /// <exception cref="ArgumentException">The sizes do not agree, or a target is not in the vocabulary.</exception>
    public float Backward(ReadOnlySpan<float> hidden, ReadOnlySpan<int> targets, Span<float> hiddenGradient, LossOptions? options = null) =>
        Train(hidden, targets, [], hiddenGradient, options, wantsLogProbs: false, wantsGradient: true);

    private unsafe float Train(
        ReadOnlySpan<float> hidden,
        ReadOnlySpan<int> targets,
        Span<float> targetLogProbs,
        Span<float> hiddenGradient,
        LossOptions? options,
        bool wantsLogProbs,
        bool wantsGradient)
    {
        options ??= LossOptions.Default;
        options.Check();
        var tokens = CheckHidden(hidden);
        if (targets.Length != tokens)
            throw new ArgumentException($"There are {targets.Length} targets for {tokens} hidden vectors; give one each.", nameof(targets));
        if (wantsLogProbs && targetLogProbs.Length != tokens)
            throw new ArgumentException($"There is room for {targetLogProbs.Length} log-probs of {tokens} targets; give one place each.", nameof(targetLogProbs));
        if (wantsGradient && hiddenGradient.Length != hidden.Length)
            throw new ArgumentException($"The gradient has room for {hiddenGradient.Length} values of {hidden.Length}; it must have the hidden vectors' shape.", nameof(hiddenGradient));
        SpanOverlap.Refuse(hidden, (ReadOnlySpan<float>)hiddenGradient, "the hidden vectors", "their gradient", nameof(hiddenGradient));
        SpanOverlap.Refuse(hidden, (ReadOnlySpan<float>)targetLogProbs, "the hidden vectors", "the log-probs", nameof(targetLogProbs));

        var scratch = ScratchPool.Rent();
        try
        {
            var slots = scratch.Ints(tokens);
            FindSlots(targets, options.IgnoreIndex, slots);
            fixed (float* vectors = hidden, gradient = hiddenGradient)
            {
                new Span<float>(gradient, hiddenGradient.Length).Clear();
                var batch = new TrainingBatch(Layout, scratch, vectors, gradient, slots, tokens, options, wantsGradient);
                RunCluster(batch, _head.Cluster, TrainingBatch.Head);
                for (var cluster = 0; cluster < _tails.Length; cluster++) RunCluster(batch, _tails[cluster].Cluster, cluster);
                if (wantsLogProbs)
                {
                    for (var token = 0; token < tokens; token++) targetLogProbs[token] = (float)batch.TargetLogProbs[token];
                }

                return (float)batch.Loss();
            }
        }
        finally
        {
            ScratchPool.Return(scratch);
        }
    }

    private unsafe void FindSlots(ReadOnlySpan<int> targets, int ignoreIndex, int* slots)
    {
        for (var token = 0; token < targets.Length; token++)
        {
            var target = targets[token];
            slots[token] = target == ignoreIndex ? TrainingBatch.Ignored : FindSlot(target);
            if (slots[token] < 0 && target != ignoreIndex)
                throw new ArgumentException(string.Create(CultureInfo.InvariantCulture, $"Target {token} is {target}, which is not a token id of this vocabulary of {Layout.VocabularySize} tokens; for a position without a target use the ignore index {ignoreIndex}."), nameof(targets));
        }
    }

    private unsafe void RunCluster(TrainingBatch batch, ITrainingCluster layer, int cluster)
    {
        var members = batch.Members(cluster);
        var blockSize = TokenBlocks.BlockSize(batch.RowCount(cluster), Options.ScratchBytes);
        for (var first = 0; first < members.Length; first += blockSize)
        {
            using var scope = batch.Scratch.Begin();
            var block = batch.Gather(Pool, members.Slice(first, Math.Min(blockSize, members.Length - first)), cluster);
            var logits = layer.Forward(Pool, batch.Scratch, batch.Scratch, block.Lanes, block.LaneCount, batch.IsSmoothed);
            batch.AddLogProbs(block, logits, cluster);
            if (!batch.WantsGradient) continue;
            layer.Backward(Pool, batch.Scratch, logits, batch.WeightsOf(block, cluster), block.Rows, block.Tokens.Length, block.RowGradient);
            batch.ScatterGradient(Pool, block);
        }
    }
}
