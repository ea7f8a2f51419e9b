using System.Globalization;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax;

/// <summary>The loss of batches and its gradients, over a head and tails: checks what a caller gives, and takes cluster after cluster.</summary>
/// <param name="layout">The sizes.</param>
/// <param name="findSlot">The slot of a token, or −1 for an id that is not in the vocabulary.</param>
/// <param name="head">The head.</param>
/// <param name="tails">The tails in slot order.</param>
/// <param name="pool">The threads.</param>
/// <param name="scratchPool">Lends the working memory.</param>
/// <param name="runOptions">How the layer runs.</param>
internal sealed unsafe class TrainingRun(
    SoftmaxLayout layout, Func<int, int> findSlot, ITrainingCluster head, IReadOnlyList<ITrainingCluster> tails, WorkerPool pool, ScratchPool scratchPool, AdaptiveSoftmaxOptions runOptions)
{
    /// <summary>The reduced loss of a batch, and where they are wanted log-probs of the targets, losses of the tokens and gradients.</summary>
    /// <exception cref="ArgumentException">
    /// The sizes do not agree, a target is not in the vocabulary, a weight or an option is out of range, or what is written shares
    /// memory with what is read.
    /// </exception>
    public float Run(
        int tokens,
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
        if (targets.Length != tokens)
            throw new ArgumentException(FormattableString.Invariant($"There are {targets.Length} targets for {tokens} hidden vectors; give one each."), nameof(targets));
        if (!losses.IsEmpty || options.Reduction == Reduction.None) CheckRoom(losses.Length, tokens, "losses", nameof(losses));
        CheckWeights(weights, tokens, options.Reduction);
        RefuseSharedMemory(hidden, weights, hiddenGradient, "the gradient of the hidden vectors", nameof(hiddenGradient));
        RefuseSharedMemory(hidden, weights, targetLogProbs, "the log-probs", nameof(targetLogProbs));
        RefuseSharedMemory(hidden, weights, losses, "the losses", nameof(losses));
        SpanOverlap.Refuse<float, float>(hiddenGradient, losses, "the gradient of the hidden vectors", "the losses", nameof(losses));
        SpanOverlap.Refuse<float, float>(targetLogProbs, losses, "the log-probs", "the losses", nameof(losses));

        var scratch = scratchPool.Rent();
        try
        {
            var slots = scratch.Ints(tokens);
            FindSlots(targets, options.IgnoreIndex, slots);
            fixed (float* vectors = hidden, gradient = hiddenGradient, tokenWeights = weights)
            {
                new Span<float>(gradient, hiddenGradient.Length).Clear();
                var batch = new TrainingBatch(layout, scratch, vectors, gradient, slots, tokens, options, wantsGradient, tokenWeights) { LossScale = options.GradientScale };
                RunCluster(batch, head, TrainingBatch.Head);
                for (var cluster = 0; cluster < tails.Count; cluster++) RunCluster(batch, tails[cluster], cluster);
                for (var token = 0; token < targetLogProbs.Length; token++) targetLogProbs[token] = (float)batch.TargetLogProbs[token];
                if (!losses.IsEmpty) batch.CopyLosses(losses);
                return (float)batch.Loss();
            }
        }
        finally
        {
            scratchPool.Return(scratch);
        }
    }

    public static void CheckRoom(int room, int tokens, string name, string argument)
    {
        if (room != tokens)
            throw new ArgumentException(FormattableString.Invariant($"There is room for {room} {name} of {tokens} targets; give one place each."), argument);
    }

    public static void CheckWeights(ReadOnlySpan<float> weights, int tokens, Reduction reduction)
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

    private void FindSlots(ReadOnlySpan<int> targets, int ignoreIndex, int* slots)
    {
        for (var token = 0; token < targets.Length; token++)
        {
            var target = targets[token];
            slots[token] = target == ignoreIndex ? TrainingBatch.Ignored : findSlot(target);
            if (slots[token] < 0 && target != ignoreIndex)
                throw new ArgumentException(string.Create(CultureInfo.InvariantCulture, $"Target {token} is {target}, which is not a token id of this vocabulary of {layout.VocabularySize} tokens; for a position without a target use the ignore index {ignoreIndex}."), nameof(targets));
        }
    }

    private void RunCluster(TrainingBatch batch, ITrainingCluster layer, int cluster)
    {
        var members = batch.Members(cluster);
        var blockSize = TokenBlocks.BlockSize(batch.RowCount(cluster), runOptions.ScratchBytes);
        for (var first = 0; first < members.Length; first += blockSize)
        {
            using var scope = batch.Scratch.Begin();
            var block = batch.Gather(pool, members.Slice(first, Math.Min(blockSize, members.Length - first)), cluster);
            layer.ExpectTargets(batch.TargetRows(block, cluster), block.Tokens.Length);
            var logits = layer.Forward(pool, batch.Scratch, batch.Scratch, block.Lanes, block.LaneCount, batch.IsSmoothed);
            batch.AddLogProbs(block, logits, cluster);
            if (!batch.WantsGradient) continue;
            layer.Backward(pool, batch.Scratch, logits, batch.WeightsOf(block, cluster), block.Rows, block.Tokens.Length, block.RowGradient);
            batch.ScatterGradient(pool, block);
        }
    }
}
