using ILGPU;

namespace AdaptiveSoftmax.Gpu.Kernels;

/// <summary>
/// The product of two tiles by one group: every matrix product of the library is this loop. Tiles of 8 depths go through
/// two buffers of shared memory, and the next ones are on their way while a thread multiplies.
/// </summary>
internal static class TileProduct
{
    public const int GroupSize = 256;
    public const int Columns = 128;

    private const int Depth = 8;

    // Four words more a depth let the two halves of a depth that threads store at once fall on different banks.
    private const int Padding = 4;
    private const int RightStride = Columns + Padding;

    /// <summary>The shared memory of the left tile for the largest register tile.</summary>
    public const int LeftLength = 2 * Depth * (128 + Padding);

    /// <summary>The shared memory of the right tile.</summary>
    public const int RightLength = 2 * Depth * RightStride;

    /// <summary>Sums A(row, k) · B(column, k) over the depths k.</summary>
    /// <param name="a">The left factor.</param>
    /// <param name="b">The right factor.</param>
    /// <param name="left">Shared memory, [<see cref="LeftLength"/>].</param>
    /// <param name="right">Shared memory, [<see cref="RightLength"/>].</param>
    /// <param name="row">The tile's first row.</param>
    /// <param name="column">The tile's first column.</param>
    /// <param name="depths">The number of depths.</param>
    public static TTile Multiply<TTile, TA, TB>(TA a, TB b, ArrayView<float> left, ArrayView<float> right, int row, int column, int depths)
        where TTile : unmanaged, IRegisterTile
        where TA : struct, IOperand
        where TB : struct, IOperand
    {
        TTile tile = default;
        var height = default(TTile).GroupRows;
        var leftStride = height + Padding;
        int x = Group.IdxX & 15, y = Group.IdxX >> 4;
        var fours = right.Cast<Float4>();
        var nextA = LoadNext(a, height, row, 0);
        var nextB = LoadNext(b, Columns, column, 0);
        int leftAt = 0, rightAt = 0;
        for (var depth = 0; depth < depths; depth += Depth)
        {
            // The buffer was last read before the previous barrier, so it is free. Nothing conditional stands behind the
            // products: ILGPU would move them there, away from their loads, whose values then fill the registers.
            Store(a, nextA, left, leftAt, leftStride, height);
            Store(b, nextB, right, rightAt, RightStride, Columns);
            Group.Barrier();
            if (depth + Depth < depths)
            {
                nextA = LoadNext(a, height, row, depth + Depth);
                nextB = LoadNext(b, Columns, column, depth + Depth);
            }

            // Spelled out: ILGPU does not unroll.
            Step(ref tile, left, 0, leftAt, fours, 0, rightAt, x, y);
            Step(ref tile, left, leftStride, leftAt, fours, RightStride, rightAt, x, y);
            Step(ref tile, left, 2 * leftStride, leftAt, fours, 2 * RightStride, rightAt, x, y);
            Step(ref tile, left, 3 * leftStride, leftAt, fours, 3 * RightStride, rightAt, x, y);
            Step(ref tile, left, 4 * leftStride, leftAt, fours, 4 * RightStride, rightAt, x, y);
            Step(ref tile, left, 5 * leftStride, leftAt, fours, 5 * RightStride, rightAt, x, y);
            Step(ref tile, left, 6 * leftStride, leftAt, fours, 6 * RightStride, rightAt, x, y);
            Step(ref tile, left, 7 * leftStride, leftAt, fours, 7 * RightStride, rightAt, x, y);
            leftAt = (Depth * leftStride) - leftAt;
            rightAt = (Depth * RightStride) - rightAt;
        }

        Group.Barrier();
        return tile;
    }

    // The depth's offset is a constant: it goes into the address of a load, where an index would be computed for each.
    private static void Step<TTile>(ref TTile tile, ArrayView<float> left, int leftDepth, int leftAt, ArrayView<Float4> right, int rightDepth, int rightAt, int x, int y)
        where TTile : unmanaged, IRegisterTile
    {
        var columns = right.SubView((rightAt / 4) + x);
        tile.Step(left, leftAt, leftDepth, y, columns[rightDepth / 4], columns[(rightDepth / 4) + 16]);
    }

    // The compiler does not know how many threads a group has, and drops the question where the tile needs all of them.
    private static bool Brings(int length) => 2 * length == GroupSize || Group.IdxX < 2 * length;

    // Each thread brings four values of a tile; a tile of 16 rows needs only the first 32 threads.
    private static Float4 LoadNext<TOperand>(TOperand operand, int length, int outer, int depth)
        where TOperand : struct, IOperand
    {
        Float4 value = default;
        if (Brings(length))
        {
            value = operand.RunsAlongDepth
                ? operand.Load(outer + (Group.IdxX >> 1), depth + (4 * (Group.IdxX & 1)))
                : operand.Load(outer + (4 * (Group.IdxX % (length / 4))), depth + (Group.IdxX / (length / 4)));
        }

        return value;
    }

    private static void Store<TOperand>(TOperand operand, Float4 value, ArrayView<float> shared, int start, int stride, int length)
        where TOperand : struct, IOperand
    {
        if (!Brings(length)) return;
        if (operand.RunsAlongDepth)
        {
            var at = start + (4 * (Group.IdxX & 1) * stride) + (Group.IdxX >> 1);
            shared[at] = value.X;
            shared[at + stride] = value.Y;
            shared[at + (2 * stride)] = value.Z;
            shared[at + (3 * stride)] = value.W;
        }
        else
        {
            shared.Cast<Float4>()[(start / 4) + ((Group.IdxX / (length / 4)) * (stride / 4)) + (Group.IdxX % (length / 4))] = value;
        }
    }
}
