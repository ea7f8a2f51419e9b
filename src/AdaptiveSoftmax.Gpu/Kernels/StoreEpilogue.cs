using ILGPU;

namespace AdaptiveSoftmax.Gpu.Kernels;

/// <summary>Writes a tile's sums to a matrix, or adds them to it.</summary>
internal struct StoreEpilogue : IRowEpilogue
{
    public ArrayView<Float4> Result;
    /// <summary>Where the tile's first row begins, in fours.</summary>
    public long Offset;
    public int Rows;
    public int Column;
    public int Columns;
    public int Stride;
    public int Accumulate;

    public readonly void Row(int row, RowSums sums)
    {
        if (row >= Rows) return;
        var at = Offset + ((((long)row * Stride) + Column) / 4);
        if (Column < Columns) Store(at, sums.Left);
        if (Column + 64 < Columns) Store(at + 16, sums.Right);
    }

    private readonly void Store(long at, Float4 four)
    {
        if (Accumulate != 0)
        {
            var old = Result[at];
            four.X += old.X;
            four.Y += old.Y;
            four.Z += old.Z;
            four.W += old.W;
        }

        Result[at] = four;
    }
}
