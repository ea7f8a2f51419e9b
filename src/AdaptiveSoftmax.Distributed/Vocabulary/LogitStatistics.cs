namespace AdaptiveSoftmax.Distributed;

/// <summary>The log-sum-exp of logits that are all here, tile by tile as <see cref="LinearSoftmax{TShape}"/> takes it, to the same bits.</summary>
internal static unsafe class LogitStatistics
{
    /// <summary>Of a block of tokens, [rows, lanes].</summary>
    public static LogitBlock Of(WorkerPool pool, Scratch scratch, float* logits, int rows, int lanes, int rowsPerTile) =>
        Run(pool, scratch, new Body { Logits = logits, Rows = rows, Lanes = lanes, RowsPerTile = rowsPerTile });

    /// <summary>Of one token that is decoded, [rows].</summary>
    public static LogitBlock OfOne(WorkerPool pool, Scratch scratch, float* logits, int rows, int rowsPerTile) =>
        Run(pool, scratch, new Body { Logits = logits, Rows = rows, Lanes = 1, RowsPerTile = rowsPerTile, IsOne = true });

    private static LogitBlock Run(WorkerPool pool, Scratch scratch, Body body)
    {
        var tiles = (body.Rows + body.RowsPerTile - 1) / body.RowsPerTile;
        body.Maximum = scratch.Floats((long)tiles * body.Lanes);
        body.Sum = scratch.Floats((long)tiles * body.Lanes);
        pool.Run(ref body, tiles);
        var result = new LogitBlock
        {
            Logits = body.Logits,
            LogSumExp = scratch.Floats(body.Lanes),
            TileMaximum = body.Maximum,
            RowsPerTile = body.RowsPerTile,
            Rows = body.Rows,
            Lanes = body.Lanes,
        };
        LinearSoftmax<MatrixShape>.CombineLogSumExp(pool, body.Maximum, body.Sum, tiles, body.Lanes, result.LogSumExp);
        return result;
    }

    private struct Body : IParallelBody
    {
        public float* Logits, Maximum, Sum;
        public int Rows, Lanes, RowsPerTile;
        public bool IsOne;

        public readonly void Run(int tile)
        {
            var first = tile * RowsPerTile;
            var rows = Math.Min(RowsPerTile, Rows - first);
            var logits = Logits + ((nint)first * Lanes);
            if (IsOne)
            {
                Maximum[tile] = SoftmaxKernel.Maximum(logits, rows);
                Sum[tile] = SoftmaxKernel.SumExp(logits, rows, Maximum[tile]);
            }
            else
            {
                SoftmaxKernel.BlockStatistics(logits, Lanes, Lanes, rows, Maximum + ((nint)tile * Lanes), Sum + ((nint)tile * Lanes));
            }
        }
    }
}
