using ILGPU;

namespace AdaptiveSoftmax.Gpu.Kernels;

/// <summary>
/// The sums that a thread keeps in registers while a group multiplies two tiles. A group has 16 × 16 threads and 128
/// columns; a thread's 8 columns are 4 from <c>4 · x</c> on and 4 from <c>64 + 4 · x</c> on, so that neighbours read
/// neighbouring words of shared memory. The fields are spelled out because a local array would lie in memory.
/// </summary>
internal interface IRegisterTile
{
    /// <summary>The rows of the group's tile.</summary>
    int GroupRows { get; }

    /// <summary>Adds the outer product of one depth of both tiles.</summary>
    /// <param name="a">The left tile.</param>
    /// <param name="at">Where its buffer begins, a multiple of 4.</param>
    /// <param name="depth">Where the depth begins in the buffer, a constant and a multiple of 4: [group rows] from there on.</param>
    /// <param name="y">The thread's row of 16.</param>
    /// <param name="left">The thread's columns in the lower half of the right tile.</param>
    /// <param name="right">The thread's columns in the upper half.</param>
    void Step(ArrayView<float> a, int at, int depth, int y, Float4 left, Float4 right);

    /// <summary>Hands each of the thread's rows to an epilogue.</summary>
    /// <param name="epilogue">What becomes of the sums.</param>
    /// <param name="y">The thread's row of 16.</param>
    void ForEachRow<TEpilogue>(TEpilogue epilogue, int y)
        where TEpilogue : struct, IRowEpilogue;
}

/// <summary>What becomes of a tile's sums.</summary>
internal interface IRowEpilogue
{
    /// <summary>Takes a thread's eight sums of one row.</summary>
    /// <param name="row">The row within the group's tile.</param>
    /// <param name="sums">The sums.</param>
    void Row(int row, RowSums sums);
}

/// <summary>Eight sums of one row, 64 columns between the fours.</summary>
internal struct RowSums
{
    public Float4 Left;
    public Float4 Right;

    public static RowSums MultiplyAdd(RowSums sums, float a, Float4 left, Float4 right)
    {
        sums.Left.X += a * left.X;
        sums.Left.Y += a * left.Y;
        sums.Left.Z += a * left.Z;
        sums.Left.W += a * left.W;
        sums.Right.X += a * right.X;
        sums.Right.Y += a * right.Y;
        sums.Right.Z += a * right.Z;
        sums.Right.W += a * right.W;
        return sums;
    }
}

/// <summary>128 rows: eight a thread, for training.</summary>
internal struct Tile128 : IRegisterTile
{
    private RowSums _r0, _r1, _r2, _r3, _r4, _r5, _r6, _r7;

    public readonly int GroupRows => 128;

    public void Step(ArrayView<float> a, int at, int depth, int y, Float4 left, Float4 right)
    {
        var rows = a.Cast<Float4>().SubView((at / 4) + y);
        var low = rows[depth / 4];
        var high = rows[(depth / 4) + 16];
        _r0 = RowSums.MultiplyAdd(_r0, low.X, left, right);
        _r1 = RowSums.MultiplyAdd(_r1, low.Y, left, right);
        _r2 = RowSums.MultiplyAdd(_r2, low.Z, left, right);
        _r3 = RowSums.MultiplyAdd(_r3, low.W, left, right);
        _r4 = RowSums.MultiplyAdd(_r4, high.X, left, right);
        _r5 = RowSums.MultiplyAdd(_r5, high.Y, left, right);
        _r6 = RowSums.MultiplyAdd(_r6, high.Z, left, right);
        _r7 = RowSums.MultiplyAdd(_r7, high.W, left, right);
    }

    public readonly void ForEachRow<TEpilogue>(TEpilogue epilogue, int y)
        where TEpilogue : struct, IRowEpilogue
    {
        var row = 4 * y;
        epilogue.Row(row, _r0);
        epilogue.Row(row + 1, _r1);
        epilogue.Row(row + 2, _r2);
        epilogue.Row(row + 3, _r3);
        epilogue.Row(row + 64, _r4);
        epilogue.Row(row + 65, _r5);
        epilogue.Row(row + 66, _r6);
        epilogue.Row(row + 67, _r7);
    }
}

/// <summary>16 rows: one a thread, for decoding small batches.</summary>
internal struct Tile16 : IRegisterTile
{
    private RowSums _row;

    public readonly int GroupRows => 16;

    public void Step(ArrayView<float> a, int at, int depth, int y, Float4 left, Float4 right) =>
        _row = RowSums.MultiplyAdd(_row, a.SubView(at + y)[depth], left, right);

    public readonly void ForEachRow<TEpilogue>(TEpilogue epilogue, int y)
        where TEpilogue : struct, IRowEpilogue => epilogue.Row(y, _row);
}
