namespace AdaptiveSoftmax;

/// <summary>The loss of weights on states, target by target.</summary>
internal static unsafe class StatesJudge
{
    private const long ScratchBytes = 1 << 26;

    /// <summary>−log p of each target.</summary>
    /// <param name="pool">The threads.</param>
    /// <param name="weights">The weights.</param>
    /// <param name="hidden">The states, [count, hidden].</param>
    /// <param name="slots">The slot of each target, [count].</param>
    /// <param name="losses">Receives them, [count].</param>
    public static void Losses(WorkerPool pool, SoftmaxWeights weights, ReadOnlySpan<float> hidden, ReadOnlySpan<int> slots, Span<double> losses)
    {
        using var scratch = new Scratch();
        fixed (float* vectors = hidden)
        fixed (int* targets = slots)
        {
            var batch = new TrainingBatch(weights.Layout, scratch, vectors, null, targets, slots.Length, LossOptions.Default, wantsGradient: false);
            RunCluster(pool, batch, weights.Head.Cluster, TrainingBatch.Head);
            for (var tail = 0; tail < weights.Tails.Count; tail++) RunCluster(pool, batch, weights.Tails[tail].Cluster, tail);
            for (var i = 0; i < slots.Length; i++) losses[i] = batch.TokenLoss(i);
        }
    }

    private static void RunCluster(WorkerPool pool, TrainingBatch batch, ITrainingCluster layer, int cluster)
    {
        var members = batch.Members(cluster);
        var blockSize = TokenBlocks.BlockSize(batch.RowCount(cluster), ScratchBytes);
        for (var first = 0; first < members.Length; first += blockSize)
        {
            using var scope = batch.Scratch.Begin();
            var block = batch.Gather(pool, members.Slice(first, Math.Min(blockSize, members.Length - first)), cluster);
            var logits = layer.Forward(pool, batch.Scratch, batch.Scratch, block.Lanes, block.LaneCount, withLogitSum: false);
            batch.AddLogProbs(block, logits, cluster);
        }
    }
}
