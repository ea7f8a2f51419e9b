using ILGPU;
using ILGPU.Algorithms;
using ILGPU.Util;

namespace AdaptiveSoftmax.Gpu.Kernels;

/// <summary>The batch around the products: targets to slots, slots to clusters, and the loss.</summary>
internal static class BatchKernels
{
    /// <summary>A slot that stands for no target.</summary>
    public const int Ignored = -1;

    /// <summary>A slot that stands for an id that is not in the vocabulary.</summary>
    public const int Unknown = -2;

    /// <summary>The fewest tokens that logits have room for, if a batch has as many.</summary>
    public const int LeastTokens = 16;

    private const int GroupSize = TileProduct.GroupSize;

    /// <summary>The slot of each target by binary search.</summary>
    public static void FindSlots(ArrayView<int> targets, ArrayView<int> sortedIds, ArrayView<int> slotsOfIds, ArrayView<int> slots, int count, int ignoreIndex)
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

                slot = Utilities.Select(sortedIds[low] == target, slotsOfIds[low], Unknown);
            }

            slots[i] = slot;
        }
    }

    /// <summary>
    /// A counting sort of the targets by cluster, which keeps their order within a cluster, and from it the plan: the tokens of
    /// each cluster, and then those of each chunk. One group.
    /// </summary>
    /// <param name="slots">[tokens].</param>
    /// <param name="clusters">What each cluster needs.</param>
    /// <param name="order">Receives the position of each token in the order by cluster, [active tokens].</param>
    /// <param name="headRows">Receives the head's row of each target, in that order.</param>
    /// <param name="tailRows">Receives the tail's row, in that order.</param>
    /// <param name="places">Receives the place of each token in that order, −1 without a target, [tokens].</param>
    /// <param name="firstUnknown">Receives the first token with an unknown target, or the largest integer.</param>
    /// <param name="plan">Receives the plan.</param>
    /// <param name="arguments">Sizes.</param>
    public static void GroupByCluster(
        ArrayView<int> slots, ArrayView<ClusterSizes> clusters, ArrayView<int> order, ArrayView<int> headRows, ArrayView<int> tailRows,
        ArrayView<int> places, ArrayView<int> firstUnknown, ArrayView<BatchPlan> plan, GroupArguments arguments)
    {
        var counts = SharedMemory.Allocate<int>(GroupSize);
        var share = Sizes.Tiles(arguments.Tokens, GroupSize);
        var first = Group.IdxX * share;
        var end = XMath.Min(first + share, arguments.Tokens);
        var unknown = int.MaxValue;
        for (var token = first; token < end; token++)
        {
            places[token] = Ignored;
            if (slots[token] == Unknown) unknown = XMath.Min(unknown, token);
        }

        counts[Group.IdxX] = unknown;
        Group.Barrier();
        if (Group.IdxX == 0)
        {
            for (var i = 1; i < GroupSize; i++) unknown = XMath.Min(unknown, counts[i]);
            firstUnknown[0] = unknown;
        }

        Group.Barrier();
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
                    places[token] = at;
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
        if (arguments.AllTokensInTails != 0)
        {
            for (var tail = 1; tail < arguments.Clusters; tail++) plan[tail] = Tokens(0, start);
        }

        var place = PlanChunks(plan, clusters, 0, 1, arguments.Clusters, arguments);
        for (var cluster = 1; cluster < arguments.Clusters; cluster += arguments.ClustersAtOnce)
            place = PlanChunks(plan, clusters, cluster, XMath.Min(cluster + arguments.ClustersAtOnce, arguments.Clusters), place, arguments);
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

    /// <summary>Puts gathered vectors back to their tokens, 0 for tokens without target.</summary>
    public static void Scatter(ArrayView<float> gathered, ArrayView<int> places, ArrayView<float> vectors, int columns)
    {
        var stride = Sizes.Stride(columns);
        for (long i = Grid.GlobalLinearIndex; i < vectors.Length; i += (long)Grid.DimX * Group.DimX)
        {
            var place = places[i / columns];
            var value = 0f;
            if (place >= 0) value = gathered[((long)place * stride) + (i % columns)];
            vectors[i] = value;
        }
    }

    /// <summary>Sets values to 0.</summary>
    public static void Clear(ArrayView<float> values)
    {
        for (long i = Grid.GlobalLinearIndex; i < values.Length; i += (long)Grid.DimX * Group.DimX) values[i] = 0;
    }

    /// <summary>The log-prob of each target at its token's place, 0 without target.</summary>
    public static void ScatterLogProbs(ArrayView<int> places, ArrayView<float> targetLogProbs, ArrayView<float> result)
    {
        for (var i = Grid.GlobalIndex.X; i < result.Length; i += Grid.DimX * Group.DimX)
        {
            var value = 0f;
            if (places[i] >= 0) value = targetLogProbs[places[i]];
            result[i] = value;
        }
    }

    /// <summary>The loss of each token at its place, unweighted, 0 without target.</summary>
    public static void ScatterLosses(ArrayView<int> places, ArrayView<float> targetLogProbs, ArrayView<float> smoothing, ArrayView<float> result, LossWeights loss)
    {
        for (var i = Grid.GlobalIndex.X; i < result.Length; i += Grid.DimX * Group.DimX)
        {
            var value = 0f;
            if (places[i] >= 0) value = LossOf(places[i], targetLogProbs, smoothing, loss);
            result[i] = value;
        }
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

    /// <summary>
    /// The most chunks that the tokens of clusters take which the same launches work on: those of a batch that lies as a whole in
    /// the largest of them, since whatever cluster its tokens lie in, a chunk holds at least as many as it would there.
    /// </summary>
    /// <param name="logitCapacity">The values that logits have room for.</param>
    /// <param name="columnTiles">The column tiles of the largest cluster.</param>
    /// <param name="tokens">The tokens of the batch.</param>
    public static int MostChunks(long logitCapacity, int columnTiles, int tokens)
    {
        var most = logitCapacity / ((long)columnTiles * TileProduct.Columns);
        return most >= tokens ? 1 : Sizes.Tiles(tokens, WholeTiles((int)most));
    }

    // The chunks of clusters that the same launches work on: the tokens in their order, as many as there is room for, and a plan
    // of each cluster for each chunk that there may be. A single thread; returns the place behind.
    private static int PlanChunks(ArrayView<BatchPlan> plan, ArrayView<ClusterSizes> clusters, int first, int end, int place, GroupArguments arguments)
    {
        var mostTiles = 1;
        for (var cluster = first; cluster < end; cluster++) mostTiles = XMath.Max(mostTiles, clusters[cluster].ColumnTiles);
        var chunks = MostChunks(arguments.LogitCapacity, mostTiles, arguments.Tokens);
        int current = first, done = 0;
        for (var chunk = 0; chunk < chunks; chunk++)
        {
            var room = arguments.LogitCapacity;
            var splitRoom = arguments.SplitCapacity;
            for (var cluster = first; cluster < end; cluster++)
            {
                BatchPlan tokens = default;
                tokens.First = plan[cluster].First;
                if (cluster == current)
                {
                    // Whole tiles, but where a chunk ends a cluster or has begun with another.
                    var rows = clusters[cluster].ColumnTiles * TileProduct.Columns;
                    var left = plan[cluster].Count - done;
                    var most = (int)XMath.Min(room / rows, int.MaxValue);
                    var count = left <= most ? left : room == arguments.LogitCapacity ? WholeTiles(most) : most;
                    tokens.First += done;
                    tokens.Before = done;
                    tokens.Count = count;
                    tokens.ChunkRows = rows;
                    tokens.Logits = arguments.LogitCapacity - room;
                    tokens.SplitSums = arguments.SplitCapacity - splitRoom;
                    tokens.Splits = Splits(clusters[cluster], count, splitRoom);
                    if (tokens.Splits > 1) splitRoom -= (long)tokens.Splits * count * Sizes.Stride(clusters[cluster].Columns);
                    room -= (long)count * rows;
                    done += count;
                    if (count == left)
                    {
                        current++;
                        done = 0;
                    }
                }

                plan[place++] = tokens;
            }
        }

        return place;
    }

    // A narrow input has few tiles: splitting the depth busies the other groups.
    private static int Splits(ClusterSizes sizes, int count, long room)
    {
        var tiles = Sizes.Tiles(XMath.Max(count, 1), 128) * Sizes.Tiles(sizes.Columns, TileProduct.Columns);
        var values = (long)XMath.Max(count, 1) * Sizes.Stride(sizes.Columns);
        var splits = XMath.Min(XMath.Min(256 / tiles, sizes.ColumnTiles * TileProduct.Columns / 512), (int)XMath.Min(room / values, 256L));

        // The depth of a split is a whole number of strides, so that fewer may do: none begins behind the last row, where nothing may be read.
        return Sizes.Tiles(sizes.Rows, Sizes.Stride(Sizes.Tiles(sizes.Rows, XMath.Max(splits, 1))));
    }

    private static int WholeTiles(int tokens) => tokens >= 128 ? tokens / 128 * 128 : tokens;
}
