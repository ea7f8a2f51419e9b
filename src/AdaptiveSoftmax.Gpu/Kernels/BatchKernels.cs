using ILGPU;
using ILGPU.Algorithms;
using ILGPU.Util;

namespace AdaptiveSoftmax.Gpu.Kernels;

/// <summary>The batch around the products: targets to slots, slots to clusters, and the loss.</summary>
internal static class BatchKernels
{
    /// <summary>A slot that stands for no target.</summary>
    public const int Ignored = -1;

    private const int GroupSize = TileProduct.GroupSize;

    /// <summary>
    /// The slot of each target by binary search. An id that is not in the vocabulary counts as ignored, and the first
    /// position that has one is noted.
    /// </summary>
    public static void FindSlots(ArrayView<int> targets, ArrayView<int> sortedIds, ArrayView<int> slotsOfIds, ArrayView<int> slots, ArrayView<int> firstUnknown, int count, int ignoreIndex)
    {
        for (var i = Grid.GlobalIndex.X; i < count; i += Grid.DimX * Group.DimX)
        {
            var target = targets[i];
            var slot = Ignored;
            if (target != ignoreIndex)
            {
                int low = 0, high = sortedIds.IntLength - 1;
                while (low < high)
                {
                    var middle = (low + high) >> 1;
                    // No branch: ILGPU would not see that the bounds differ between threads, and declare the loop's end the
                    // same for all of a warp, which PTX must not be told.
                    var isBelow = sortedIds[middle] < target;
                    low = Utilities.Select(isBelow, middle + 1, low);
                    high = Utilities.Select(isBelow, high, middle);
                }

                if (sortedIds[low] == target) slot = slotsOfIds[low];
                else Atomic.Min(ref firstUnknown[0], i);
            }

            slots[i] = slot;
        }
    }

    /// <summary>
    /// A counting sort of the targets by cluster, which keeps their order within a cluster, and from it the plan of each
    /// cluster. One group.
    /// </summary>
    /// <param name="slots">[tokens].</param>
    /// <param name="clusters">What each cluster needs.</param>
    /// <param name="order">Receives the position of each token in the order by cluster, [active tokens].</param>
    /// <param name="headRows">Receives the head's row of each target, in that order.</param>
    /// <param name="tailRows">Receives the tail's row, in that order.</param>
    /// <param name="plan">Receives the plan of each cluster.</param>
    /// <param name="arguments">Sizes.</param>
    public static void GroupByCluster(
        ArrayView<int> slots, ArrayView<ClusterSizes> clusters, ArrayView<int> order, ArrayView<int> headRows, ArrayView<int> tailRows,
        ArrayView<BatchPlan> plan, GroupArguments arguments)
    {
        var counts = SharedMemory.Allocate<int>(GroupSize);
        var share = Sizes.Tiles(arguments.Tokens, GroupSize);
        var first = Group.IdxX * share;
        var end = XMath.Min(first + share, arguments.Tokens);
        var start = 0;
        for (var cluster = 0; cluster < arguments.Clusters; cluster++)
        {
            var low = cluster == 0 ? 0 : clusters[cluster].Start;
            var high = cluster + 1 < arguments.Clusters ? clusters[cluster + 1].Start : int.MaxValue;
            var count = 0;
            for (var token = first; token < end; token++)
            {
                if (slots[token] >= low && slots[token] < high) count++;
            }

            counts[Group.IdxX] = count;
            Group.Barrier();
            var at = start + StartOfShare(counts, out var total);
            for (var token = first; token < end; token++)
            {
                var slot = slots[token];
                if (slot >= low && slot < high)
                {
                    order[at] = token;
                    headRows[at] = cluster == 0 ? slot : arguments.ShortlistSize + cluster - 1;
                    tailRows[at] = cluster == 0 ? Ignored : slot - low;
                    at++;
                }
            }

            // The head's tokens follow when all are counted.
            if (Group.IdxX == 0 && cluster > 0) plan[cluster] = Tokens(start, total);
            start += total;
            Group.Barrier();
        }

        if (Group.IdxX > 0) return;
        plan[0] = Tokens(0, start);
        PlanChunks(plan, clusters, 0, 1, arguments);
        for (var cluster = 1; cluster < arguments.Clusters; cluster += arguments.ClustersAtOnce)
        {
            var behind = XMath.Min(cluster + arguments.ClustersAtOnce, arguments.Clusters);
            if (arguments.AllTokensInTails != 0)
            {
                for (var tail = cluster; tail < behind; tail++) plan[tail] = Tokens(0, start);
            }

            PlanChunks(plan, clusters, cluster, behind, arguments);
        }
    }

    /// <summary>What each token's loss counts, and what the sum of losses and all gradients are multiplied by. One group.</summary>
    /// <param name="plan">The plan of each cluster.</param>
    /// <param name="order">The position of each token in the order by cluster.</param>
    /// <param name="weights">The weight of each token, [tokens], where tokens have weights.</param>
    /// <param name="tokenWeights">Receives what a token's gradient is multiplied by, in the order by cluster.</param>
    /// <param name="scales">Receives the scale of the loss, and that of gradients of tokens that weigh 1.</param>
    /// <param name="arguments">How losses become one.</param>
    public static void WeighTokens(
        ArrayView<BatchPlan> plan, ArrayView<int> order, ArrayView<float> weights, ArrayView<float> tokenWeights, ArrayView<float> scales, WeightArguments arguments)
    {
        var sums = SharedMemory.Allocate<float>(GroupSize);
        var count = plan[0].Count;
        var sum = 0f;
        for (var i = Group.IdxX; i < count; i += GroupSize) sum += WeightOf(i, order, weights, arguments.HasWeights);
        var total = SumOfGroup(sums, sum);

        // A mean over nothing, or over weights of 0 alone, is 0.
        var scale = 1f;
        if (arguments.IsMean != 0) scale = total > 0f ? 1f / total : 0f;
        for (var i = Group.IdxX; i < count; i += GroupSize)
            tokenWeights[i] = WeightOf(i, order, weights, arguments.HasWeights) * scale * arguments.GradientScale;
        if (Group.IdxX > 0) return;
        scales[0] = scale;
        scales[1] = scale * arguments.GradientScale;
    }

    /// <summary>The tail's row of each target where it lies in this tail; −1 elsewhere.</summary>
    public static void MaskTargets(ArrayView<BatchPlan> plan, ArrayView<int> headRows, ArrayView<int> tailRows, ArrayView<int> masked, int clusterRow)
    {
        for (var i = Grid.GlobalIndex.X; i < plan[0].Count; i += Grid.DimX * Group.DimX)
            masked[i] = headRows[i] == clusterRow ? tailRows[i] : Ignored;
    }

    /// <summary>Copies the vectors of some tokens next to each other, [tokens, stride], with zeros behind the columns.</summary>
    public static void Gather(ArrayView<float> vectors, ArrayView<int> order, ArrayView<BatchPlan> plan, ArrayView<float> gathered, int columns, int cluster)
    {
        var stride = Sizes.Stride(columns);
        var count = (long)plan[cluster].Count * stride;
        for (long i = Grid.GlobalLinearIndex; i < count; i += (long)Grid.DimX * Group.DimX)
        {
            var column = (int)(i % stride);
            var value = 0f;
            if (column < columns) value = vectors[((long)order[i / stride] * columns) + column];
            gathered[i] = value;
        }
    }

    /// <summary>Copies vectors next to each other with zeros behind the columns, all in their order.</summary>
    public static void Pad(ArrayView<float> vectors, ArrayView<float> padded, ArrayView<BatchPlan> plan, int tokens, int columns)
    {
        var stride = Sizes.Stride(columns);
        if (Grid.GlobalLinearIndex == 0)
        {
            BatchPlan whole = default;
            whole.Count = tokens;
            plan[0] = whole;
        }

        for (long i = Grid.GlobalLinearIndex; i < (long)tokens * stride; i += (long)Grid.DimX * Group.DimX)
        {
            var column = (int)(i % stride);
            var value = 0f;
            if (column < columns) value = vectors[(i / stride * columns) + column];
            padded[i] = value;
        }
    }

    /// <summary>Puts gathered vectors back to their tokens; what was set to 0 before stays so for tokens without target.</summary>
    public static void Scatter(ArrayView<float> gathered, ArrayView<int> order, ArrayView<BatchPlan> plan, ArrayView<float> vectors, int columns)
    {
        var stride = Sizes.Stride(columns);
        var count = (long)plan[0].Count * columns;
        for (long i = Grid.GlobalLinearIndex; i < count; i += (long)Grid.DimX * Group.DimX)
        {
            var token = i / columns;
            var column = i % columns;
            vectors[((long)order[token] * columns) + column] = gathered[(token * stride) + column];
        }
    }

    /// <summary>Sets values to 0; also marks that no target was unknown so far.</summary>
    public static void Clear(ArrayView<float> values)
    {
        for (long i = Grid.GlobalLinearIndex; i < values.Length; i += (long)Grid.DimX * Group.DimX) values[i] = 0;
    }

    /// <summary>Forgets an unknown target of an earlier batch.</summary>
    public static void ForgetUnknown(ArrayView<int> firstUnknown) => firstUnknown[0] = int.MaxValue;

    /// <summary>
    /// The log-sum-exp of each of the clusters' tokens from its strips, and the cluster's share of the target's log-prob. The
    /// threads of a group are 16 tokens × 16 shares of the strips.
    /// </summary>
    public static void FinishReduce(
        ArrayView<BatchPlan> plan, ArrayView<ClusterSizes> sizes, ArrayView<float> maximum, ArrayView<float> sum, ArrayView<int> targetRows, ArrayView<float> targetLogits,
        ArrayView<float> logSumExp, ArrayView<float> targetLogProbs, ClusterArguments arguments)
    {
        var tops = SharedMemory.Allocate<float>(GroupSize);
        var totals = SharedMemory.Allocate<float>(GroupSize);
        int lane = Group.IdxX & 15, share = Group.IdxX >> 4;
        var items = new ClusterItems<FinishWork>(plan, sizes, arguments);
        for (var found = items.First(); items.Exists(found); found = items.Next(found))
        {
            var cluster = plan[arguments.First + found.Index];
            var strips = sizes[arguments.First + found.Index].Strips;
            var top = float.NegativeInfinity;
            var total = 0f;
            var row = (found.Item * FinishWork.Tokens) + lane;
            var token = cluster.First + row;
            if (row < cluster.Count)
            {
                for (var strip = share; strip < strips; strip += 16)
                {
                    var at = ((long)strip * arguments.Capacity) + token;
                    LogitKernels.Combine(ref top, ref total, maximum[at], sum[at]);
                }
            }

            tops[Group.IdxX] = top;
            totals[Group.IdxX] = total;
            Group.Barrier();
            if (share == 0 && row < cluster.Count)
            {
                for (var i = 1; i < 16; i++) LogitKernels.Combine(ref top, ref total, tops[(i * 16) + lane], totals[(i * 16) + lane]);
                var result = top + XMath.Log(total);
                logSumExp[token] = result;
                if (arguments.First == 0) targetLogProbs[token] = targetLogits[token] - result;
                else if (targetRows[token] >= 0) targetLogProbs[token] += targetLogits[token] - result;
            }

            Group.Barrier();
        }
    }

    /// <summary>Label smoothing: adds a cluster's Σ log p(w) over the tokens w that its rows stand for.</summary>
    public static void FinishSum(ArrayView<BatchPlan> plan, ArrayView<float> sum, ArrayView<float> logSumExp, ArrayView<float> smoothing, int cluster, int strips, int capacity, float allRows)
    {
        for (var token = Grid.GlobalIndex.X; token < plan[cluster].Count; token += Grid.DimX * Group.DimX)
        {
            var total = cluster == 0 ? 0f : smoothing[token];
            for (var strip = 0; strip < strips; strip++) total += sum[((long)strip * capacity) + token];
            smoothing[token] = total - (allRows * logSumExp[token]);
        }
    }

    /// <summary>The log-prob of each target at its token's place.</summary>
    public static void ScatterLogProbs(ArrayView<BatchPlan> plan, ArrayView<int> order, ArrayView<float> targetLogProbs, ArrayView<float> result)
    {
        for (var i = Grid.GlobalIndex.X; i < plan[0].Count; i += Grid.DimX * Group.DimX) result[order[i]] = targetLogProbs[i];
    }

    /// <summary>The loss of each token at its place, unweighted; what was set to 0 before stays so for tokens without target.</summary>
    public static void ScatterLosses(
        ArrayView<BatchPlan> plan, ArrayView<int> order, ArrayView<float> targetLogProbs, ArrayView<float> smoothing, ArrayView<float> result, LossWeights loss)
    {
        for (var i = Grid.GlobalIndex.X; i < plan[0].Count; i += Grid.DimX * Group.DimX) result[order[i]] = LossOf(i, targetLogProbs, smoothing, loss);
    }

    /// <summary>The reduced loss, summed in one order. One group.</summary>
    public static void Loss(
        ArrayView<BatchPlan> plan, ArrayView<int> order, ArrayView<float> targetLogProbs, ArrayView<float> smoothing, ArrayView<float> weights, ArrayView<float> scales,
        ArrayView<float> result, LossWeights loss, int hasWeights)
    {
        var sums = SharedMemory.Allocate<float>(GroupSize);
        var count = plan[0].Count;
        var sum = 0f;
        for (var i = Group.IdxX; i < count; i += GroupSize)
            sum += LossOf(i, targetLogProbs, smoothing, loss) * WeightOf(i, order, weights, hasWeights);
        var total = SumOfGroup(sums, sum);
        if (Group.IdxX == 0) result[0] = total * scales[0];
    }

    /// <summary>Where the thread's share begins, given the count of each thread's, and the sum of all.</summary>
    public static int StartOfShare(ArrayView<int> counts, out int total)
    {
        var start = 0;
        total = 0;
        for (var i = 0; i < GroupSize; i++)
        {
            if (i == Group.IdxX) start = total;
            total += counts[i];
        }

        return start;
    }

    private static float LossOf(int i, ArrayView<float> targetLogProbs, ArrayView<float> smoothing, LossWeights loss)
    {
        var result = -loss.Target * targetLogProbs[i];
        if (loss.Uniform > 0f) result -= loss.Uniform * smoothing[i];
        return result;
    }

    private static float WeightOf(int i, ArrayView<int> order, ArrayView<float> weights, int hasWeights)
    {
        var weight = 1f;
        if (hasWeights != 0) weight = weights[order[i]];
        return weight;
    }

    // A tree over the threads of the group, the same for every run.
    private static float SumOfGroup(ArrayView<float> sums, float mine)
    {
        sums[Group.IdxX] = mine;
        Group.Barrier();
        for (var half = GroupSize / 2; half > 0; half /= 2)
        {
            if (Group.IdxX < half) sums[Group.IdxX] += sums[Group.IdxX + half];
            Group.Barrier();
        }

        return sums[0];
    }

    private static BatchPlan Tokens(int first, int count)
    {
        BatchPlan plan = default;
        plan.First = first;
        plan.Count = count;
        return plan;
    }

    // How the clusters of a launch share the memory for logits: in as few passes as possible, each cluster in chunks of equally
    // many rows. No batch takes more passes than one whose tokens all lie in the largest cluster, so that the host knows how
    // many there may be.
    private static void PlanChunks(ArrayView<BatchPlan> plan, ArrayView<ClusterSizes> clusters, int first, int end, GroupArguments arguments)
    {
        int passes = 1, most = 1;
        for (var cluster = first; cluster < end; cluster++) most = XMath.Max(most, clusters[cluster].ColumnTiles);
        while (passes < most)
        {
            var middle = (passes + most) / 2;
            if (ChunkValues(plan, clusters, first, end, middle) <= arguments.GradientCapacity) most = middle;
            else passes = middle + 1;
        }

        // What room is left lets chunks grow: what fits a cluster's first chunk need not be computed twice.
        var room = arguments.HasEqualChunks != 0 ? 0 : arguments.GradientCapacity - ChunkValues(plan, clusters, first, end, passes);
        var shareRoom = arguments.ShareCapacity;
        long logits = 0;
        for (var index = first; index < end; index++)
        {
            var cluster = plan[index];
            var count = XMath.Max(cluster.Count, 1);
            cluster.ChunkRows = ChunkRows(clusters[index].Rows, passes);
            var more = (int)XMath.Min(room / count / TileProduct.Columns * TileProduct.Columns, (long)ChunkRows(clusters[index].Rows, 1) - cluster.ChunkRows);
            cluster.ChunkRows += more;
            room -= (long)more * cluster.Count;
            cluster.Logits = logits;
            logits += (long)cluster.ChunkRows * cluster.Count;

            // A narrow input has few tiles: sharing out the depth busies the other groups.
            var tiles = Sizes.Tiles(count, 128) * Sizes.Tiles(clusters[index].Columns, TileProduct.Columns);
            var values = (long)count * Sizes.Stride(clusters[index].Columns);
            var splits = XMath.Min(XMath.Min(256 / tiles, cluster.ChunkRows / 512), (int)XMath.Min(shareRoom / values, 256L));
            cluster.Splits = XMath.Max(splits, 1);
            cluster.Shares = arguments.ShareCapacity - shareRoom;
            if (cluster.Splits > 1 && cluster.Count > 0) shareRoom -= cluster.Splits * values;
            plan[index] = cluster;
        }
    }

    private static long ChunkValues(ArrayView<BatchPlan> plan, ArrayView<ClusterSizes> clusters, int first, int end, int passes)
    {
        long values = 0;
        for (var cluster = first; cluster < end; cluster++) values += (long)plan[cluster].Count * ChunkRows(clusters[cluster].Rows, passes);
        return values;
    }

    private static int ChunkRows(int rows, int passes) => Sizes.Tiles(Sizes.Tiles(rows, passes), TileProduct.Columns) * TileProduct.Columns;

    /// <summary>A piece is 16 tokens.</summary>
    private readonly struct FinishWork : IClusterWork
    {
        public const int Tokens = 16;

        public int Items(BatchPlan cluster, ClusterSizes sizes, ClusterArguments arguments) => Sizes.Tiles(cluster.Count, Tokens);
    }
}
