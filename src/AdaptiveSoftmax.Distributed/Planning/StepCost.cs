using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Distributed;

/// <summary>What a training step asks of a rank, in the units of <see cref="RankSpeeds"/>.</summary>
internal readonly record struct StepCost
{
    private const int HeaderBytes = 32;

    public double MultiplyAdds { get; init; }

    public double Logits { get; init; }

    public double Weights { get; init; }

    /// <summary>Bytes of sums.</summary>
    public double SummedBytes { get; init; }

    /// <summary>Bytes of what is put together.</summary>
    public double GatheredBytes { get; init; }

    public double Messages { get; init; }

    public static StepCost operator +(in StepCost left, in StepCost right) => new()
    {
        MultiplyAdds = left.MultiplyAdds + right.MultiplyAdds,
        Logits = left.Logits + right.Logits,
        Weights = left.Weights + right.Weights,
        SummedBytes = left.SummedBytes + right.SummedBytes,
        GatheredBytes = left.GatheredBytes + right.GatheredBytes,
        Messages = left.Messages + right.Messages,
    };

    public static StepCost OfMessages(double messages, double bytes) => new() { Messages = messages, GatheredBytes = bytes };

    /// <summary>A whole head.</summary>
    public static StepCost OfHead(SoftmaxLayout layout, double tokens) => OfRows(layout.HeadRows, layout.HiddenSize, tokens, blocks: 0, ranks: 1);

    /// <summary>All tails, whole.</summary>
    public static StepCost OfTails(SoftmaxLayout layout, double tokens) => layout.Tails.Aggregate(default(StepCost), (sum, tail) => sum + OfTail(layout, tail, tokens, blocks: 0, ranks: 1));

    /// <summary>A tail: its projection, which every rank has, and its rows.</summary>
    public static StepCost OfTail(SoftmaxLayout layout, TailCluster tail, double tokens, int blocks, int ranks)
    {
        var own = tokens * ShareOf(layout, tail);
        var projection = (double)tail.ProjectionWidth * layout.HiddenSize;
        return new StepCost { MultiplyAdds = 3 * own * projection, Weights = projection } + OfRows(tail.Size, tail.ProjectionWidth, own, blocks, ranks);
    }

    /// <summary>Rows of a linear layer, whole or cut into blocks over the ranks.</summary>
    /// <param name="rows">The rows.</param>
    /// <param name="width">Their columns.</param>
    /// <param name="tokens">The tokens that need them.</param>
    /// <param name="blocks">The blocks; 0 where every rank has all rows.</param>
    /// <param name="ranks">The ranks.</param>
    public static StepCost OfRows(int rows, int width, double tokens, int blocks, int ranks)
    {
        var tree = blocks == 0 ? null : new SumTree(Math.Min(blocks, rows), ranks);
        var mostLeaves = tree is null ? 1 : Enumerable.Range(0, ranks).Max(rank => tree.LeavesOf(rank).End - tree.LeavesOf(rank).Start);
        var own = rows * (double)mostLeaves / (tree?.Leaves ?? 1);
        var cost = new StepCost { MultiplyAdds = 3 * tokens * own * width, Logits = tokens * own, Weights = own * width };
        if (tree is null || ranks == 1) return cost;

        // Normalisers of the others' nodes and the logits of targets; then gradients of inputs, of which each rank adds up a part.
        var others = Enumerable.Range(0, ranks).Sum(rank => tree.NodesOf(rank).Count) - (double)tree.NodesOf(0).Count;
        var shareOfOthers = (ranks - 1.0) / ranks;
        var forward = sizeof(double) * tokens * (others + shareOfOthers);
        var backward = sizeof(float) * tokens * width * ((others / ranks) + shareOfOthers);
        var calls = Math.Max(1, Math.Ceiling(tokens / TokenBlocks.BlockSize(rows, AdaptiveSoftmaxOptions.Default.ScratchBytes)));
        return cost + OfMessages(5 * calls, forward + (2 * calls * HeaderBytes * (ranks - 1))) + new StepCost { SummedBytes = backward };
    }

    public double ComputeSeconds(RankSpeeds speeds) => (MultiplyAdds / speeds.MultiplyAddsPerSecond) + (Logits / speeds.LogitsPerSecond) + (Weights / speeds.WeightsPerSecond);

    public double TransferSeconds(RankSpeeds speeds) => (SummedBytes / speeds.BytesPerSecond) + (GatheredBytes / speeds.GatheredBytesPerSecond);

    /// <summary>The latency among so many ranks.</summary>
    public double WaitSeconds(int ranks, RankSpeeds speeds) => Messages * speeds.SecondsPerMessage * Math.Max(1, Math.Log2(ranks));

    /// <summary>All of it in seconds.</summary>
    public double Seconds(int ranks, RankSpeeds speeds) => ComputeSeconds(speeds) + TransferSeconds(speeds) + WaitSeconds(ranks, speeds);

    // The share of targets in a tail, where a token is as frequent as one over its rank.
    private static double ShareOf(SoftmaxLayout layout, TailCluster tail) =>
        Math.Log((tail.Start + tail.Size + 1.0) / (tail.Start + 1.0)) / Math.Log(layout.VocabularySize + 1.0);
}
