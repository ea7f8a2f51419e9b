namespace AdaptiveSoftmax.Gpu.Kernels;

/// <summary>A piece is one of the sums over the depth of one tile of the input's gradient; tiles come first, then splits.</summary>
internal readonly struct InputWork<TTile> : IClusterWork
    where TTile : unmanaged, IRegisterTile
{
    /// <summary>In how many sums the depth is split: that of logits alone.</summary>
    public static int Splits(BatchPlan cluster, ClusterArguments arguments) => arguments.OutputPitch == 0 ? cluster.Splits : 1;

    public int Items(BatchPlan cluster, ClusterSizes sizes, ClusterArguments arguments) =>
        Sizes.Tiles(cluster.Count, default(TTile).GroupRows) * Sizes.Tiles(sizes.Columns, TileProduct.Columns) * Splits(cluster, arguments);
}

/// <summary>A piece is one tile of the weight's gradient.</summary>
internal readonly struct WeightWork<TTile> : IClusterWork
    where TTile : unmanaged, IRegisterTile
{
    public int Items(BatchPlan cluster, ClusterSizes sizes, ClusterArguments arguments)
    {
        var items = Sizes.Tiles(sizes.Rows, default(TTile).GroupRows) * Sizes.Tiles(sizes.Columns, TileProduct.Columns);
        return cluster.Count > 0 ? items : 0;
    }
}
