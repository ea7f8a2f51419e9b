using ILGPU;
using ILGPU.Algorithms;

namespace AdaptiveSoftmax.Gpu.Kernels;

/// <summary>
/// The tiles of inputs · weightᵀ of the parts of one launch. What a tile needs is read from the tables when it is multiplied,
/// and its epilogue reads it again: what stays over a product takes registers from the sums.
/// </summary>
/// <param name="inputs">The inputs of all parts.</param>
/// <param name="weights">The weight of each.</param>
/// <param name="plan">The plan of each part.</param>
/// <param name="sizes">The sizes of each part's weight.</param>
/// <param name="arguments">The parts, and the pitch of the inputs.</param>
internal readonly struct PartTiles<TTile>(
    ArrayView<Float4> inputs, ViewGroup<Float4> weights, ArrayView<PartPlan> plan, ArrayView<PartSizes> sizes, PartArguments arguments)
    where TTile : unmanaged, IRegisterTile
{
    /// <summary>The first of the part's tokens in a piece's tile: pieces run along the tokens first.</summary>
    public int Row(PartItem found) => found.Item % RowTiles(found.Index) * ForwardTiles<TTile>.Height;

    /// <summary>Which of the part's column tiles, or strips of them, a piece is.</summary>
    public int Column(PartItem found) => found.Item / RowTiles(found.Index);

    /// <summary>The column tile to stop a strip before.</summary>
    public int EndOfStrip(PartItem found)
    {
        var size = sizes[arguments.First + found.Index];
        return XMath.Min((Column(found) + 1) * size.TilesPerStrip, size.ColumnTiles);
    }

    /// <summary>The tile of a part from one of its tokens and a row of its weight on.</summary>
    public TTile Multiply(ArrayView<float> left, ArrayView<float> right, int index, int token, int row)
    {
        var part = plan[arguments.First + index];
        var size = sizes[arguments.First + index];
        var tiles = new ForwardTiles<TTile>(
            inputs, (long)part.First * arguments.InputPitch / 4, part.Count, weights.FoursAt(index), size.Rows, size.Columns);
        return tiles.Multiply(left, right, token, row);
    }

    private int RowTiles(int index) => Sizes.Tiles(plan[arguments.First + index].Count, ForwardTiles<TTile>.Height);
}
