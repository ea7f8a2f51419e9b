namespace AdaptiveSoftmax;

/// <summary>Writes the log-probs of a block, turning the kernels' [rows, lanes] into the caller's [tokens, vocabulary].</summary>
internal static unsafe class LogProbWriter
{
    /// <summary>output[t, r] = (logit[r, t] − log-sum-exp[t]) + cluster[t] for the logits of a forward pass.</summary>
    /// <param name="pool">The threads.</param>
    /// <param name="logits">The logits, [rows, lanes].</param>
    /// <param name="tokens">The tokens, at most the lanes.</param>
    /// <param name="rows">The rows to write.</param>
    /// <param name="cluster">The cluster's log-prob of each token.</param>
    /// <param name="output">Receives the log-probs.</param>
    /// <param name="stride">From one token's log-probs to the next one's.</param>
    public static void Write(WorkerPool pool, in LogitBlock logits, int tokens, int rows, float* cluster, float* output, nint stride)
    {
        var body = new Body
        {
            Logits = logits.Logits,
            LogSumExp = logits.LogSumExp,
            Cluster = cluster,
            Output = output,
            Stride = stride,
            Lanes = logits.Lanes,
            Tokens = tokens,
            Rows = rows,
        };
        pool.Run(ref body, (rows + TokenBlocks.RowsPerTile - 1) / TokenBlocks.RowsPerTile);
    }

    private struct Body : IParallelBody
    {
        public float* Logits, LogSumExp, Cluster, Output;
        public nint Stride;
        public int Lanes, Tokens, Rows;

        public readonly void Run(int tile)
        {
            var first = tile * TokenBlocks.RowsPerTile;
            var rows = Math.Min(TokenBlocks.RowsPerTile, Rows - first);
            var logits = Logits + ((nint)first * Lanes);
            var output = Output + first;
            Transpose.FromLanes(logits, Lanes, Tokens, rows, output, Stride);
            for (var token = 0; token < Tokens; token++, output += Stride)
                SoftmaxKernel.LogProbs(output, rows, LogSumExp[token], Cluster[token], output);
        }
    }
}
