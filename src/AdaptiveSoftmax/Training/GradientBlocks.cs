namespace AdaptiveSoftmax;

/// <summary>What is done with one contiguous run of gradient values.</summary>
internal interface IGradientAction
{
    /// <summary>Handles the values [start, start + count) of a parameter, which belong to <paramref name="block"/>.</summary>
    void Run(int block, long start, long count);
}

/// <summary>
/// Cuts a parameter's gradient, or the touched rows of a row-sparse one in ascending order, into blocks. The cut depends
/// on sizes alone, never on the number of threads; the runs of one block are handled in order by one thread.
/// </summary>
internal static unsafe class GradientBlocks
{
    // 128 KiB of values amortise handing a block to a thread and still balance the load.
    private const int BlockLength = 1 << 15;

    /// <summary>The number of blocks of a parameter's gradient.</summary>
    public static int Count(Parameter parameter)
    {
        if (parameter.GradientLayout == GradientLayout.Dense)
            return checked((int)((parameter.Count + BlockLength - 1) / BlockLength));
        var rowsPerBlock = GetRowsPerBlock(parameter);
        return (int)(((long)parameter.TouchedRows.Length + rowsPerBlock - 1) / rowsPerBlock);
    }

    /// <summary>Handles every block.</summary>
    public static void Run<TAction>(Parameter parameter, TAction action, int threads)
        where TAction : unmanaged, IGradientAction
    {
        fixed (int* rows = parameter.SortTouchedRows())
        {
            var body = new Body<TAction>
            {
                Action = action,
                IsDense = parameter.GradientLayout == GradientLayout.Dense,
                Count = parameter.Count,
                Columns = parameter.Columns,
                Rows = rows,
                RowCount = parameter.TouchedRows.Length,
                RowsPerBlock = GetRowsPerBlock(parameter),
            };
            WorkerPool.Get(threads).Run(ref body, Count(parameter));
        }
    }

    private static int GetRowsPerBlock(Parameter parameter) => Math.Max(1, BlockLength / Math.Max(1, parameter.Columns));

    private struct Body<TAction> : IParallelBody
        where TAction : unmanaged, IGradientAction
    {
        public TAction Action;
        public bool IsDense;
        public long Count;
        public int Columns;
        public int* Rows;
        public int RowCount;
        public int RowsPerBlock;

        public void Run(int tile)
        {
            if (IsDense)
            {
                var start = (long)tile * BlockLength;
                Action.Run(tile, start, Math.Min(BlockLength, Count - start));
                return;
            }

            var end = Math.Min(RowCount, ((long)tile + 1) * RowsPerBlock);
            for (var i = (long)tile * RowsPerBlock; i < end; i++)
                Action.Run(tile, (long)Rows[i] * Columns, Columns);
        }
    }
}
