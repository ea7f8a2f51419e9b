namespace AdaptiveSoftmax.Distributed;

/// <summary>Rows that are cut into blocks, which the ranks share: the blocks are the leaves of a tree.</summary>
/// <param name="rows">The rows.</param>
/// <param name="blocks">The blocks, at least one a rank.</param>
/// <param name="ranks">The ranks.</param>
internal sealed class RowCut(int rows, int blocks, int ranks)
{
    /// <summary>The order in which sums over the rows are added up.</summary>
    public SumTree Tree { get; } = new(blocks, ranks);

    /// <summary>All rows.</summary>
    public int Rows => rows;

    /// <summary>The rows of a block, [start, end).</summary>
    public (int Start, int End) RowsOf(int block) => (StartOf(block), StartOf(block + 1));

    /// <summary>The rows of a rank's blocks, [start, end).</summary>
    public (int Start, int End) RowsOfRank(int rank)
    {
        var (first, end) = Tree.LeavesOf(rank);
        return (StartOf(first), StartOf(end));
    }

    /// <summary>The rank that has a row.</summary>
    public int RankOf(int row)
    {
        var rank = 0;
        while (row >= RowsOfRank(rank).End) rank++;
        return rank;
    }

    private int StartOf(int block) => (int)((long)rows * block / blocks);
}
