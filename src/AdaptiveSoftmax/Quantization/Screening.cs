namespace AdaptiveSoftmax;

/// <summary>What screening makes of the rows of a cluster for one input.</summary>
internal unsafe struct Screening
{
    /// <summary>The input, [columns].</summary>
    public float* Input;

    /// <summary>The input in whole numbers, and its <see cref="RowErrors.Norm"/>.</summary>
    public WholeInput Whole;

    /// <inheritdoc cref="Whole"/>
    public float Norm;

    /// <summary>Room for a widened row, where the input is one of a block, whose products round otherwise; else null.</summary>
    public float* Widened;

    /// <summary>The copy that all rows were read from.</summary>
    public int Stage;

    /// <summary>An upper bound of each stored logit, [rows].</summary>
    public float* Upper;

    /// <summary>The largest upper bound of each tile of rows, [tiles].</summary>
    public float* Bound;

    /// <summary>With sums: the largest approximate logit of each tile, [tiles].</summary>
    public float* Maximum;

    /// <summary>With sums: the sum of exponentials of each tile, and that of exponentials times error bounds, [tiles].</summary>
    public float* Sum;

    /// <inheritdoc cref="Sum"/>
    public float* ErrorSum;

    public int Tiles;

    /// <summary>No stored logit has a larger magnitude.</summary>
    public double LargestLogit;

    /// <summary>The largest bound of all rows.</summary>
    public readonly float LargestBound => SoftmaxKernel.Maximum(Bound, Tiles);
}

/// <summary>How many rows were read, and from what.</summary>
internal struct ScreenCounts
{
    public long Screened, Int4, Int8, Rescored;

    public void Add(Vocabulary.WeightPrecision precision, long rows)
    {
        if (precision == Vocabulary.WeightPrecision.Int4) Int4 += rows;
        else Int8 += rows;
    }
}
