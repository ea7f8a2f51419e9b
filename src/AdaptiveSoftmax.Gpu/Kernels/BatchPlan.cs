using System.Runtime.InteropServices;

namespace AdaptiveSoftmax.Gpu.Kernels;

/// <summary>
/// Tokens of one cluster of the layer, head or tail: all that a batch has there, or those of a chunk. It is made on the device
/// and read by the kernels there, so that a recording never waits to learn how many targets a cluster has.
/// </summary>
[StructLayout(LayoutKind.Sequential)]
internal struct BatchPlan
{
    /// <summary>The first of the tokens in the batch's order by cluster.</summary>
    public int First;

    /// <summary>The number of tokens.</summary>
    public int Count;

    /// <summary>Of a chunk: the rows of the weight in whole tiles of <see cref="TileProduct.Columns"/>, so many logits a token.</summary>
    public int ChunkRows;

    /// <summary>Of a chunk: in how many sums over parts of the depth its input's gradient is split.</summary>
    public int Splits;

    /// <summary>Of a chunk: where its logits and their gradient begin, in values.</summary>
    public long Logits;

    /// <summary>Of a chunk: where its split sums begin, in values.</summary>
    public long SplitSums;

    /// <summary>Of a chunk: the cluster's tokens before it.</summary>
    public int Before;

    /// <summary>Where the outputs begin, or their gradient, in values.</summary>
    public readonly long OutputOffset(ClusterArguments arguments) => arguments.OutputPitch == 0 ? Logits : (long)First * arguments.OutputPitch;

    /// <summary>Where the inputs begin, or their gradient, in values.</summary>
    /// <param name="arguments">The pitch.</param>
    /// <param name="stride">The values from one input to the next.</param>
    public readonly long InputOffset(ClusterArguments arguments, int stride) => ((long)(First - Before) * arguments.InputPitch) + ((long)Before * stride);
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

    /// <summary>The first cluster's place in the plan: of all its tokens, or of those of a chunk. The others follow.</summary>
    public int Plan;

    /// <summary>The tokens that arrays with one entry a token have room for.</summary>
    public int Capacity;

    /// <summary>The pitch of the inputs and of their gradient.</summary>
    public int InputPitch;

    /// <summary>The pitch of the outputs and of their gradient; 0 where these are logits, in the place that the plan gives them.</summary>
    public int OutputPitch;

    /// <summary>Whether there is a bias, which only a cluster alone can have.</summary>
    public int HasBias;

    /// <summary>Whether an input's gradient is added to what is there.</summary>
    public int Accumulate;
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

    /// <summary>The column tiles of a product with it.</summary>
    public readonly int ColumnTiles => Sizes.Tiles(Rows, TileProduct.Columns);
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

    /// <summary>The tails whose tokens a chunk may hold together, since the same launches work on them.</summary>
    public int ClustersAtOnce;

    /// <summary>The values that logits have room for.</summary>
    public long LogitCapacity;

    /// <summary>The values that split sums of an input's gradient have room for.</summary>
    public long SplitCapacity;
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
