using ILGPU;

namespace AdaptiveSoftmax.Gpu.Kernels;

/// <summary>Forward products whose result is stored.</summary>
internal static class ForwardKernels
{
    /// <summary>inputs · weightᵀ (+ bias) of each cluster, [tokens, stride of the rows], with zeros behind the rows.</summary>
    public static void Store<TTile, TBlock>(
        ArrayView<Float4> inputs, ViewGroup<TBlock> weights, ArrayView<float> bias, ArrayView<BatchPlan> plan, ArrayView<ClusterSizes> sizes,
        ArrayView<Float4> outputs, ClusterArguments arguments)
        where TTile : unmanaged, IRegisterTile
        where TBlock : unmanaged, IWeightBlock<TBlock>
    {
        var left = SharedMemory.Allocate<float>(TileProduct.LeftLength);
        var right = SharedMemory.Allocate<float>(TileProduct.RightLength);
        var tiles = new ClusterTiles<TTile, TBlock>(inputs, weights, plan, sizes, arguments);
        var items = new ClusterItems<StoreWork<TTile>>(plan, sizes, arguments);
        for (var found = items.First(); items.Exists(found); found = items.Next(found))
        {
            var row = tiles.Row(found);
            var column = tiles.Column(found) * TileProduct.Columns;
            var tile = tiles.Multiply(left, right, found.Index, row, column);
            var cluster = plan[arguments.First + found.Index];
            var size = sizes[arguments.First + found.Index];
            var stride = Sizes.Stride(size.Rows);
            var epilogue = new BiasEpilogue
            {
                Store = new StoreEpilogue
                {
                    Result = outputs,
                    Offset = (cluster.OutputOffset(arguments) + ((long)row * stride)) / 4,
                    Rows = cluster.Count - row,
                    Column = column + (4 * (Group.IdxX & 15)),
                    Columns = stride,
                    Stride = stride,
                },
                Bias = bias,
                BiasRows = arguments.HasBias != 0 ? size.Rows : 0,
            };
            tile.ForEachRow(epilogue, Group.IdxX >> 4);
        }
    }

    /// <summary>
    /// Log-probs, [tokens, vocabulary] from a slot on: logit − log-sum-exp + log-prob of the cluster. Rows that stand for
    /// clusters give those clusters' log-probs instead, [clusters, capacity].
    /// </summary>
    public static void LogProbs<TShape, TTile, TBlock>(
        TShape shape, ArrayView<Float4> inputs, ArrayView<TBlock> weights, ArrayView<float> bias, ArrayView<BatchPlan> plan,
        ArrayView<float> logSumExp, ArrayView<float> clusters, ArrayView<float> output, ProductArguments arguments, int start, int vocabulary)
        where TShape : unmanaged, IMatrixShape
        where TTile : unmanaged, IRegisterTile
        where TBlock : unmanaged, IWeightBlock<TBlock>
    {
        var left = SharedMemory.Allocate<float>(TileProduct.LeftLength);
        var right = SharedMemory.Allocate<float>(TileProduct.RightLength);
        var cluster = plan[arguments.Cluster];
        var height = ForwardTiles<TTile, TBlock>.Height;
        var tiles = new ForwardTiles<TTile, TBlock>(inputs, 0, cluster.Count, weights, shape.Rows, shape.Columns);
        for (var item = Grid.IdxX; item < tiles.RowTiles * tiles.ColumnTiles; item += Grid.DimX)
        {
            var row = item % tiles.RowTiles * height;
            var column = item / tiles.RowTiles * TileProduct.Columns;
            var tile = tiles.Multiply(left, right, row, column);
            var epilogue = new LogProbEpilogue
            {
                Logits = tiles.Biased(bias, arguments.HasBias, column),
                LogSumExp = logSumExp,
                Clusters = clusters,
                Output = output,
                Tail = arguments.Cluster - 1,
                TokenRows = arguments.TokenRows,
                Capacity = arguments.Capacity,
                FirstRow = row,
                Rows = cluster.Count,
                Start = start,
                Vocabulary = vocabulary,
            };
            tile.ForEachRow(epilogue, Group.IdxX >> 4);
        }
    }

    /// <summary>A piece is one tile.</summary>
    private readonly struct StoreWork<TTile> : IClusterWork
        where TTile : unmanaged, IRegisterTile
    {
        public int Items(BatchPlan cluster, ClusterSizes sizes, ClusterArguments arguments) => Sizes.Tiles(cluster.Count, default(TTile).GroupRows) * sizes.ColumnTiles;
    }

    private struct BiasEpilogue : IRowEpilogue
    {
        public StoreEpilogue Store;
        public ArrayView<float> Bias;
        public int BiasRows;

        public readonly void Row(int row, RowSums sums)
        {
            var column = Store.Column;
            sums.Left.X += At(column);
            sums.Left.Y += At(column + 1);
            sums.Left.Z += At(column + 2);
            sums.Left.W += At(column + 3);
            sums.Right.X += At(column + 64);
            sums.Right.Y += At(column + 65);
            sums.Right.Z += At(column + 66);
            sums.Right.W += At(column + 67);
            Store.Row(row, sums);
        }

        private readonly float At(int column)
        {
            var value = 0f;
            if (column < BiasRows) value = Bias[column];
            return value;
        }
    }

    private struct LogProbEpilogue : IRowEpilogue
    {
        public BiasedColumns Logits;
        public ArrayView<float> LogSumExp;
        public ArrayView<float> Clusters;
        public ArrayView<float> Output;
        public int Tail;
        public int TokenRows;
        public int Capacity;
        public int FirstRow;
        public int Rows;
        public int Start;
        public int Vocabulary;

        public readonly void Row(int row, RowSums sums)
        {
            row += FirstRow;
            if (row >= Rows) return;
            sums = Logits.Apply(sums);
            var logSumExp = LogSumExp[row];
            var tail = 0f;
            if (Tail >= 0) tail = Clusters[((long)Tail * Capacity) + row];
            var column = Logits.Column;
            One(row, column, sums.Left.X, logSumExp, tail);
            One(row, column + 1, sums.Left.Y, logSumExp, tail);
            One(row, column + 2, sums.Left.Z, logSumExp, tail);
            One(row, column + 3, sums.Left.W, logSumExp, tail);
            One(row, column + 64, sums.Right.X, logSumExp, tail);
            One(row, column + 65, sums.Right.Y, logSumExp, tail);
            One(row, column + 66, sums.Right.Z, logSumExp, tail);
            One(row, column + 67, sums.Right.W, logSumExp, tail);
        }

        private readonly void One(int row, int column, float logit, float logSumExp, float tail)
        {
            if (column >= Logits.Rows) return;
            var logProb = logit - logSumExp + tail;
            if (column < TokenRows) Output[((long)row * Vocabulary) + Start + column] = logProb;
            else Clusters[((long)(column - TokenRows) * Capacity) + row] = logProb;
        }
    }
}
