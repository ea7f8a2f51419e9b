using ILGPU;
using ILGPU.Algorithms;

namespace AdaptiveSoftmax.Gpu.Kernels;

/// <summary>
/// The forward product of head or tail output. A group keeps the running maximum and the sum of exponentials of its rows
/// over a strip of columns; of the logits themselves only the first chunk is stored, if there is a backward pass.
/// </summary>
internal static class LogitKernels
{
    // One more word than rows lets the 16 columns of threads write to different banks.
    private const int ColumnStride = 128 + 1;

    /// <summary>For each of the clusters' tokens and each strip: the maximum of the logits and the sum of exp(logit − maximum).</summary>
    /// <param name="inputs">The inputs in the order by cluster, [tokens, stride].</param>
    /// <param name="weights">The weight of each cluster, [rows, stride].</param>
    /// <param name="bias">[rows], if there is one.</param>
    /// <param name="plan">The plan of each cluster.</param>
    /// <param name="sizes">The sizes of each cluster's weight.</param>
    /// <param name="targetRows">The row of each token's target, [tokens]; −1 for none.</param>
    /// <param name="targetLogits">Receives the target's logit, [tokens].</param>
    /// <param name="maximum">Receives [strips, capacity].</param>
    /// <param name="sum">Receives [strips, capacity].</param>
    /// <param name="kept">Receives the logits of each cluster's first chunk, [tokens, chunk rows], if they are to be kept.</param>
    /// <param name="arguments">The clusters, and sizes.</param>
    public static void Reduce<TTile>(
        ArrayView<Float4> inputs, ViewGroup<Float4> weights, ArrayView<float> bias, ArrayView<BatchPlan> plan, ArrayView<ClusterSizes> sizes,
        ArrayView<int> targetRows, ArrayView<float> targetLogits, ArrayView<float> maximum, ArrayView<float> sum, ArrayView<Float4> kept, ClusterArguments arguments)
        where TTile : unmanaged, IRegisterTile
    {
        var left = SharedMemory.Allocate<float>(TileProduct.LeftLength);
        var right = SharedMemory.Allocate<float>(TileProduct.RightLength);
        var height = ForwardTiles<TTile>.Height;
        var tiles = new ClusterTiles<TTile>(inputs, weights, plan, sizes, arguments);
        var items = new ClusterItems<StripWork<TTile>>(plan, sizes, arguments);
        for (var found = items.First(); items.Exists(found); found = items.Next(found))
        {
            var columnTile = tiles.Column(found) * sizes[arguments.First + found.Index].TilesPerStrip;
            var top = float.NegativeInfinity;
            var total = 0f;
            for (; columnTile < tiles.EndOfStrip(found); columnTile++)
            {
                var column = columnTile * TileProduct.Columns;
                var tile = tiles.Multiply(left, right, found.Index, tiles.Row(found), column);
                var row = tiles.Row(found);
                var planned = plan[arguments.First + found.Index];
                var epilogue = new ReduceEpilogue
                {
                    Logits = new BiasedColumns(bias, arguments.HasBias, column + (4 * (Group.IdxX & 15)), sizes[arguments.First + found.Index].Rows),
                    TargetRows = targetRows,
                    TargetLogits = targetLogits,
                    Maximum = left,
                    Sum = right,
                    First = planned.First + row,
                    Rows = planned.Count - row,
                    Kept = kept,
                    KeptOffset = (planned.Logits + ((long)row * planned.ChunkRows)) / 4,
                    KeptStride = arguments.KeepsLogits != 0 && column < planned.ChunkRows ? planned.ChunkRows : 0,
                };
                tile.ForEachRow(epilogue, Group.IdxX >> 4);
                Group.Barrier();
                if (Group.IdxX < height)
                {
                    for (var x = 0; x < 16; x++)
                        Combine(ref top, ref total, left[(x * ColumnStride) + Group.IdxX], right[(x * ColumnStride) + Group.IdxX]);
                }

                Group.Barrier();
            }

            var cluster = plan[arguments.First + found.Index];
            var token = tiles.Row(found) + Group.IdxX;
            if (Group.IdxX < height && token < cluster.Count)
            {
                var at = ((long)tiles.Column(found) * arguments.Capacity) + cluster.First + token;
                maximum[at] = top;
                sum[at] = total;
            }
        }
    }

    /// <summary>The sum of each token's logits, weighted as label smoothing weighs the rows; [strips, capacity].</summary>
    public static void Sum<TTile>(
        ArrayView<Float4> inputs, ViewGroup<Float4> weights, ArrayView<float> bias, ArrayView<BatchPlan> plan, ArrayView<ClusterSizes> sizes,
        ArrayView<float> groupSizes, ArrayView<float> sum, ClusterArguments arguments)
        where TTile : unmanaged, IRegisterTile
    {
        var left = SharedMemory.Allocate<float>(TileProduct.LeftLength);
        var right = SharedMemory.Allocate<float>(TileProduct.RightLength);
        var height = ForwardTiles<TTile>.Height;
        var tiles = new ClusterTiles<TTile>(inputs, weights, plan, sizes, arguments);
        var items = new ClusterItems<StripWork<TTile>>(plan, sizes, arguments);
        for (var found = items.First(); items.Exists(found); found = items.Next(found))
        {
            var columnTile = tiles.Column(found) * sizes[arguments.First + found.Index].TilesPerStrip;
            var total = 0f;
            for (; columnTile < tiles.EndOfStrip(found); columnTile++)
            {
                var column = columnTile * TileProduct.Columns;
                var tile = tiles.Multiply(left, right, found.Index, tiles.Row(found), column);
                var row = tiles.Row(found);
                var epilogue = new SumEpilogue
                {
                    Logits = new BiasedColumns(bias, arguments.HasBias, column + (4 * (Group.IdxX & 15)), sizes[arguments.First + found.Index].Rows),
                    GroupSizes = groupSizes,
                    TokenRows = sizes[arguments.First + found.Index].TokenRows,
                    Sum = left,
                };
                tile.ForEachRow(epilogue, Group.IdxX >> 4);
                Group.Barrier();
                if (Group.IdxX < height)
                {
                    for (var x = 0; x < 16; x++) total += left[(x * ColumnStride) + Group.IdxX];
                }

                Group.Barrier();
            }

            var cluster = plan[arguments.First + found.Index];
            var token = tiles.Row(found) + Group.IdxX;
            if (Group.IdxX < height && token < cluster.Count) sum[((long)tiles.Column(found) * arguments.Capacity) + cluster.First + token] = total;
        }
    }

    /// <summary>Combines two pairs of maximum and sum of exponentials; an empty pair is (−∞, 0).</summary>
    public static void Combine(ref float top, ref float total, float otherTop, float otherTotal)
    {
        if (otherTop > top)
        {
            total = (total * XMath.Exp(top - otherTop)) + otherTotal;
            top = otherTop;
        }
        else if (otherTop > float.NegativeInfinity)
        {
            total += otherTotal * XMath.Exp(otherTop - top);
        }
    }

    /// <summary>A piece is a strip of tiles.</summary>
    private readonly struct StripWork<TTile> : IClusterWork
        where TTile : unmanaged, IRegisterTile
    {
        public int Items(BatchPlan cluster, ClusterSizes sizes, ClusterArguments arguments) => Sizes.Tiles(cluster.Count, ForwardTiles<TTile>.Height) * sizes.Strips;
    }

    private struct ReduceEpilogue : IRowEpilogue
    {
        public BiasedColumns Logits;
        public ArrayView<int> TargetRows;
        public ArrayView<float> TargetLogits;
        public ArrayView<float> Maximum;
        public ArrayView<float> Sum;
        public ArrayView<Float4> Kept;
        public int First;
        public int Rows;
        public long KeptOffset;
        public int KeptStride;

        public readonly void Row(int row, RowSums sums)
        {
            sums = Logits.Apply(sums);
            var top = RowMath.Max(sums);
            var at = ((Group.IdxX & 15) * ColumnStride) + row;
            Maximum[at] = top;
            Sum[at] = top > float.NegativeInfinity ? RowMath.SumExp(sums, top) : 0f;
            if (row >= Rows) return;
            if (KeptStride > 0)
            {
                var fours = KeptOffset + ((((long)row * KeptStride) + Logits.Column) / 4);
                Kept[fours] = sums.Left;
                Kept[fours + 16] = sums.Right;
            }

            var target = TargetRows[First + row] - Logits.Column;
            if ((target >= 0 && target < 4) || (target >= 64 && target < 68))
                TargetLogits[First + row] = RowMath.Select(sums, target);
        }
    }

    private struct SumEpilogue : IRowEpilogue
    {
        public BiasedColumns Logits;
        public ArrayView<float> GroupSizes;
        public ArrayView<float> Sum;
        public int TokenRows;

        public readonly void Row(int row, RowSums sums)
        {
            sums = Logits.Apply(sums);
            var column = Logits.Column;
            Sum[((Group.IdxX & 15) * ColumnStride) + row] =
                Weigh(column, sums.Left.X) + Weigh(column + 1, sums.Left.Y) + Weigh(column + 2, sums.Left.Z) + Weigh(column + 3, sums.Left.W)
                + Weigh(column + 64, sums.Right.X) + Weigh(column + 65, sums.Right.Y) + Weigh(column + 66, sums.Right.Z) + Weigh(column + 67, sums.Right.W);
        }

        private readonly float Weigh(int column, float logit) =>
            column >= Logits.Rows ? 0f : column < TokenRows ? logit : logit * GroupSizes[column - TokenRows];
    }
}
