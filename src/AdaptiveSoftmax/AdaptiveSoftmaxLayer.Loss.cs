using System.Globalization;

namespace AdaptiveSoftmax;

public abstract partial class AdaptiveSoftmaxLayer
{
    /// <summary>The loss of a batch, without gradients.</summary>
    /// <param name="hidden">Hidden vectors, [tokens, hidden].</param>
    /// <param name="targets">Token ids, [tokens].</param>
    /// <param name="options">What the loss is made of; null for <see cref="LossOptions.Default"/>.</param>
    /// <param name="weights">What each token's loss counts, [tokens]; none for 1. It must be finite, and for a mean not negative.</param>
    /// <param name="losses">Receives the loss of each token, unweighted, [tokens]; 0 where the target is ignored. None where nobody wants them.</param>
    /// <returns>The reduced loss; 0 for a batch without targets, NaN where a value that was read is not finite.</returns>
    /// <exception cref="ObjectDisposedException">The layer is disposed.</exception>
    /// <exception cref="ArgumentException">
    /// The sizes do not agree, a target is not in the vocabulary, a weight or an option is out of range, or what is written shares
    /// memory with what is read.
    /// </exception>
    public float Loss(
        ReadOnlySpan<float> hidden, ReadOnlySpan<int> targets, LossOptions? options = null, ReadOnlySpan<float> weights = default, Span<float> losses = default) =>
        Train(hidden, targets, [], [], options, weights, losses, wantsGradient: false);

    /// <summary>The log-prob of each target and the loss: PyTorch's <c>forward</c>.</summary>
    /// <param name="hidden">Hidden vectors, [tokens, hidden].</param>
    /// <param name="targets">Token ids, [tokens].</param>
    /// <param name="targetLogProbs">Receives log p(target), [tokens]; 0 where the target is ignored.</param>
    /// <param name="options">What the loss is made of; null for <see cref="LossOptions.Default"/>.</param>
    /// <param name="weights">What each token's loss counts, [tokens]; none for 1. It must be finite, and for a mean not negative.</param>
    /// <param name="losses">Receives the loss of each token, unweighted, [tokens]; 0 where the target is ignored. None where nobody wants them.</param>
    /// <returns>The reduced loss; 0 for a batch without targets, NaN where a value that was read is not finite.</returns>
    /// <exception cref="ObjectDisposedException">The layer is disposed.</exception>
    /// <exception cref="ArgumentException">
    /// The sizes do not agree, a target is not in the vocabulary, a weight or an option is out of range, or what is written shares
    /// memory with what is read.
    /// </exception>
    public float Forward(
        ReadOnlySpan<float> hidden, ReadOnlySpan<int> targets, Span<float> targetLogProbs, LossOptions? options = null, ReadOnlySpan<float> weights = default, Span<float> losses = default)
    {
        CheckRoom(targetLogProbs.Length, targets.Length, "log-probs", nameof(targetLogProbs));
        return Train(hidden, targets, targetLogProbs, [], options, weights, losses, wantsGradient: false);
    }

    /// <summary>
    /// The loss and its gradients: sets that of the hidden vectors, adds to those of the parameters. A tail that no
    /// target needs costs nothing and its parameters get no gradient.
    /// </summary>
    /// <param name="hidden">Hidden vectors, [tokens, hidden].</param>
    /// <param name="targets">Token ids, [tokens].</param>
    /// <param name="hiddenGradient">Receives the gradient of the hidden vectors, [tokens, hidden].</param>
    /// <param name="options">What the loss is made of; null for <see cref="LossOptions.Default"/>.</param>
    /// <param name="weights">What each token's loss counts, [tokens]; none for 1. It must be finite, and for a mean not negative.</param>
    /// <param name="losses">Receives the loss of each token, unweighted, [tokens]; 0 where the target is ignored. None where nobody wants them.</param>
    /// <returns>The reduced loss; 0 for a batch without targets, NaN where a value that was read is not finite.</returns>
    /// <exception cref="ObjectDisposedException">The layer is disposed.</exception>
    /// <exception cref="ArgumentException">
    /// The sizes do not agree, a target is not in the vocabulary, a weight or an option is out of range, or what is written shares
    /// memory with what is read.
    /// </exception>
    public float Backward(
        ReadOnlySpan<float> hidden, ReadOnlySpan<int> targets, Span<float> hiddenGradient, LossOptions? options = null, ReadOnlySpan<float> weights = default, Span<float> losses = default)
    {
        if (hiddenGradient.Length != hidden.Length)
            throw new ArgumentException($"The gradient has room for {hiddenGradient.Length} values of {hidden.Length}; it must have the hidden vectors' shape.", nameof(hiddenGradient));
        return Train(hidden, targets, [], hiddenGradient, options, weights, losses, wantsGradient: true);
    }

    /// <summary>
    /// The loss and the gradients of the parameters, to which it adds, without that of the hidden vectors: for a body that does
    /// not learn. It spares one of the three products of the head, and of each projection.
    /// </summary>
    /// <param name="hidden">Hidden vectors, [tokens, hidden].</param>
    /// <param name="targets">Token ids, [tokens].</param>
    /// <param name="options">What the loss is made of; null for <see cref="LossOptions.Default"/>.</param>
    /// <param name="weights">What each token's loss counts, [tokens]; none for 1. It must be finite, and for a mean not negative.</param>
    /// <param name="losses">Receives the loss of each token, unweighted, [tokens]; 0 where the target is ignored. None where nobody wants them.</param>
    /// <returns>The reduced loss; 0 for a batch without targets, NaN where a value that was read is not finite.</returns>
    /// <exception cref="ObjectDisposedException">The layer is disposed.</exception>
    /// <exception cref="ArgumentException">
    /// The sizes do not agree, a target is not in the vocabulary, a weight or an option is out of range, or what is written shares
    /// memory with what is read.
    /// </exception>
    public float Backward(
        ReadOnlySpan<float> hidden, ReadOnlySpan<int> targets, LossOptions? options = null, ReadOnlySpan<float> weights = default, Span<float> losses = default) =>
        Train(hidden, targets, [], [], options, weights, losses, wantsGradient: true);

    private unsafe float Train(
        ReadOnlySpan<float> hidden,
        ReadOnlySpan<int> targets,
        Span<float> targetLogProbs,
        Span<float> hiddenGradient,
        LossOptions? options,
        ReadOnlySpan<float> weights,
        Span<float> losses,
        bool wantsGradient)
    {
        options ??= LossOptions.Default;
        options.Check();
        var tokens = CheckHidden(hidden);
        if (targets.Length != tokens)
            throw new ArgumentException(FormattableString.Invariant($"There are {targets.Length} targets for {tokens} hidden vectors; give one each."), nameof(targets));
        if (!losses.IsEmpty || options.Reduction == Reduction.None) CheckRoom(losses.Length, tokens, "losses", nameof(losses));
        CheckWeights(weights, tokens, options.Reduction);
        RefuseSharedMemory(hidden, weights, hiddenGradient, "the gradient of the hidden vectors", nameof(hiddenGradient));
        RefuseSharedMemory(hidden, weights, targetLogProbs, "the log-probs", nameof(targetLogProbs));
        RefuseSharedMemory(hidden, weights, losses, "the losses", nameof(losses));
        SpanOverlap.Refuse<float, float>(hiddenGradient, losses, "the gradient of the hidden vectors", "the losses", nameof(losses));
        SpanOverlap.Refuse<float, float>(targetLogProbs, losses, "the log-probs", "the losses", nameof(losses));

        var scratch = ScratchPool.Rent();
        try
        {
            var slots = scratch.Ints(tokens);
            FindSlots(targets, options.IgnoreIndex, slots);
            fixed (float* vectors = hidden, gradient = hiddenGradient, tokenWeights = weights)
            {
                new Span<float>(gradient, hiddenGradient.Length).Clear();
                var batch = new TrainingBatch(Layout, scratch, vectors, gradient, slots, tokens, options, wantsGradient, tokenWeights) { LossScale = options.GradientScale };
                RunCluster(batch, _head.Cluster, TrainingBatch.Head);
                for (var cluster = 0; cluster < _tails.Length; cluster++) RunCluster(batch, _tails[cluster].Cluster, cluster);
                for (var token = 0; token < targetLogProbs.Length; token++) targetLogProbs[token] = (float)batch.TargetLogProbs[token];
                if (!losses.IsEmpty) batch.CopyLosses(losses);
                return (float)batch.Loss();
            }
        }
        finally
        {
            ScratchPool.Return(scratch);
        }
    }

    internal static void CheckRoom(int room, int tokens, string name, string argument)
    {
        if (room != tokens)
            throw new ArgumentException(FormattableString.Invariant($"There is room for {room} {name} of {tokens} targets; give one place each."), argument);
    }

    internal static void CheckWeights(ReadOnlySpan<float> weights, int tokens, Reduction reduction)
    {
        if (weights.IsEmpty) return;
        if (weights.Length != tokens)
            throw new ArgumentException(FormattableString.Invariant($"There are {weights.Length} weights of {tokens} targets; give one each."), nameof(weights));
        for (var token = 0; token < tokens; token++)
        {
            if (!float.IsFinite(weights[token]) || (reduction == Reduction.Mean && weights[token] < 0))
                throw new ArgumentException(string.Create(CultureInfo.InvariantCulture, $"The weight of token {token} is {weights[token]}; it must be finite, and for a mean not negative."), nameof(weights));
        }
    }

    private static void RefuseSharedMemory(ReadOnlySpan<float> hidden, ReadOnlySpan<float> weights, ReadOnlySpan<float> output, string name, string argument)
    {
        SpanOverlap.Refuse(hidden, output, "the hidden vectors", name, argument);
        SpanOverlap.Refuse(weights, output, "the weights", name, argument);
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
