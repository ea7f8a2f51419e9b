using ILGPU;

namespace AdaptiveSoftmax.Gpu.Kernels;

/// <summary>The tiles of inputs · weightᵀ: every forward product goes through them, whatever becomes of the sums.</summary>
/// <param name="inputs">The inputs, [tokens, stride of the columns].</param>
/// <param name="offset">Where they begin, in fours.</param>
/// <param name="tokens">The tokens from there on.</param>
/// <param name="weights">The weight, [rows, stride of the columns].</param>
/// <param name="rows">The weight's rows, the columns of the product.</param>
/// <param name="columns">The weight's columns.</param>
internal readonly struct ForwardTiles<TTile, TBlock>(ArrayView<Float4> inputs, long offset, int tokens, ArrayView<TBlock> weights, int rows, int columns)
    where TTile : unmanaged, IRegisterTile
    where TBlock : unmanaged, IWeightBlock<TBlock>
{
    /// <summary>The tokens of a tile.</summary>
    public static int Height => default(TTile).GroupRows;

    public int RowTiles => Sizes.Tiles(tokens, Height);

    public int ColumnTiles => Sizes.Tiles(rows, TileProduct.Columns);

    /// <summary>The tile from a token and a row of the weight on.</summary>
    public TTile Multiply(ArrayView<float> left, ArrayView<float> right, int token, int row)
    {
        var stride = Sizes.Stride(columns);
        return TileProduct.Multiply<TTile, RowOperand<Float4>, RowOperand<TBlock>>(
            new RowOperand<Float4>(inputs, offset, tokens, stride), new RowOperand<TBlock>(weights, 0, rows, stride), left, right, token, row, stride);
    }

    /// <summary>The bias of the thread's columns in such a tile.</summary>
    public BiasedColumns Biased(ArrayView<float> bias, int hasBias, int row) => new(bias, hasBias, row + (4 * (Group.IdxX & 15)), rows);
}
