using System.Runtime.InteropServices;

namespace AdaptiveSoftmax.Gpu.Kernels;

/// <summary>
/// What a batch needs of one part of the layer, head or tail. It is made on the device and read by the kernels there, so
/// that the host never waits to learn how many targets a cluster has.
/// </summary>
[StructLayout(LayoutKind.Sequential)]
internal struct PartPlan
{
    /// <summary>The first of the part's tokens in the batch's order by cluster.</summary>
    public int First;

    /// <summary>The number of its tokens.</summary>
    public int Count;

    /// <summary>The weight rows whose logits the memory holds at once, a multiple of <see cref="TileProduct.Columns"/>.</summary>
    public int ChunkRows;

    /// <summary>In how many shares of the depth an input's gradient is summed.</summary>
    public int Splits;
}

/// <summary>Sizes and switches of a product's launch.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct ProductArguments
{
    /// <summary>The part: 0 for the head, i + 1 for tail i.</summary>
    public int Part;

    /// <summary>The tokens that arrays with one entry a token have room for.</summary>
    public int Capacity;

    /// <summary>The column tiles that one group takes after the other, and reduces to one maximum and sum a row.</summary>
    public int TilesPerStrip;

    /// <summary>The chunk of weight rows.</summary>
    public int Pass;

    /// <summary>The stride of the gradient of a product's output; 0 where it lies in the chunks of the plan.</summary>
    public int GradientStride;

    /// <summary>Whether there is a bias.</summary>
    public int HasBias;

    /// <summary>Whether a result is added to what is there.</summary>
    public int Accumulate;

    /// <summary>Whether the logits of the first chunk are kept for the backward pass.</summary>
    public int KeepsLogits;

    /// <summary>The part's rows that stand for tokens, not for clusters.</summary>
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

    /// <summary>The tokens that the part's rows stand for.</summary>
    public float AllRows;
}

/// <summary>Sizes that follow from those of a weight.</summary>
internal static class Sizes
{
    /// <summary>The stride of rows: columns filled up with zeros to 32 bytes, which divides the depth of a tile.</summary>
    public static int Stride(int columns) => (columns + 7) / 8 * 8;

    public static int Tiles(int length, int tile) => (length + tile - 1) / tile;
}

/// <summary>The sizes of one part.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct PartSizes
{
    /// <summary>The first slot.</summary>
    public int Start;

    /// <summary>The rows of its output weight.</summary>
    public int Rows;

    /// <summary>The columns of its output weight.</summary>
    public int Columns;
}

/// <summary>Sizes and switches of the sort by cluster.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct GroupArguments
{
    /// <summary>The tokens of the batch.</summary>
    public int Tokens;

    /// <summary>Head and tails.</summary>
    public int Parts;

    /// <summary>The tokens in the head.</summary>
    public int ShortlistSize;

    /// <summary>Whether the loss is a mean.</summary>
    public int IsMean;

    /// <summary>Whether every token needs every tail, as label smoothing does.</summary>
    public int AllTokensInTails;

    /// <summary>The values that the gradient of logits has room for.</summary>
    public long GradientCapacity;

    /// <summary>Whether a part's chunks are about equal, or as large as there is room for but the last.</summary>
    public int HasEqualChunks;

    /// <summary>The values that shares of an input's gradient have room for.</summary>
    public long ShareCapacity;
}
