using ILGPU;
using ILGPU.Algorithms;
using ILGPU.Runtime;

namespace AdaptiveSoftmax.Gpu.Kernels;

/// <summary>
/// The backward products: from the gradient D of a product's outputs, which are logits of a chunk or projected vectors, follow
/// those of weight, bias and input. Every value of a result is summed by one thread in a fixed order.
/// </summary>
internal static class GradientKernels
{
    /// <summary>The gradient of each cluster's input, D · weight: [tokens, stride], or sums over parts of the depth, [splits, tokens, stride].</summary>
    public static void Input<TTile>(
        ArrayView<Float4> gradient, ViewGroup<Float4> weights, ArrayView<BatchPlan> plan, ArrayView<ClusterSizes> sizes,
        ArrayView<Float4> inputGradient, ArrayView<Float4> splitSums, ClusterArguments arguments)
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
            var stride = Sizes.Stride(size.Columns);
            var rowTiles = Sizes.Tiles(cluster.Count, height);
            var columnTiles = Sizes.Tiles(size.Columns, TileProduct.Columns);
            var row = found.Item % rowTiles * height;
            var column = found.Item / rowTiles % columnTiles * TileProduct.Columns;
            var split = found.Item / rowTiles / columnTiles;
            var most = Sizes.Stride(Sizes.Tiles(size.Rows, InputWork<TTile>.Splits(cluster, arguments)));
            var depths = XMath.Min(most, size.Rows - (split * most));
            var a = new RowOperand<Float4>(gradient, (cluster.OutputOffset(arguments) + (split * most)) / 4, cluster.Count, Sizes.Stride(size.Rows));
            var b = new DepthOperand(weights.BlocksAt(found.Index), (long)split * most * stride / 4, depths, stride);
            var tile = TileProduct.Multiply<TTile, RowOperand<Float4>, DepthOperand>(a, b, left, right, row, column, depths);
            cluster = plan[arguments.First + found.Index];
            stride = Sizes.Stride(sizes[arguments.First + found.Index].Columns);
            var isSplit = InputWork<TTile>.Splits(cluster, arguments) > 1;
            var first = isSplit ? cluster.SplitSums + ((long)split * cluster.Count * stride) : cluster.InputOffset(arguments, stride);
            var epilogue = new StoreEpilogue
            {
                Result = (isSplit ? splitSums : inputGradient).AsAligned16(),
                Offset = (first + ((long)row * stride)) / 4,
                Rows = cluster.Count - row,
                Column = column + (4 * (Group.IdxX & 15)),
                Columns = stride,
                Stride = stride,
                Accumulate = arguments.Accumulate,
            };
            tile.ForEachRow(epilogue, Group.IdxX >> 4);
        }
    }

    /// <summary>Adds the split sums of <see cref="Input"/> in their order.</summary>
    public static void AddSplits(
        ArrayView<Float4> splitSums, ArrayView<BatchPlan> plan, ArrayView<ClusterSizes> sizes, ArrayView<Float4> inputGradient, ClusterArguments arguments)
    {
        for (var index = 0; index < arguments.Count; index++)
        {
            var cluster = plan[arguments.First + index];
            var stride = Sizes.Stride(sizes[arguments.First + index].Columns);
            var fours = cluster.Splits > 1 ? (long)cluster.Count * stride / 4 : 0;
            var first = cluster.InputOffset(arguments, stride) / 4;
            for (long i = Grid.GlobalLinearIndex; i < fours; i += (long)Grid.DimX * Group.DimX)
            {
                Float4 sum = default;
                for (var split = 0; split < cluster.Splits; split++) sum = Add(sum, splitSums[(cluster.SplitSums / 4) + (split * fours) + i]);
                inputGradient[first + i] = sum;
            }
        }
    }

    /// <summary>The gradient of each cluster's weight, Dᵀ · inputs, [rows, stride]: added to that of the chunks before.</summary>
    /// <param name="gradient">D.</param>
    /// <param name="inputs">[tokens, stride].</param>
    /// <param name="plan">The plan of each cluster.</param>
    /// <param name="sizes">The sizes of each cluster's weight.</param>
    /// <param name="weightGradients">Receive or add to the gradients.</param>
    /// <param name="states">Each weight's <see cref="ParameterState"/>: whether an earlier call left a gradient to add to.</param>
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
        var number = Grid.IdxX;
        for (var found = items.Find(number); items.Exists(found); found = items.Find(number))
        {
            var cluster = plan[arguments.First + found.Index];
            var size = sizes[arguments.First + found.Index];
            var rowTiles = Sizes.Tiles(size.Rows, height);
            var row = found.Item % rowTiles * height;
            var column = found.Item / rowTiles * TileProduct.Columns;
            var a = new DepthOperand(gradient, cluster.OutputOffset(arguments) / 4, cluster.Count, Sizes.Stride(size.Rows));
            var b = new DepthOperand(inputs, cluster.InputOffset(arguments, Sizes.Stride(size.Columns)) / 4, cluster.Count, Sizes.Stride(size.Columns));
            var tile = TileProduct.Multiply<TTile, DepthOperand, DepthOperand>(a, b, left, right, row, column, cluster.Count);

            // Kept over the product is the piece's number alone: with more, two groups would not have the registers.
            found = items.Find(number);
            number += Grid.DimX;
            size = sizes[arguments.First + found.Index];
            rowTiles = Sizes.Tiles(size.Rows, height);
            row = found.Item % rowTiles * height;
            column = found.Item / rowTiles * TileProduct.Columns;
            var stride = Sizes.Stride(size.Columns);
            var epilogue = new StoreEpilogue
            {
                Result = weightGradients.BlocksAt(found.Index),
                Offset = (long)row * stride / 4,
                Rows = size.Rows - row,
                Column = column + (4 * (Group.IdxX & 15)),
                Columns = stride,
                Stride = stride,
                Accumulate = states.At(found.Index)[ParameterState.HasGradient] | plan[arguments.First + found.Index].Before,
            };
            tile.ForEachRow(epilogue, Group.IdxX >> 4);
        }
    }

    /// <summary>The gradient of a cluster's bias, Σ D over the tokens: added to that of the chunks before.</summary>
    public static void Bias(
        ArrayView<float> gradient, ArrayView<BatchPlan> plan, ArrayView<ClusterSizes> sizes, ArrayView<float> biasGradient, ArrayView<int> state, ClusterArguments arguments)
    {
        const int slices = 8;
        var sums = SharedMemory.Allocate<float>(TileProduct.GroupSize);
        var cluster = plan[arguments.First];
        var rows = sizes[arguments.First].Rows;
        var stride = Sizes.Stride(rows);
        var offset = cluster.OutputOffset(arguments);
        if (cluster.Count == 0) return;
        int lane = Group.IdxX % 32, slice = Group.IdxX / 32;
        for (var first = Grid.IdxX * 32; first < rows; first += Grid.DimX * 32)
        {
            var sum = 0f;
            if (first + lane < rows)
            {
                for (var token = slice; token < cluster.Count; token += slices) sum += gradient[offset + ((long)token * stride) + first + lane];
            }

            sums[Group.IdxX] = sum;
            Group.Barrier();
            if (slice == 0 && first + lane < rows)
            {
                var total = (state[ParameterState.HasGradient] | cluster.Before) != 0 ? biasGradient[first + lane] : 0f;
                for (var i = 0; i < slices; i++) total += sums[(i * 32) + lane];
                biasGradient[first + lane] = total;
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
}
