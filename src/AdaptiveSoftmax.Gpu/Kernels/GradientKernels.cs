using ILGPU;
using ILGPU.Algorithms;
using ILGPU.Runtime;

namespace AdaptiveSoftmax.Gpu.Kernels;

/// <summary>
/// The backward products. The logits of a chunk of weight rows, those that the forward pass kept or computed again, are
/// turned into their gradient D = softmax · Σ c − c (c the weights of the loss) and stored; from D follow the gradients of weight, bias and input.
/// Every value of a result is summed by one thread in a fixed order.
/// </summary>
internal static class GradientKernels
{
    /// <summary>D of one chunk of each cluster, [tokens, chunk rows], 0 in columns that the weight does not have.</summary>
    public static void Logits<TTile>(
        ArrayView<Float4> inputs, ViewGroup<Float4> weights, ArrayView<float> bias, ArrayView<BatchPlan> plan, ArrayView<ClusterSizes> sizes,
        ArrayView<int> targetRows, ArrayView<float> logSumExp, ArrayView<float> tokenWeights, ArrayView<float> groupSizes,
        ArrayView<Float4> gradient, ClusterArguments arguments, LossWeights loss)
        where TTile : unmanaged, IRegisterTile
    {
        var left = SharedMemory.Allocate<float>(TileProduct.LeftLength);
        var right = SharedMemory.Allocate<float>(TileProduct.RightLength);
        var tiles = new ClusterTiles<TTile>(inputs, weights, plan, sizes, arguments);
        var items = new ClusterItems<ChunkWork<TTile>>(plan, sizes, arguments);
        for (var found = items.First(); items.Exists(found); found = items.Next(found))
        {
            var row = tiles.Row(found);
            var column = tiles.Column(found) * TileProduct.Columns;
            var chunk = plan[arguments.First + found.Index].FirstRow(arguments.Pass, sizes[arguments.First + found.Index].Rows);
            var tile = tiles.Multiply(left, right, found.Index, row, chunk + column);
            var cluster = plan[arguments.First + found.Index];
            var size = sizes[arguments.First + found.Index];
            column += 4 * (Group.IdxX & 15);
            var epilogue = new LogitEpilogue
            {
                Logits = new BiasedColumns(bias, arguments.HasBias, cluster.FirstRow(arguments.Pass, size.Rows) + column, size.Rows),
                Rule = new LogitRule(loss, targetRows, logSumExp, groupSizes, tokenWeights, size.Rows, size.TokenRows),
                Gradient = gradient,
                Offset = (cluster.Logits + ((long)row * cluster.ChunkRows) + column) / 4,
                First = cluster.First + row,
                Rows = cluster.Count - row,
                Stride = cluster.ChunkRows / 4,
            };
            tile.ForEachRow(epilogue, Group.IdxX >> 4);
        }
    }

    /// <summary>D of each cluster's first chunk, in the place of the logits that the forward pass kept, [tokens, chunk rows].</summary>
    public static void Kept(
        ArrayView<Float4> logits, ArrayView<BatchPlan> plan, ArrayView<ClusterSizes> sizes, ArrayView<int> targetRows, ArrayView<float> logSumExp,
        ArrayView<float> tokenWeights, ArrayView<float> groupSizes, ClusterArguments arguments, LossWeights loss)
    {
        var items = new ClusterItems<KeptWork>(plan, sizes, arguments);
        for (var found = items.First(); items.Exists(found); found = items.Next(found))
        {
            var cluster = plan[arguments.First + found.Index];
            var size = sizes[arguments.First + found.Index];
            var rule = new LogitRule(loss, targetRows, logSumExp, groupSizes, tokenWeights, size.Rows, size.TokenRows);
            var fours = cluster.ChunkRows / 4;
            var row = found.Item / KeptWork.Blocks(cluster);
            var first = found.Item % KeptWork.Blocks(cluster) * KeptWork.Fours;
            var token = rule.Token(cluster.First + row);
            var end = XMath.Min(first + KeptWork.Fours, fours);
            for (var i = first + Group.IdxX; i < end; i += TileProduct.GroupSize)
            {
                var at = (cluster.Logits / 4) + ((long)row * fours) + i;
                logits[at] = rule.Gradient(token, logits[at], 4 * i);
            }
        }
    }

    /// <summary>The gradient of each cluster's input, D · weight, added up over chunks: [tokens, stride], or shares of it.</summary>
    public static void Input<TTile>(
        ArrayView<Float4> gradient, ViewGroup<Float4> weights, ArrayView<BatchPlan> plan, ArrayView<ClusterSizes> sizes,
        ArrayView<Float4> inputGradient, ArrayView<Float4> shares, ClusterArguments arguments)
        where TTile : unmanaged, IRegisterTile
    {
        var left = SharedMemory.Allocate<float>(TileProduct.LeftLength);
        var right = SharedMemory.Allocate<float>(TileProduct.RightLength);
        var height = default(TTile).GroupRows;
        var items = new ClusterItems<InputWork<TTile>>(plan, sizes, arguments);
        for (var found = items.First(); items.Exists(found); found = items.Next(found))
        {
            var cluster = plan[arguments.First + found.Index];
            var size = sizes[arguments.First + found.Index];
            var source = OutputGradient.Of(cluster, size, arguments);
            var stride = Sizes.Stride(size.Columns);
            var rowTiles = Sizes.Tiles(cluster.Count, height);
            var columnTiles = Sizes.Tiles(size.Columns, TileProduct.Columns);
            var row = found.Item % rowTiles * height;
            var column = found.Item / rowTiles % columnTiles * TileProduct.Columns;
            var split = found.Item / rowTiles / columnTiles;
            var share = Sizes.Stride(Sizes.Tiles(source.Rows, source.Splits));
            var depths = XMath.Min(share, source.Rows - (split * share));
            var a = new RowOperand(gradient, (source.Offset + (split * share)) / 4, cluster.Count, source.Stride);
            var b = new DepthOperand(weights.FoursAt(found.Index), ((long)source.FirstRow + (split * share)) * stride / 4, depths, stride);
            var tile = TileProduct.Multiply<TTile, RowOperand, DepthOperand>(a, b, left, right, row, column, depths);
            cluster = plan[arguments.First + found.Index];
            stride = Sizes.Stride(sizes[arguments.First + found.Index].Columns);
            var isShare = arguments.OutputPitch == 0 && cluster.Splits > 1;
            var first = isShare ? cluster.Shares + ((long)split * cluster.Count * stride) : (long)cluster.First * arguments.InputPitch;
            var epilogue = new StoreEpilogue
            {
                Result = (isShare ? shares : inputGradient).AsAligned16(),
                Offset = (first + ((long)row * stride)) / 4,
                Rows = cluster.Count - row,
                Column = column + (4 * (Group.IdxX & 15)),
                Columns = stride,
                Stride = stride,
                Accumulate = arguments.Accumulate != 0 || arguments.Pass > 0 ? 1 : 0,
            };
            tile.ForEachRow(epilogue, Group.IdxX >> 4);
        }
    }

    /// <summary>Adds the shares of <see cref="Input"/> in their order, after the last chunk.</summary>
    public static void AddShares(
        ArrayView<Float4> shares, ArrayView<BatchPlan> plan, ArrayView<ClusterSizes> sizes, ArrayView<Float4> inputGradient, ClusterArguments arguments)
    {
        for (var index = arguments.First; index < arguments.First + arguments.Count; index++)
        {
            var cluster = plan[index];
            var fours = cluster.Splits > 1 ? (long)cluster.Count * Sizes.Stride(sizes[index].Columns) / 4 : 0;
            var first = (long)cluster.First * arguments.InputPitch / 4;
            for (long i = Grid.GlobalLinearIndex; i < fours; i += (long)Grid.DimX * Group.DimX)
            {
                Float4 sum = default;
                for (var split = 0; split < cluster.Splits; split++) sum = Add(sum, shares[(cluster.Shares / 4) + (split * fours) + i]);
                inputGradient[first + i] = sum;
            }
        }
    }

    /// <summary>The gradient of each cluster's weight, Dᵀ · inputs: a chunk of its rows, [rows, stride].</summary>
    /// <param name="gradient">D.</param>
    /// <param name="inputs">[tokens, stride].</param>
    /// <param name="plan">The plan of each cluster.</param>
    /// <param name="sizes">The sizes of each cluster's weight.</param>
    /// <param name="weightGradients">Receive or add to the gradients.</param>
    /// <param name="states">Each weight's <see cref="ParameterState"/>: whether there is a gradient to add to.</param>
    /// <param name="arguments">The clusters, and sizes.</param>
    public static void Weight<TTile>(
        ArrayView<Float4> gradient, ArrayView<Float4> inputs, ArrayView<BatchPlan> plan, ArrayView<ClusterSizes> sizes,
        ViewGroup<Float4> weightGradients, ViewGroup<int> states, ClusterArguments arguments)
        where TTile : unmanaged, IRegisterTile
    {
        var left = SharedMemory.Allocate<float>(TileProduct.LeftLength);
        var right = SharedMemory.Allocate<float>(TileProduct.RightLength);
        var height = default(TTile).GroupRows;
        var items = new ClusterItems<WeightWork<TTile>>(plan, sizes, arguments);
        for (var found = items.First(); items.Exists(found); found = items.Next(found))
        {
            var cluster = plan[arguments.First + found.Index];
            var size = sizes[arguments.First + found.Index];
            var source = OutputGradient.Of(cluster, size, arguments);
            var rowTiles = Sizes.Tiles(source.Rows, height);
            var row = found.Item % rowTiles * height;
            var column = found.Item / rowTiles * TileProduct.Columns;
            var a = new DepthOperand(gradient, source.Offset / 4, cluster.Count, source.Stride);
            var b = new DepthOperand(inputs, (long)cluster.First * arguments.InputPitch / 4, cluster.Count, Sizes.Stride(size.Columns));
            var tile = TileProduct.Multiply<TTile, DepthOperand, DepthOperand>(a, b, left, right, row, column, cluster.Count);
            size = sizes[arguments.First + found.Index];
            source = OutputGradient.Of(plan[arguments.First + found.Index], size, arguments);
            var stride = Sizes.Stride(size.Columns);
            var epilogue = new StoreEpilogue
            {
                Result = weightGradients.FoursAt(found.Index),
                Offset = (long)(source.FirstRow + row) * stride / 4,
                Rows = source.Rows - row,
                Column = column + (4 * (Group.IdxX & 15)),
                Columns = stride,
                Stride = stride,
                Accumulate = states.At(found.Index)[ParameterState.HasGradient],
            };
            tile.ForEachRow(epilogue, Group.IdxX >> 4);
        }
    }

    /// <summary>The gradient of a cluster's bias, Σ D over the tokens: a chunk of its rows.</summary>
    public static void Bias(
        ArrayView<float> gradient, ArrayView<BatchPlan> plan, ArrayView<ClusterSizes> sizes, ArrayView<float> biasGradient, ArrayView<int> state, ClusterArguments arguments)
    {
        const int slices = 8;
        var sums = SharedMemory.Allocate<float>(TileProduct.GroupSize);
        var cluster = plan[arguments.First];
        var source = OutputGradient.Of(cluster, sizes[arguments.First], arguments);
        if (cluster.Count == 0) return;
        int lane = Group.IdxX % 32, slice = Group.IdxX / 32;
        for (var first = Grid.IdxX * 32; first < source.Rows; first += Grid.DimX * 32)
        {
            var sum = 0f;
            if (first + lane < source.Rows)
            {
                for (var token = slice; token < cluster.Count; token += slices) sum += gradient[source.Offset + ((long)token * source.Stride) + first + lane];
            }

            sums[Group.IdxX] = sum;
            Group.Barrier();
            if (slice == 0 && first + lane < source.Rows)
            {
                var at = source.FirstRow + first + lane;
                var total = state[ParameterState.HasGradient] != 0 ? biasGradient[at] : 0f;
                for (var i = 0; i < slices; i++) total += sums[(i * 32) + lane];
                biasGradient[at] = total;
            }

            Group.Barrier();
        }
    }

    private static Float4 Add(Float4 left, Float4 right)
    {
        left.X += right.X;
        left.Y += right.Y;
        left.Z += right.Z;
        left.W += right.W;
        return left;
    }

    private struct LogitEpilogue : IRowEpilogue
    {
        public BiasedColumns Logits;
        public LogitRule Rule;
        public ArrayView<Float4> Gradient;
        public long Offset;
        public int First;
        public int Rows;
        public int Stride;

        public readonly void Row(int row, RowSums sums)
        {
            if (row >= Rows) return;
            sums = Logits.Apply(sums);
            var token = Rule.Token(First + row);
            var at = Offset + ((long)row * Stride);
            Gradient[at] = Rule.Gradient(token, sums.Left, Logits.Column);
            Gradient[at + 16] = Rule.Gradient(token, sums.Right, Logits.Column + 64);
        }
    }
}
