using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax;

/// <summary>How many tokens, and how many rows of a weight, are taken at a time.</summary>
internal static class TokenBlocks
{
    /// <inheritdoc cref="LogitBlocks.LaneMultiple"/>
    public const int LaneMultiple = LogitBlocks.LaneMultiple;

    /// <summary>
    /// The rows of a tile. 128 rows of 64 lanes are 32 KiB: logits stay in a near cache from product to statistics, and
    /// later from their gradient to the two products that use it.
    /// </summary>
    public const int RowsPerTile = 128;

    private const int MaximumFew = 4;

    /// <inheritdoc cref="LogitBlocks.MaximumLanes"/>
    public const int MaximumLanes = LogitBlocks.MaximumLanes;

    /// <inheritdoc cref="LogitBlocks.SizeFor"/>
    public static int BlockSize(int rows, long scratchBytes) => LogitBlocks.SizeFor(rows, scratchBytes);

    /// <summary>The lanes for so many tokens.</summary>
    public static int LanesFor(int tokens) => (tokens + LaneMultiple - 1) / LaneMultiple * LaneMultiple;

    /// <summary>
    /// The lanes for a block of a cluster's tokens in training. Up to four in all are no lanes but vectors one after the other:
    /// one product a token then costs less than filling lanes. It is the cluster's tokens that count, not the block's, so that
    /// no result depends on where blocks end.
    /// </summary>
    public static int LanesFor(int tokens, int tokensOfCluster) => tokensOfCluster <= MaximumFew ? tokens : LanesFor(tokens);

    /// <summary>Whether so many lanes are vectors one after the other.</summary>
    public static bool AreFew(int lanes) => lanes <= MaximumFew;

    /// <summary>The floats from a logit to that of the next row, and to that of the next token.</summary>
    public static (nint Row, nint Token) Steps(int rows, int lanes) => AreFew(lanes) ? (1, rows) : (lanes, 1);
}
