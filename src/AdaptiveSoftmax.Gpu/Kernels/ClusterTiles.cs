using ILGPU;

namespace AdaptiveSoftmax.Gpu.Kernels;

/// <summary>
/// The tiles of inputs · weightᵀ of the clusters of one launch. What a tile needs is read from the tables when it is multiplied,
/// and its epilogue reads it again: what stays over a product takes registers from the sums.
/// </summary>
/// <param name="inputs">The inputs of all clusters.</param>
/// <param name="weights">The weight of each.</param>
/// <param name="plan">The plan of each cluster.</param>
/// <param name="sizes">The sizes of each cluster's weight.</param>
/// <param name="arguments">The clusters, and the pitch of the inputs.</param>
internal readonly struct ClusterTiles<TTile, TBlock>(
    ArrayView<Float4> inputs, ViewGroup<TBlock> weights, ArrayView<BatchPlan> plan, ArrayView<ClusterSizes> sizes, ClusterArguments arguments)
    where TTile : unmanaged, IRegisterTile
    where TBlock : unmanaged, IWeightBlock<TBlock>
{
    /// <summary>The first of the cluster's tokens in a piece's tile: pieces run along the tokens first.</summary>
    public int Row(ClusterItem found) => found.Item % RowTiles(found.Index) * ForwardTiles<TTile, TBlock>.Height;

    /// <summary>Which of the cluster's column tiles a piece is.</summary>
    public int Column(ClusterItem found) => found.Item / RowTiles(found.Index);

    /// <summary>The tile of a cluster from one of its tokens and a row of its weight on.</summary>
    public TTile Multiply(ArrayView<float> left, ArrayView<float> right, int index, int token, int row)
    {
        var cluster = plan[arguments.First + index];
        var size = sizes[arguments.First + index];
        var tiles = new ForwardTiles<TTile, TBlock>(
            inputs, cluster.InputOffset(arguments, Sizes.Stride(size.Columns)) / 4, cluster.Count, weights.BlocksAt(index), size.Rows, size.Columns);
        return tiles.Multiply(left, right, token, row);
    }

    private int RowTiles(int index) => Sizes.Tiles(plan[arguments.First + index].Count, ForwardTiles<TTile, TBlock>.Height);
}
