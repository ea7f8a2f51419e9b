using ILGPU;
using ILGPU.Algorithms;

namespace AdaptiveSoftmax.Gpu.Kernels;

/// <summary>
/// The backward products. The logits of a chunk of weight rows, those that the forward pass kept or computed again, are
/// turned into their gradient D = softmax · Σ c − c (c the weights of the loss) and stored; from D follow the gradients of weight, bias and input.
/// Every value of a result is summed by one thread in a fixed order.
/// </summary>
internal static class GradientKernels
{
    /// <summary>D of one chunk, [tokens, chunk rows], 0 in columns that the weight does not have.</summary>
    public static void Logits<TShape, TTile>(
        TShape shape, ArrayView<Float4> inputs, ArrayView<Float4> weights, ArrayView<float> bias, ArrayView<PartPlan> plan,
        ArrayView<int> targetRows, ArrayView<float> logSumExp, ArrayView<float> tokenWeight, ArrayView<float> groupSizes,
        ArrayView<Float4> gradient, ProductArguments arguments, LossWeights loss)
        where TShape : unmanaged, IMatrixShape
        where TTile : unmanaged, IRegisterTile
    {
        var left = SharedMemory.Allocate<float>(TileProduct.LeftLength);
        var right = SharedMemory.Allocate<float>(TileProduct.RightLength);
        var part = plan[arguments.Part];
        var chunk = part.ChunkRows * arguments.Pass;
        if (chunk >= shape.Rows) return;
        var height = ForwardTiles<TTile>.Height;
        var tiles = new ForwardTiles<TTile>(inputs, part.First, part.Count, weights, shape.Rows, shape.Columns);
        var columnTiles = Sizes.Tiles(XMath.Min(part.ChunkRows, shape.Rows - chunk), TileProduct.Columns);
        for (var item = Grid.IdxX; item < tiles.RowTiles * columnTiles; item += Grid.DimX)
        {
            var row = item % tiles.RowTiles * height;
            var column = item / tiles.RowTiles * TileProduct.Columns;
            var tile = tiles.Multiply(left, right, row, chunk + column);
            var epilogue = new LogitEpilogue
            {
                Logits = tiles.Biased(bias, arguments.HasBias, chunk + column),
                Rule = new LogitRule(loss, targetRows, logSumExp, groupSizes, tokenWeight[0], shape.Rows, arguments.TokenRows),
                Gradient = gradient,
                First = part.First,
                FirstRow = row,
                Rows = part.Count,
                Column = column + (4 * (Group.IdxX & 15)),
                Stride = part.ChunkRows,
            };
            tile.ForEachRow(epilogue, Group.IdxX >> 4);
        }
    }

    /// <summary>D of the first chunk, in the place of the logits that the forward pass kept, [tokens, chunk rows].</summary>
    public static void Kept(
        ArrayView<Float4> logits, ArrayView<PartPlan> plan, ArrayView<int> targetRows, ArrayView<float> logSumExp,
        ArrayView<float> tokenWeight, ArrayView<float> groupSizes, int rows, ProductArguments arguments, LossWeights loss)
    {
        const int foursPerThread = 4;
        var part = plan[arguments.Part];
        var fours = part.ChunkRows / 4;
        var blocks = Sizes.Tiles(fours, foursPerThread * TileProduct.GroupSize);
        var rule = new LogitRule(loss, targetRows, logSumExp, groupSizes, tokenWeight[0], rows, arguments.TokenRows);
        for (var item = Grid.IdxX; item < part.Count * blocks; item += Grid.DimX)
        {
            var row = item / blocks;
            var first = item % blocks * foursPerThread * TileProduct.GroupSize;
            var token = rule.Token(part.First + row);
            var end = XMath.Min(first + (foursPerThread * TileProduct.GroupSize), fours);
            for (var i = first + Group.IdxX; i < end; i += TileProduct.GroupSize)
            {
                var at = ((long)row * fours) + i;
                logits[at] = rule.Gradient(token, logits[at], 4 * i);
            }
        }
    }

    /// <summary>The gradient of the input, D · weight, added up over chunks: [tokens, stride], or shares of it.</summary>
    public static void Input<TShape, TTile>(
        TShape shape, ArrayView<Float4> gradient, ArrayView<Float4> weights, ArrayView<PartPlan> plan,
        ArrayView<Float4> inputGradient, ArrayView<Float4> shares, ProductArguments arguments)
        where TShape : unmanaged, IMatrixShape
        where TTile : unmanaged, IRegisterTile
    {
        var left = SharedMemory.Allocate<float>(TileProduct.LeftLength);
        var right = SharedMemory.Allocate<float>(TileProduct.RightLength);
        var part = plan[arguments.Part];
        var isChunk = arguments.GradientStride == 0;
        var chunk = isChunk ? part.ChunkRows * arguments.Pass : 0;
        if (chunk >= shape.Rows) return;
        var height = default(TTile).GroupRows;
        var gradientStride = isChunk ? part.ChunkRows : arguments.GradientStride;
        var splits = isChunk ? part.Splits : 1;
        var depths = XMath.Min(gradientStride, shape.Rows - chunk);
        var share = Sizes.Stride(Sizes.Tiles(depths, splits));
        var stride = Sizes.Stride(shape.Columns);
        var rowTiles = Sizes.Tiles(part.Count, height);
        var columnTiles = Sizes.Tiles(shape.Columns, TileProduct.Columns);
        var a = new RowOperand(gradient, isChunk ? 0 : part.First, part.Count, gradientStride);
        var b = new DepthOperand(weights, chunk, shape.Rows - chunk, stride);
        for (var item = Grid.IdxX; item < rowTiles * columnTiles * splits; item += Grid.DimX)
        {
            var row = item % rowTiles * height;
            var column = item / rowTiles % columnTiles * TileProduct.Columns;
            var split = item / rowTiles / columnTiles;
            var tile = TileProduct.Multiply<TTile, RowOperand, DepthOperand>(a, b, left, right, row, column, split * share, XMath.Min(depths, (split + 1) * share));
            var epilogue = new StoreEpilogue
            {
                Result = splits == 1 ? inputGradient : shares,
                First = (splits == 1 ? part.First : split * part.Count) + row,
                Rows = part.Count - row,
                Column = column + (4 * (Group.IdxX & 15)),
                Columns = stride,
                Stride = stride,
                Accumulate = arguments.Accumulate != 0 || arguments.Pass > 0 ? 1 : 0,
            };
            tile.ForEachRow(epilogue, Group.IdxX >> 4);
        }
    }

    /// <summary>Adds the shares of <see cref="Input"/> in their order, after the last chunk.</summary>
    public static void AddShares<TShape>(
        TShape shape, ArrayView<Float4> shares, ArrayView<PartPlan> plan, ArrayView<Float4> inputGradient, ProductArguments arguments)
        where TShape : unmanaged, IMatrixShape
    {
        var part = plan[arguments.Part];
        if (part.Splits == 1) return;
        var fours = (long)part.Count * Sizes.Stride(shape.Columns) / 4;
        var first = (long)part.First * Sizes.Stride(shape.Columns) / 4;
        for (long i = Grid.GlobalLinearIndex; i < fours; i += (long)Grid.DimX * Group.DimX)
        {
            Float4 sum = default;
            for (var split = 0; split < part.Splits; split++) sum = Add(sum, shares[(split * fours) + i]);
            inputGradient[first + i] = sum;
        }
    }

    /// <summary>The gradient of the weight, Dᵀ · inputs: a chunk of its rows, [rows, stride].</summary>
    /// <param name="shape">[rows, columns] of the weight.</param>
    /// <param name="gradient">D.</param>
    /// <param name="inputs">[tokens, stride].</param>
    /// <param name="plan">The plan of each part.</param>
    /// <param name="weightGradient">Receives or adds to the gradient.</param>
    /// <param name="state">The parameter's <see cref="ParameterState"/>: whether there is a gradient to add to.</param>
    /// <param name="arguments">Sizes.</param>
    public static void Weight<TShape, TTile>(
        TShape shape, ArrayView<Float4> gradient, ArrayView<Float4> inputs, ArrayView<PartPlan> plan,
        ArrayView<Float4> weightGradient, ArrayView<int> state, ProductArguments arguments)
        where TShape : unmanaged, IMatrixShape
        where TTile : unmanaged, IRegisterTile
    {
        var left = SharedMemory.Allocate<float>(TileProduct.LeftLength);
        var right = SharedMemory.Allocate<float>(TileProduct.RightLength);
        var part = plan[arguments.Part];
        var isChunk = arguments.GradientStride == 0;
        var chunk = isChunk ? part.ChunkRows * arguments.Pass : 0;
        if (chunk >= shape.Rows || part.Count == 0) return;
        var height = default(TTile).GroupRows;
        var gradientStride = isChunk ? part.ChunkRows : arguments.GradientStride;
        var rows = XMath.Min(gradientStride, shape.Rows - chunk);
        var stride = Sizes.Stride(shape.Columns);
        var rowTiles = Sizes.Tiles(rows, height);
        var columnTiles = Sizes.Tiles(shape.Columns, TileProduct.Columns);
        var a = new DepthOperand(gradient, isChunk ? 0 : part.First, part.Count, gradientStride);
        var b = new DepthOperand(inputs, part.First, part.Count, stride);
        for (var item = Grid.IdxX; item < rowTiles * columnTiles; item += Grid.DimX)
        {
            var row = item % rowTiles * height;
            var column = item / rowTiles * TileProduct.Columns;
            var tile = TileProduct.Multiply<TTile, DepthOperand, DepthOperand>(a, b, left, right, row, column, 0, part.Count);
            var epilogue = new StoreEpilogue
            {
                Result = weightGradient,
                First = chunk + row,
                Rows = rows - row,
                Column = column + (4 * (Group.IdxX & 15)),
                Columns = stride,
                Stride = stride,
                Accumulate = state[ParameterState.HasGradient],
            };
            tile.ForEachRow(epilogue, Group.IdxX >> 4);
        }
    }

    /// <summary>The gradient of the bias, Σ D over the tokens: a chunk of its rows.</summary>
    public static void Bias<TShape>(
        TShape shape, ArrayView<float> gradient, ArrayView<PartPlan> plan, ArrayView<float> biasGradient, ArrayView<int> state, ProductArguments arguments)
        where TShape : unmanaged, IMatrixShape
    {
        const int slices = 8;
        var sums = SharedMemory.Allocate<float>(TileProduct.GroupSize);
        var part = plan[arguments.Part];
        var chunk = part.ChunkRows * arguments.Pass;
        if (chunk >= shape.Rows || part.Count == 0) return;
        var rows = XMath.Min(part.ChunkRows, shape.Rows - chunk);
        int lane = Group.IdxX % 32, slice = Group.IdxX / 32;
        for (var first = Grid.IdxX * 32; first < rows; first += Grid.DimX * 32)
        {
            var sum = 0f;
            if (first + lane < rows)
            {
                for (var token = slice; token < part.Count; token += slices) sum += gradient[((long)token * part.ChunkRows) + first + lane];
            }

            sums[Group.IdxX] = sum;
            Group.Barrier();
            if (slice == 0 && first + lane < rows)
            {
                var total = state[ParameterState.HasGradient] != 0 ? biasGradient[chunk + first + lane] : 0f;
                for (var i = 0; i < slices; i++) total += sums[(i * 32) + lane];
                biasGradient[chunk + first + lane] = total;
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
        public int First;
        public int FirstRow;
        public int Rows;
        public int Column;
        public int Stride;

        public readonly void Row(int row, RowSums sums)
        {
            row += FirstRow;
            if (row >= Rows) return;
            sums = Logits.Apply(sums);
            var token = Rule.Token(First + row);
            var at = (((long)row * Stride) + Column) / 4;
            Gradient[at] = Rule.Gradient(token, sums.Left, Logits.Column);
            Gradient[at + 16] = Rule.Gradient(token, sums.Right, Logits.Column + 64);
        }
    }
}
