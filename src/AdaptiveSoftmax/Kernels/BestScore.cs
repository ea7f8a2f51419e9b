using System.Runtime.CompilerServices;

namespace AdaptiveSoftmax;

/// <summary>
/// The row with the largest log-prob, found from the maxima that the forward pass leaves for each tile of rows, so that
/// the logits are not read again.
/// </summary>
internal static unsafe class BestScore
{
    /// <summary>
    /// A token's log-prob: (logit − log-sum-exp) + the cluster's log-prob, which is 0 in the head. Every path uses this
    /// order of operations, so a prediction is the argmax of the log-probs to the last bit. Rounding keeps it monotone in
    /// the logit, so a tile's best log-prob is that of its maximum; and as no log-sum-exp is below its maximum, no token
    /// ever beats its own cluster.
    /// </summary>
    public static float Of(float logit, float logSumExp, float cluster) => (logit - logSumExp) + cluster;

    /// <summary>The largest log-prob of one lane and the first row that has it; NaN makes the first row the answer.</summary>
    /// <param name="logits">The lane's first logit, [rows, lanes].</param>
    /// <param name="maximum">The maximum of the lane in the first tile, [tiles, lanes].</param>
    /// <param name="lanes">The lanes.</param>
    /// <param name="rowsPerTile">The rows of a tile.</param>
    /// <param name="rows">The rows to choose from; tiles may hold further rows behind them.</param>
    /// <param name="logSumExp">The lane's log-sum-exp.</param>
    /// <param name="cluster">The cluster's log-prob.</param>
    /// <param name="row">The first row with the largest log-prob.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static float Find(float* logits, float* maximum, int lanes, int rowsPerTile, int rows, float logSumExp, float cluster, out int row)
    {
        var wholeTiles = rows / rowsPerTile;
        var best = float.NegativeInfinity;
        var bestTile = -1;
        for (var tile = 0; tile < wholeTiles; tile++)
        {
            var score = Of(maximum[(nint)tile * lanes], logSumExp, cluster);
            if (score > best) (best, bestTile) = (score, tile);
        }

        row = 0;
        var first = wholeTiles * rowsPerTile;
        for (var at = first; at < rows; at++)
        {
            var score = Of(logits[(nint)at * lanes], logSumExp, cluster);
            if (score > best) (best, bestTile, row) = (score, -1, at);
        }

        if (bestTile < 0) return best;
        for (row = bestTile * rowsPerTile; row < rows - 1; row++)
        {
            if (Of(logits[(nint)row * lanes], logSumExp, cluster) == best) break;
        }

        return best;
    }
}
