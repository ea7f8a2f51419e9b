namespace AdaptiveSoftmax.Generators;

/// <summary>Describes one matrix kernel for tensor cores: bfloat16 operands, float32 sums, any sizes.</summary>
/// <param name="Name">The name of the method.</param>
/// <param name="Role">What is computed.</param>
/// <param name="InputSize">The input width K where it is constant; 0 takes it from the method's argument.</param>
/// <param name="TileRows">The rows of a group's output tile.</param>
/// <param name="TileColumns">The columns of a group's output tile.</param>
/// <param name="WarpRows">The number of warps that share a tile's rows.</param>
/// <param name="WarpColumns">The number of warps that share a tile's columns.</param>
/// <param name="Stages">The number of buffers in shared memory; all but one are being filled while one is read.</param>
internal sealed record TensorCoreKernel(
    string Name,
    TensorCoreRole Role,
    int InputSize = 0,
    int TileRows = 128,
    int TileColumns = 128,
    int WarpRows = 2,
    int WarpColumns = 4,
    int Stages = 3)
{
    /// <summary>The part of the contraction that one stage holds.</summary>
    public const int Depth = 64;

    /// <summary>The threads of a group.</summary>
    public int Threads => 32 * WarpRows * WarpColumns;

    /// <summary>The rows of a warp's part of a tile.</summary>
    public int WarpTileRows => TileRows / WarpRows;

    /// <summary>The columns of a warp's part of a tile.</summary>
    public int WarpTileColumns => TileColumns / WarpColumns;

    /// <summary>The products of 16 × 8 that cover a warp's rows.</summary>
    public int RowBlocks => WarpTileRows / 16;

    /// <summary>The products of 16 × 8 that cover a warp's columns.</summary>
    public int ColumnBlocks => WarpTileColumns / 8;

    /// <summary>The bytes of one stage: a block of each operand.</summary>
    public int StageBytes => LeftBytes + (2 * Depth * TileColumns);

    /// <summary>The bytes of the left operand in a stage.</summary>
    public int LeftBytes => 2 * Depth * TileRows;

    /// <summary>The bytes of dynamic shared memory that a launch must ask for.</summary>
    public int SharedBytes => Stages * StageBytes;

    /// <summary>Whether the result is a matrix in float32, whose contraction can be summed in several shares.</summary>
    public bool HasShares => Role is TensorCoreRole.InputGradient or TensorCoreRole.WeightGradient;

    /// <summary>Whether the left operand is stored with the contraction as its rows.</summary>
    public bool IsLeftTransposed => Role == TensorCoreRole.WeightGradient;

    /// <summary>Whether the right operand is stored with the contraction as its rows.</summary>
    public bool IsRightTransposed => HasShares;

    /// <summary>Throws where the threads could not share the tile evenly.</summary>
    /// <exception cref="ArgumentException">The sizes do not fit each other.</exception>
    public void Validate()
    {
        Require(InputSize >= 0, "the input size is negative");
        Require(Stages is >= 2 and <= 8, "the number of stages is not 2 to 8");
        Require(IsPowerOfTwo(TileRows) && IsPowerOfTwo(TileColumns) && TileRows >= 64 && TileColumns >= 64, "a side of the tile is not a power of two of at least 64");
        Require(IsPowerOfTwo(WarpRows) && IsPowerOfTwo(WarpColumns) && Threads <= 1024, "the warps are not a power of two a side with at most 1024 threads");
        Require(WarpTileRows >= 16 && WarpTileColumns is >= 16 and <= 64, "a warp's part is not at least 16 rows and 16 to 64 columns");
        Require(!IsLeftTransposed || WarpTileRows <= 64, "a warp's part of the left operand is more than 64 rows");
        Require(Threads >= TileRows && Threads >= TileColumns, "there are fewer threads than rows or columns");
        // An epilogue's tile, and a place a thread for numbers that text hands to C#.
        Require((2 * TileRows * TileColumns) + (8 * Threads) <= SharedBytes, "a tile of results does not fit into the stages");
        // Threads copy 16 bytes each; the swizzle repeats every eight rows, so a pass must cover a multiple of these.
        Require(Threads <= 8 * Math.Min(TileRows, TileColumns), "a pass of copies covers more than an operand's block");
    }

    private static bool IsPowerOfTwo(int value) => value > 0 && (value & (value - 1)) == 0;

    private void Require(bool condition, string fault)
    {
        if (!condition)
            throw new ArgumentException($"Tensor-core kernel '{Name}' cannot be written: {fault}. Choose other tile, warp or stage numbers.");
    }
}
