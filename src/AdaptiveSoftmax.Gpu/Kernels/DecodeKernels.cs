using ILGPU;
using ILGPU.Algorithms;
using ILGPU.Util;

namespace AdaptiveSoftmax.Gpu.Kernels;

/// <summary>
/// Greedy decoding. Tails come in slot order; of each only the tokens are computed that it can still win, and which these
/// are is decided here, on the device. A token with a logit that is not finite has no result: in the place of its slot
/// stands <see cref="Fault"/> of the cluster, and its score lets no further tail win.
/// </summary>
internal static class DecodeKernels
{
    /// <summary>The score that nothing exceeds.</summary>
    public const float Unbeaten = float.MaxValue;

    private const int ColumnStride = 128 + 1;

    /// <summary>
    /// For each token and strip of column tiles the maximum of the logits and the sum of exp(logit − maximum), and the largest
    /// logit of a token's row with the first row that has it; logits of cluster rows are kept, [clusters, capacity].
    /// </summary>
    public static void Best<TShape, TTile, TBlock>(
        TShape shape, ArrayView<Float4> inputs, ArrayView<TBlock> weights, ArrayView<float> bias, ArrayView<BatchPlan> plan,
        ArrayView<float> clusters, ArrayView<float> maximum, ArrayView<float> sum, ArrayView<float> best, ArrayView<int> bestRow, ProductArguments arguments)
        where TShape : unmanaged, IMatrixShape
        where TTile : unmanaged, IRegisterTile
        where TBlock : unmanaged, IWeightBlock<TBlock>
    {
        var left = SharedMemory.Allocate<float>(TileProduct.LeftLength);
        var right = SharedMemory.Allocate<float>(TileProduct.RightLength);
        var value = SharedMemory.Allocate<float>(16 * ColumnStride);
        var index = SharedMemory.Allocate<int>(16 * ColumnStride);
        var cluster = plan[arguments.Cluster];
        var height = ForwardTiles<TTile, TBlock>.Height;
        var tiles = new ForwardTiles<TTile, TBlock>(inputs, 0, cluster.Count, weights, shape.Rows, shape.Columns);
        var strips = Sizes.Tiles(tiles.ColumnTiles, arguments.TilesPerStrip);
        for (var item = Grid.IdxX; item < tiles.RowTiles * strips; item += Grid.DimX)
        {
            var row = item % tiles.RowTiles * height;
            var strip = item / tiles.RowTiles;
            var top = float.NegativeInfinity;
            var total = 0f;
            var bestValue = float.NegativeInfinity;
            var bestIndex = int.MaxValue;
            var end = XMath.Min((strip + 1) * arguments.TilesPerStrip, tiles.ColumnTiles);
            for (var columnTile = strip * arguments.TilesPerStrip; columnTile < end; columnTile++)
            {
                var column = columnTile * TileProduct.Columns;
                var tile = tiles.Multiply(left, right, row, column);
                var epilogue = new BestEpilogue
                {
                    Logits = tiles.Biased(bias, arguments.HasBias, column),
                    Clusters = clusters,
                    Maximum = left,
                    Sum = right,
                    Value = value,
                    Index = index,
                    TokenRows = arguments.TokenRows,
                    Capacity = arguments.Capacity,
                    FirstRow = row,
                    Rows = cluster.Count,
                };
                tile.ForEachRow(epilogue, Group.IdxX >> 4);
                Group.Barrier();
                if (Group.IdxX < height)
                {
                    for (var x = 0; x < 16; x++)
                    {
                        var at = (x * ColumnStride) + Group.IdxX;
                        RowMath.Combine(ref top, ref total, left[at], right[at]);
                        Improve(ref bestValue, ref bestIndex, value[at], index[at]);
                    }
                }

                Group.Barrier();
            }

            if (Group.IdxX < height && row + Group.IdxX < cluster.Count)
            {
                var at = ((long)strip * arguments.Capacity) + row + Group.IdxX;
                maximum[at] = top;
                sum[at] = total;
                best[at] = bestValue;
                bestRow[at] = bestIndex;
            }
        }
    }

    /// <summary>After <see cref="Best"/> of the head: each token's best log-prob and slot, and its clusters' log-probs.</summary>
    public static void FinishHead(
        ArrayView<BatchPlan> plan, ArrayView<float> maximum, ArrayView<float> sum, ArrayView<float> best, ArrayView<int> bestRow,
        ArrayView<float> clusters, ArrayView<float> score, ArrayView<int> slot, int strips, int clusterCount, int capacity)
    {
        for (var token = Grid.GlobalIndex.X; token < plan[0].Count; token += Grid.DimX * Group.DimX)
        {
            var logSumExp = FinishRow(token, maximum, sum, best, bestRow, strips, capacity, out var value, out var row);
            // No branches: behind a loop ILGPU would take the condition for the same in all of a warp.
            score[token] = Utilities.Select(FloatBits.IsFinite(logSumExp), value - logSumExp, Unbeaten);
            slot[token] = Utilities.Select(FloatBits.IsFinite(logSumExp), row, Fault(0));
            for (var cluster = 0; cluster < clusterCount; cluster++)
            {
                var at = ((long)cluster * capacity) + token;
                clusters[at] = Utilities.Select(FloatBits.IsFinite(logSumExp), clusters[at] - logSumExp, -Unbeaten);
            }
        }
    }

    /// <summary>After <see cref="Best"/> of a tail: takes its token where that is better than the best so far.</summary>
    public static void FinishTail(
        ArrayView<BatchPlan> plan, ArrayView<int> members, ArrayView<float> maximum, ArrayView<float> sum, ArrayView<float> best, ArrayView<int> bestRow,
        ArrayView<float> clusters, ArrayView<float> score, ArrayView<int> slot, int strips, int start, int cluster, int capacity)
    {
        for (var i = Grid.GlobalIndex.X; i < plan[cluster].Count; i += Grid.DimX * Group.DimX)
        {
            var token = members[i];
            var logSumExp = FinishRow(i, maximum, sum, best, bestRow, strips, capacity, out var value, out var row);
            var candidate = value - logSumExp + clusters[((long)(cluster - 1) * capacity) + token];
            var isFaulty = !FloatBits.IsFinite(logSumExp);
            candidate = Utilities.Select(isFaulty, Unbeaten, candidate);
            if (isFaulty | candidate > score[token])
            {
                score[token] = candidate;
                slot[token] = Utilities.Select(isFaulty, Fault(cluster), start + row);
            }
        }
    }

    /// <summary>
    /// The tokens that a tail can still win, ascending: its own log-prob bounds that of each of its tokens. Of equal
    /// log-probs the lower slot counts, so that a tail has to be better than what comes before. One group.
    /// </summary>
    public static void Select(ArrayView<BatchPlan> plan, ArrayView<float> clusters, ArrayView<float> score, ArrayView<int> members, int cluster, int capacity)
    {
        var counts = SharedMemory.Allocate<int>(TileProduct.GroupSize);
        var tokens = plan[0].Count;
        var share = Sizes.Tiles(tokens, TileProduct.GroupSize);
        var first = Group.IdxX * share;
        var end = XMath.Min(first + share, tokens);
        var start = (long)(cluster - 1) * capacity;
        var count = 0;
        for (var token = first; token < end; token++)
        {
            if (clusters[start + token] > score[token]) count++;
        }

        counts[Group.IdxX] = count;
        Group.Barrier();
        var at = BatchKernels.StartOfShare(counts, out var total);
        for (var token = first; token < end; token++)
        {
            if (clusters[start + token] > score[token] && at < total) members[at++] = token;
        }

        if (Group.IdxX == 0)
        {
            BatchPlan result = default;
            result.Count = total;
            plan[cluster] = result;
        }
    }

    /// <summary>Token ids of slots, −1 for faults.</summary>
    public static void Identify(ArrayView<int> slots, ArrayView<int> ids, ArrayView<int> tokens, int count)
    {
        for (var i = Grid.GlobalIndex.X; i < count; i += Grid.DimX * Group.DimX) tokens[i] = IdOf(slots[i], ids);
    }

    /// <summary>The id of the token in a slot; −1 for a fault.</summary>
    public static int IdOf(int slot, ArrayView<int> ids)
    {
        var id = -1;
        if (slot >= 0 && slot < ids.IntLength) id = ids[slot];
        return id;
    }

    /// <summary>What stands in the place of a slot where a logit of a cluster is not finite.</summary>
    public static int Fault(int cluster) => -1 - cluster;

    /// <summary>
    /// The log-sum-exp of each token from its strips. Notes the tokens for which a cluster's is not finite; the head, which comes
    /// first, forgets those of the call before.
    /// </summary>
    public static void SumStrips(ArrayView<float> maximum, ArrayView<float> sum, ArrayView<float> logSumExp, ArrayView<int> slots, int cluster, int strips, int count)
    {
        for (var i = Grid.GlobalIndex.X; i < count; i += Grid.DimX * Group.DimX)
        {
            var top = float.NegativeInfinity;
            var total = 0f;
            for (var strip = 0; strip < strips; strip++)
            {
                var at = ((long)strip * count) + i;
                RowMath.Combine(ref top, ref total, maximum[at], sum[at]);
            }

            logSumExp[i] = top + XMath.Log(total);
            var slot = Utilities.Select(FloatBits.IsFinite(logSumExp[i]), 0, Fault(cluster));
            if (cluster > 0) slot = Utilities.Select(slots[i] < 0, slots[i], slot);
            slots[i] = slot;
        }
    }

    /// <summary>NaN for all log-probs of tokens with a fault.</summary>
    public static void EraseFaults(ArrayView<int> slots, ArrayView<float> logProbs, int vocabulary)
    {
        for (long i = Grid.GlobalLinearIndex; i < logProbs.Length; i += (long)Grid.DimX * Group.DimX)
        {
            if (slots[i / vocabulary] < 0) logProbs[i] = float.NaN;
        }
    }

    private static float FinishRow(
        int row, ArrayView<float> maximum, ArrayView<float> sum, ArrayView<float> best, ArrayView<int> bestRow, int strips, int capacity, out float value, out int index)
    {
        var top = float.NegativeInfinity;
        var total = 0f;
        value = float.NegativeInfinity;
        index = int.MaxValue;
        for (var strip = 0; strip < strips; strip++)
        {
            var at = ((long)strip * capacity) + row;
            RowMath.Combine(ref top, ref total, maximum[at], sum[at]);
            Improve(ref value, ref index, best[at], bestRow[at]);
        }

        return top + XMath.Log(total);
    }

    private static void Improve(ref float value, ref int index, float other, int otherIndex)
    {
        if (other > value || (other == value && otherIndex < index))
        {
            value = other;
            index = otherIndex;
        }
    }

    private struct BestEpilogue : IRowEpilogue
    {
        public BiasedColumns Logits;
        public ArrayView<float> Clusters;
        public ArrayView<float> Maximum;
        public ArrayView<float> Sum;
        public ArrayView<float> Value;
        public ArrayView<int> Index;
        public int TokenRows;
        public int Capacity;
        public int FirstRow;
        public int Rows;

        public readonly void Row(int row, RowSums sums)
        {
            sums = Logits.ApplyChecked(sums);
            var top = RowMath.Max(sums);
            var at = ((Group.IdxX & 15) * ColumnStride) + row;
            Maximum[at] = top;
            Sum[at] = top > float.NegativeInfinity ? RowMath.SumExp(sums, top) : 0f;
            var value = float.NegativeInfinity;
            var index = int.MaxValue;
            var column = Logits.Column;
            One(row, column, sums.Left.X, ref value, ref index);
            One(row, column + 1, sums.Left.Y, ref value, ref index);
            One(row, column + 2, sums.Left.Z, ref value, ref index);
            One(row, column + 3, sums.Left.W, ref value, ref index);
            One(row, column + 64, sums.Right.X, ref value, ref index);
            One(row, column + 65, sums.Right.Y, ref value, ref index);
            One(row, column + 66, sums.Right.Z, ref value, ref index);
            One(row, column + 67, sums.Right.W, ref value, ref index);
            Value[at] = value;
            Index[at] = index;
        }

        private readonly void One(int row, int column, float logit, ref float value, ref int index)
        {
            if (column < TokenRows)
            {
                if (logit > value)
                {
                    value = logit;
                    index = column;
                }
            }
            else if (column < Logits.Rows && FirstRow + row < Rows)
            {
                Clusters[((long)(column - TokenRows) * Capacity) + FirstRow + row] = logit;
            }
        }
    }
}
