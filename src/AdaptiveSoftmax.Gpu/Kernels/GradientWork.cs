namespace AdaptiveSoftmax.Gpu.Kernels;

/// <summary>Where the gradient of a product's output lies, and which rows of the weight it belongs to.</summary>
internal struct OutputGradient
{
    /// <summary>Where it begins, in values.</summary>
    public long Offset;

    /// <summary>The values from one token to the next.</summary>
    public int Stride;

    /// <summary>The first row of the weight.</summary>
    public int FirstRow;

    /// <summary>The rows from there on.</summary>
    public int Rows;

    /// <summary>In how many shares their products are summed.</summary>
    public int Splits;

    /// <summary>The chunk of logits of a pass, or all outputs where these are no logits.</summary>
    public static OutputGradient Of(BatchPlan cluster, ClusterSizes sizes, ClusterArguments arguments)
    {
        OutputGradient source = default;
        source.Offset = (long)cluster.First * arguments.OutputPitch;
        source.Stride = Sizes.Stride(sizes.Rows);
        source.Rows = sizes.Rows;
        source.Splits = 1;
        if (arguments.OutputPitch == 0)
        {
            source.Offset = cluster.Logits;
            source.Stride = cluster.ChunkRows;
            source.FirstRow = cluster.FirstRow(arguments.Pass, sizes.Rows);
            source.Rows = cluster.Rows(arguments.Pass, sizes.Rows);
            source.Splits = cluster.Splits;
        }

        return source;
    }
}

/// <summary>A piece is one tile of a chunk's logits.</summary>
internal readonly struct ChunkWork<TTile> : IClusterWork
    where TTile : unmanaged, IRegisterTile
{
    public int Items(BatchPlan cluster, ClusterSizes sizes, ClusterArguments arguments) =>
        Sizes.Tiles(cluster.Count, default(TTile).GroupRows) * Sizes.Tiles(cluster.Rows(arguments.Pass, sizes.Rows), TileProduct.Columns);
}

/// <summary>A piece is a block of one token's kept logits.</summary>
internal readonly struct KeptWork : IClusterWork
{
    /// <summary>The length of a block, in fours: four a thread.</summary>
    public const int Fours = 4 * TileProduct.GroupSize;

    /// <summary>The blocks of a token.</summary>
    public static int Blocks(BatchPlan cluster) => Sizes.Tiles(cluster.ChunkRows / 4, Fours);

    public int Items(BatchPlan cluster, ClusterSizes sizes, ClusterArguments arguments) => cluster.Count * Blocks(cluster);
}

/// <summary>A piece is a share of one tile of the input's gradient; tiles come first, then shares.</summary>
internal readonly struct InputWork<TTile> : IClusterWork
    where TTile : unmanaged, IRegisterTile
{
    public int Items(BatchPlan cluster, ClusterSizes sizes, ClusterArguments arguments)
    {
        var source = OutputGradient.Of(cluster, sizes, arguments);
        var items = Sizes.Tiles(cluster.Count, default(TTile).GroupRows) * Sizes.Tiles(sizes.Columns, TileProduct.Columns) * source.Splits;
        return source.Rows > 0 ? items : 0;
    }
}

/// <summary>A piece is one tile of the weight's gradient.</summary>
internal readonly struct WeightWork<TTile> : IClusterWork
    where TTile : unmanaged, IRegisterTile
{
    public int Items(BatchPlan cluster, ClusterSizes sizes, ClusterArguments arguments)
    {
        var items = Sizes.Tiles(OutputGradient.Of(cluster, sizes, arguments).Rows, default(TTile).GroupRows) * Sizes.Tiles(sizes.Columns, TileProduct.Columns);
        return cluster.Count > 0 ? items : 0;
    }
}
