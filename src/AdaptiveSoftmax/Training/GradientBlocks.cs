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
internal readonly ref struct GradientBlocks
{
    // 128 KiB of values amortise handing a block to a thread and still balance the load.
    private const int BlockLength = 1 << 15;

    private readonly Parameter _parameter;
    private readonly int _rowsPerBlock;

    public GradientBlocks(Parameter parameter)
    {
        _parameter = parameter;
        if (parameter.GradientLayout == GradientLayout.Dense)
        {
            Count = (int)((parameter.Count + BlockLength - 1) / BlockLength);
            return;
        }

        _rowsPerBlock = Math.Max(1, BlockLength / Math.Max(1, parameter.Columns));
        Count = (parameter.SortTouchedRows().Length + _rowsPerBlock - 1) / _rowsPerBlock;
    }

    /// <summary>The number of blocks.</summary>
    public int Count { get; }

    /// <summary>Handles every block.</summary>
    public void Run<TAction>(TAction action)
        where TAction : struct, IGradientAction
    {
        for (var block = 0; block < Count; block++) RunBlock(action, block);
    }

    private void RunBlock<TAction>(TAction action, int block)
        where TAction : struct, IGradientAction
    {
        if (_parameter.GradientLayout == GradientLayout.Dense)
        {
            var start = (long)block * BlockLength;
            action.Run(block, start, Math.Min(BlockLength, _parameter.Count - start));
            return;
        }

        var rows = _parameter.TouchedRows;
        var first = block * _rowsPerBlock;
        var end = Math.Min(rows.Length, first + _rowsPerBlock);
        foreach (var row in rows[first..end])
            action.Run(block, (long)row * _parameter.Columns, _parameter.Columns);
    }
}
