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
    /// part. One group.
    /// </summary>
    /// <param name="slots">[tokens].</param>
    /// <param name="parts">What each part needs.</param>
    /// <param name="order">Receives the position of each token in the order by cluster, [active tokens].</param>
    /// <param name="headRows">Receives the head's row of each target, in that order.</param>
    /// <param name="tailRows">Receives the tail's row, in that order.</param>
    /// <param name="plan">Receives the plan of each part.</param>
    /// <param name="tokenWeight">Receives what a token's loss is multiplied by.</param>
    /// <param name="arguments">Sizes.</param>
    public static void GroupByCluster(
        ArrayView<int> slots, ArrayView<PartSizes> parts, ArrayView<int> order, ArrayView<int> headRows, ArrayView<int> tailRows,
        ArrayView<PartPlan> plan, ArrayView<float> tokenWeight, GroupArguments arguments)
    {
        var counts = SharedMemory.Allocate<int>(GroupSize);
        var share = Sizes.Tiles(arguments.Tokens, GroupSize);
        var first = Group.IdxX * share;
        var end = XMath.Min(first + share, arguments.Tokens);
        var start = 0;
        for (var part = 0; part < arguments.Parts; part++)
        {
            var low = part == 0 ? 0 : parts[part].Start;
            var high = part + 1 < arguments.Parts ? parts[part + 1].Start : int.MaxValue;
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
                    headRows[at] = part == 0 ? slot : arguments.ShortlistSize + part - 1;
                    tailRows[at] = part == 0 ? Ignored : slot - low;
                    at++;
                }
            }

            // The head's tokens follow when all are counted.
            if (Group.IdxX == 0 && part > 0) plan[part] = Tokens(start, total);
            start += total;
            Group.Barrier();
        }

        if (Group.IdxX > 0) return;
        tokenWeight[0] = arguments.IsMean != 0 ? 1f / XMath.Max(start, 1) : 1f;
        plan[0] = Tokens(0, start);
        PlanChunks(plan, parts, 0, 1, arguments);
        for (var part = 1; part < arguments.Parts; part += arguments.PartsAtOnce)
        {
            var behind = XMath.Min(part + arguments.PartsAtOnce, arguments.Parts);
            if (arguments.AllTokensInTails != 0)
            {
                for (var tail = part; tail < behind; tail++) plan[tail] = Tokens(0, start);
            }

            PlanChunks(plan, parts, part, behind, arguments);
        }
    }

    /// <summary>The tail's row of each target where it lies in this tail; −1 elsewhere.</summary>
    public static void MaskTargets(ArrayView<PartPlan> plan, ArrayView<int> headRows, ArrayView<int> tailRows, ArrayView<int> masked, int clusterRow)
    {
        for (var i = Grid.GlobalIndex.X; i < plan[0].Count; i += Grid.DimX * Group.DimX)
            masked[i] = headRows[i] == clusterRow ? tailRows[i] : Ignored;
    }

    /// <summary>Copies the vectors of some tokens next to each other, [tokens, stride], with zeros behind the columns.</summary>
    public static void Gather(ArrayView<float> vectors, ArrayView<int> order, ArrayView<PartPlan> plan, ArrayView<float> gathered, int columns, int part)
    {
        var stride = Sizes.Stride(columns);
        var count = (long)plan[part].Count * stride;
        for (long i = Grid.GlobalLinearIndex; i < count; i += (long)Grid.DimX * Group.DimX)
        {
            var column = (int)(i % stride);
            var value = 0f;
            if (column < columns) value = vectors[((long)order[i / stride] * columns) + column];
            gathered[i] = value;
        }
    }

    /// <summary>Copies vectors next to each other with zeros behind the columns, all in their order.</summary>
    public static void Pad(ArrayView<float> vectors, ArrayView<float> padded, ArrayView<PartPlan> plan, int tokens, int columns)
    {
        var stride = Sizes.Stride(columns);
        if (Grid.GlobalLinearIndex == 0)
        {
            PartPlan whole = default;
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
    public static void Scatter(ArrayView<float> gathered, ArrayView<int> order, ArrayView<PartPlan> plan, ArrayView<float> vectors, int columns)
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
    /// The log-sum-exp of each of the parts' tokens from its strips, and the part's share of the target's log-prob. The
    /// threads of a group are 16 tokens × 16 shares of the strips.
    /// </summary>
    public static void FinishReduce(
        ArrayView<PartPlan> plan, ArrayView<PartSizes> sizes, ArrayView<float> maximum, ArrayView<float> sum, ArrayView<int> targetRows, ArrayView<float> targetLogits,
        ArrayView<float> logSumExp, ArrayView<float> targetLogProbs, PartArguments arguments)
    {
        var tops = SharedMemory.Allocate<float>(GroupSize);
        var totals = SharedMemory.Allocate<float>(GroupSize);
        int lane = Group.IdxX & 15, share = Group.IdxX >> 4;
        var items = new PartItems<FinishWork>(plan, sizes, arguments);
        for (var found = items.First(); items.Exists(found); found = items.Next(found))
        {
            var part = plan[arguments.First + found.Index];
            var strips = sizes[arguments.First + found.Index].Strips;
            var top = float.NegativeInfinity;
            var total = 0f;
            var row = (found.Item * FinishWork.Tokens) + lane;
            var token = part.First + row;
            if (row < part.Count)
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
            if (share == 0 && row < part.Count)
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

    /// <summary>Label smoothing: adds a part's Σ log p(w) over the tokens w that its rows stand for.</summary>
    public static void FinishSum(ArrayView<PartPlan> plan, ArrayView<float> sum, ArrayView<float> logSumExp, ArrayView<float> smoothing, int part, int strips, int capacity, float allRows)
    {
        for (var token = Grid.GlobalIndex.X; token < plan[part].Count; token += Grid.DimX * Group.DimX)
        {
            var total = part == 0 ? 0f : smoothing[token];
            for (var strip = 0; strip < strips; strip++) total += sum[((long)strip * capacity) + token];
            smoothing[token] = total - (allRows * logSumExp[token]);
        }
    }

    /// <summary>The log-prob of each target at its token's place.</summary>
    public static void ScatterLogProbs(ArrayView<PartPlan> plan, ArrayView<int> order, ArrayView<float> targetLogProbs, ArrayView<float> result)
    {
        for (var i = Grid.GlobalIndex.X; i < plan[0].Count; i += Grid.DimX * Group.DimX) result[order[i]] = targetLogProbs[i];
    }

    /// <summary>The reduced loss, summed in one order. One group.</summary>
    public static void Loss(ArrayView<PartPlan> plan, ArrayView<float> targetLogProbs, ArrayView<float> smoothing, ArrayView<float> tokenWeight, ArrayView<float> loss, LossWeights weights)
    {
        var sums = SharedMemory.Allocate<float>(GroupSize);
        var count = plan[0].Count;
        var sum = 0f;
        for (var i = Group.IdxX; i < count; i += GroupSize)
        {
            sum -= weights.Target * targetLogProbs[i];
            if (weights.Uniform > 0f) sum -= weights.Uniform * smoothing[i];
        }

        sums[Group.IdxX] = sum;
        Group.Barrier();
        for (var half = GroupSize / 2; half > 0; half /= 2)
        {
            if (Group.IdxX < half) sums[Group.IdxX] += sums[Group.IdxX + half];
            Group.Barrier();
        }

        if (Group.IdxX == 0) loss[0] = sums[0] * tokenWeight[0];
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

    private static PartPlan Tokens(int first, int count)
    {
        PartPlan plan = default;
        plan.First = first;
        plan.Count = count;
        return plan;
    }

    // How the parts of a launch share the memory for logits: in as few passes as possible, each part in chunks of equally
    // many rows. No batch takes more passes than one whose tokens all lie in the largest part, so that the host knows how
    // many there may be.
    private static void PlanChunks(ArrayView<PartPlan> plan, ArrayView<PartSizes> parts, int first, int end, GroupArguments arguments)
    {
        int passes = 1, most = 1;
        for (var part = first; part < end; part++) most = XMath.Max(most, parts[part].ColumnTiles);
        while (passes < most)
        {
            var middle = (passes + most) / 2;
            if (ChunkValues(plan, parts, first, end, middle) <= arguments.GradientCapacity) most = middle;
            else passes = middle + 1;
        }

        // What room is left lets chunks grow: what fits a part's first chunk need not be computed twice.
        var room = arguments.HasEqualChunks != 0 ? 0 : arguments.GradientCapacity - ChunkValues(plan, parts, first, end, passes);
        var shareRoom = arguments.ShareCapacity;
        long logits = 0;
        for (var index = first; index < end; index++)
        {
            var part = plan[index];
            var count = XMath.Max(part.Count, 1);
            part.ChunkRows = ChunkRows(parts[index].Rows, passes);
            var more = (int)XMath.Min(room / count / TileProduct.Columns * TileProduct.Columns, (long)ChunkRows(parts[index].Rows, 1) - part.ChunkRows);
            part.ChunkRows += more;
            room -= (long)more * part.Count;
            part.Logits = logits;
            logits += (long)part.ChunkRows * part.Count;

            // A narrow input has few tiles: sharing out the depth busies the other groups.
            var tiles = Sizes.Tiles(count, 128) * Sizes.Tiles(parts[index].Columns, TileProduct.Columns);
            var values = (long)count * Sizes.Stride(parts[index].Columns);
            var splits = XMath.Min(XMath.Min(256 / tiles, part.ChunkRows / 512), (int)XMath.Min(shareRoom / values, 256L));
            part.Splits = XMath.Max(splits, 1);
            part.Shares = arguments.ShareCapacity - shareRoom;
            if (part.Splits > 1 && part.Count > 0) shareRoom -= part.Splits * values;
            plan[index] = part;
        }
    }

    private static long ChunkValues(ArrayView<PartPlan> plan, ArrayView<PartSizes> parts, int first, int end, int passes)
    {
        long values = 0;
        for (var part = first; part < end; part++) values += (long)plan[part].Count * ChunkRows(parts[part].Rows, passes);
        return values;
    }

    private static int ChunkRows(int rows, int passes) => Sizes.Tiles(Sizes.Tiles(rows, passes), TileProduct.Columns) * TileProduct.Columns;

    /// <summary>A piece is 16 tokens.</summary>
    private readonly struct FinishWork : IPartWork
    {
        public const int Tokens = 16;

        public int Items(PartPlan part, PartSizes sizes, PartArguments arguments) => Sizes.Tiles(part.Count, Tokens);
    }
}
