namespace AdaptiveSoftmax;

/// <summary>
/// The logits of one cluster for a block of tokens, as its forward pass leaves them and its backward pass takes them. They
/// live as long as the scratch memory that they were asked from.
/// </summary>
internal readonly unsafe struct LogitBlock
{
    /// <summary>The logits, [rows, lanes]; of few tokens [lanes, rows]. The backward pass turns them into their gradient.</summary>
    public required float* Logits { get; init; }

    /// <summary>The log-sum-exp of each lane, [lanes].</summary>
    public required float* LogSumExp { get; init; }

    /// <summary>The logits of the targets, [tokens], where <see cref="Logits"/> has not all rows; null where it has.</summary>
    public float* TargetLogits { get; init; }

    /// <summary>The rows of the cluster.</summary>
    public required int Rows { get; init; }

    /// <summary>The lanes: the tokens, filled up to a multiple of <see cref="TokenBlocks.LaneMultiple"/> unless they are few.</summary>
    public required int Lanes { get; init; }

    /// <summary>The sum of each lane's logits, weighted as label smoothing weighs them, [lanes]; null where nobody asked.</summary>
    public double* LogitSum { get; init; }

    /// <summary>The maximum of each tile of rows, [tiles, lanes].</summary>
    public float* TileMaximum { get; init; }

    /// <summary>The rows of a tile.</summary>
    public int RowsPerTile { get; init; }

    /// <summary>A tail's projected vectors, [width, lanes]; null in the head.</summary>
    public float* Projected { get; init; }

    /// <summary>From one row's logit to the next one's, and from one token's to the next one's.</summary>
    public (nint Row, nint Token) Steps => TokenBlocks.Steps(Rows, Lanes);

    /// <summary>The largest log-prob of one lane's first rows; the forward pass left the maximum of each tile of rows.</summary>
    /// <param name="lane">The lane.</param>
    /// <param name="rows">The rows to choose from.</param>
    /// <param name="cluster">The cluster's log-prob, 0 in the head.</param>
    /// <param name="row">The first row that has it.</param>
    public float Best(int lane, int rows, float cluster, out int row) =>
        BestScore.Find(Logits + lane, TileMaximum + lane, Lanes, RowsPerTile, rows, LogSumExp[lane], cluster, out row);
}

/// <summary>How the loss weighs the log-softmax of each row, by lane: see <see cref="LinearSoftmax{TShape}"/>.</summary>
internal readonly unsafe struct RowWeights
{
    /// <summary>The target's row, [lanes]; negative where the cluster does not hold it.</summary>
    public required int* TargetRow { get; init; }

    /// <summary>The weight of the target, [lanes].</summary>
    public required float* Target { get; init; }

    /// <summary>The total weight of all rows, [lanes].</summary>
    public required float* Total { get; init; }

    /// <summary>The weight that label smoothing gives each row, [lanes].</summary>
    public required float* Uniform { get; init; }
}
