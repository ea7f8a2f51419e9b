using System.Runtime.InteropServices;
using ILGPU.Algorithms;

namespace AdaptiveSoftmax.Gpu.Kernels;

/// <summary>
/// What a batch needs of one cluster of the layer, head or tail. It is made on the device and read by the kernels there, so
/// that the host never waits to learn how many targets a cluster has.
/// </summary>
[StructLayout(LayoutKind.Sequential)]
internal struct BatchPlan
{
    /// <summary>The first of the cluster's tokens in the batch's order by cluster.</summary>
    public int First;

    /// <summary>The number of its tokens.</summary>
    public int Count;

    /// <summary>The weight rows whose logits the memory holds at once, a multiple of <see cref="TileProduct.Columns"/>.</summary>
    public int ChunkRows;

    /// <summary>In how many shares of the depth an input's gradient is summed.</summary>
    public int Splits;

    /// <summary>Where the cluster's logits and their gradient begin, in values.</summary>
    public long Logits;

    /// <summary>Where the cluster's shares begin, in values.</summary>
    public long Shares;

    /// <summary>The first weight row of a pass's chunk; the number of rows where the cluster has no more of them.</summary>
    public readonly int FirstRow(int pass, int rows)
    {
        // More passes than a cluster needs may be launched, of which the product does not fit an integer.
        var first = (long)ChunkRows * pass;
        return first < rows ? (int)first : rows;
    }

    /// <summary>The rows of a pass's chunk.</summary>
    public readonly int Rows(int pass, int rows) => XMath.Min(ChunkRows, rows - FirstRow(pass, rows));
}

/// <summary>
/// Sizes and switches of a product with one or more clusters in one launch. The vectors of a cluster whose first token is t begin
/// at t · pitch, and lie as close to each other as their width allows: clusters of different widths share one memory if the
/// pitch is that of the widest.
/// </summary>
[StructLayout(LayoutKind.Sequential)]
internal struct ClusterArguments
{
    /// <summary>The first cluster: 0 for the head, i + 1 for tail i.</summary>
    public int First;

    /// <summary>The number of clusters, at most <see cref="ViewGroup{T}.Capacity"/>.</summary>
    public int Count;

    /// <summary>The tokens that arrays with one entry a token have room for.</summary>
    public int Capacity;

    /// <summary>The chunk of weight rows.</summary>
    public int Pass;

    /// <summary>The pitch of the inputs and of their gradient.</summary>
    public int InputPitch;

    /// <summary>The pitch of the outputs and of their gradient; 0 where these are logits, in the chunks of the plan.</summary>
    public int OutputPitch;

    /// <summary>Whether there is a bias, which only a cluster alone can have.</summary>
    public int HasBias;

    /// <summary>Whether a result is added to what is there.</summary>
    public int Accumulate;

    /// <summary>Whether the logits of the first chunk are kept for the backward pass.</summary>
    public int KeepsLogits;
}

/// <summary>Sizes and switches of a product in decoding.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct ProductArguments
{
    /// <summary>The cluster: 0 for the head, i + 1 for tail i.</summary>
    public int Cluster;

    /// <summary>The tokens that arrays with one entry a token have room for.</summary>
    public int Capacity;

    /// <summary>The column tiles that one group takes after the other, and reduces to one maximum and sum a row.</summary>
    public int TilesPerStrip;

    /// <summary>Whether there is a bias.</summary>
    public int HasBias;

    /// <summary>The rows that stand for tokens, not for tails.</summary>
    public int TokenRows;
}

/// <summary>What the loss gives each logit: see <see cref="LossOptions"/>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct LossWeights
{
    /// <summary>The target's own share, 1 − e with label smoothing e.</summary>
    public float Target;

    /// <summary>Each token's share, e / V.</summary>
    public float Uniform;

    /// <summary>The tokens that the cluster's rows stand for.</summary>
    public float AllRows;
}

/// <summary>Sizes that follow from those of a weight.</summary>
internal static class Sizes
{
    /// <summary>The stride of rows: columns filled up with zeros to 32 bytes, which divides the depth of a tile.</summary>
    public static int Stride(int columns) => (columns + 7) / 8 * 8;

    public static int Tiles(int length, int tile) => (length + tile - 1) / tile;
}

/// <summary>The sizes of one weight of a cluster: its output, or its projection.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct ClusterSizes
{
    /// <summary>The first slot of the cluster.</summary>
    public int Start;

    /// <summary>The rows of the weight.</summary>
    public int Rows;

    /// <summary>Its columns.</summary>
    public int Columns;

    /// <summary>The rows that stand for tokens, not for tails.</summary>
    public int TokenRows;

    /// <summary>The column tiles that one group takes after the other, and reduces to one maximum and sum a token.</summary>
    public int TilesPerStrip;

    /// <summary>The column tiles of a product with it.</summary>
    public readonly int ColumnTiles => Sizes.Tiles(Rows, TileProduct.Columns);

    /// <summary>The strips of column tiles.</summary>
    public readonly int Strips => Sizes.Tiles(ColumnTiles, TilesPerStrip);
}

/// <summary>Sizes and switches of the sort by cluster.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct GroupArguments
{
    /// <summary>The tokens of the batch.</summary>
    public int Tokens;

    /// <summary>Head and tails.</summary>
    public int Clusters;

    /// <summary>The tokens in the head.</summary>
    public int ShortlistSize;

    /// <summary>Whether every token needs every tail, as label smoothing does.</summary>
    public int AllTokensInTails;

    /// <summary>The tails that share the memory for logits, since the same launches work on them.</summary>
    public int ClustersAtOnce;

    /// <summary>The values that the gradient of logits has room for.</summary>
    public long GradientCapacity;

    /// <summary>Whether a cluster's chunks are about equal, or as large as there is room for but the last.</summary>
    public int HasEqualChunks;

    /// <summary>The values that shares of an input's gradient have room for.</summary>
    public long ShareCapacity;
}

/// <summary>How the losses of a batch's tokens become one, and what multiplies their gradients.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct WeightArguments
{
    /// <summary>Whether tokens have weights; each weighs 1 otherwise.</summary>
    public int HasWeights;

    /// <summary>Whether the loss is a mean.</summary>
    public int IsMean;

    /// <summary>See <see cref="LossOptions.GradientScale"/>.</summary>
    public float GradientScale;
}
