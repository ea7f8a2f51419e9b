namespace AdaptiveSoftmax;

/// <summary>Writes the log-probs of a block, turning the kernels' [rows, lanes] into the caller's [tokens, vocabulary].</summary>
internal static unsafe class LogProbWriter
{
    /// <summary>output[t, r] = (logit[r, t] − log-sum-exp[t]) + cluster[t] for the logits that a forward pass left.</summary>
    /// <param name="pool">The threads.</param>
    /// <param name="scratch">Holds logits and log-sum-exp.</param>
    /// <param name="lanes">The lanes.</param>
    /// <param name="tokens">The tokens, at most <paramref name="lanes"/>.</param>
    /// <param name="rows">The rows to write.</param>
    /// <param name="cluster">The cluster's log-prob of each token.</param>
    /// <param name="output">Receives the log-probs.</param>
    /// <param name="stride">From one token's log-probs to the next one's.</param>
    public static void Write(WorkerPool pool, Scratch scratch, int lanes, int tokens, int rows, float* cluster, float* output, nint stride)
    {
        var body = new Body
        {
            Logits = scratch.Floats(ScratchBuffer.Logits, (long)rows * lanes),
            LogSumExp = scratch.Floats(ScratchBuffer.LogSumExp, lanes),
            Cluster = cluster,
            Output = output,
            Stride = stride,
            Lanes = lanes,
            Tokens = tokens,
            Rows = rows,
        };
        pool.Run(ref body, (rows + TokenBlocks.RowsPerPart - 1) / TokenBlocks.RowsPerPart);
    }

    private struct Body : IParallelBody
    {
        public float* Logits, LogSumExp, Cluster, Output;
        public nint Stride;
        public int Lanes, Tokens, Rows;

        public readonly void Run(int part)
        {
            var first = part * TokenBlocks.RowsPerPart;
            var rows = Math.Min(TokenBlocks.RowsPerPart, Rows - first);
            var logits = Logits + ((nint)first * Lanes);
            var output = Output + first;
            Transpose.FromLanes(logits, Lanes, Tokens, rows, output, Stride);
            for (var token = 0; token < Tokens; token++, output += Stride)
                SoftmaxKernel.LogProbs(output, rows, LogSumExp[token], Cluster[token], output);
        }
    }
}
