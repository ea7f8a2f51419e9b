using ILGPU;

namespace AdaptiveSoftmax.Gpu.Kernels;

/// <summary>Writes a tile's sums to a matrix, or adds them to it.</summary>
internal struct StoreEpilogue : IRowEpilogue
{
    public ArrayView<Float4> Result;
    public int First;
    public int Rows;
    public int Column;
    public int Columns;
    public int Stride;
    public int Accumulate;

    public readonly void Row(int row, RowSums sums)
    {
        if (row >= Rows) return;
        var at = (((long)First + row) * Stride) + Column;
        if (Column < Columns) Store(at / 4, sums.Left);
        if (Column + 64 < Columns) Store((at / 4) + 16, sums.Right);
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
