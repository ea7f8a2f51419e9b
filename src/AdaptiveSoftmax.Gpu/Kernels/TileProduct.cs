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
            Step(ref tile, left, leftAt, fours, rightAt, x, y);
            Step(ref tile, left, leftAt + leftStride, fours, rightAt + RightStride, x, y);
            Step(ref tile, left, leftAt + (2 * leftStride), fours, rightAt + (2 * RightStride), x, y);
            Step(ref tile, left, leftAt + (3 * leftStride), fours, rightAt + (3 * RightStride), x, y);
            Step(ref tile, left, leftAt + (4 * leftStride), fours, rightAt + (4 * RightStride), x, y);
            Step(ref tile, left, leftAt + (5 * leftStride), fours, rightAt + (5 * RightStride), x, y);
            Step(ref tile, left, leftAt + (6 * leftStride), fours, rightAt + (6 * RightStride), x, y);
            Step(ref tile, left, leftAt + (7 * leftStride), fours, rightAt + (7 * RightStride), x, y);
            leftAt = (Depth * leftStride) - leftAt;
            rightAt = (Depth * RightStride) - rightAt;
        }

        Group.Barrier();
        return tile;
    }

    private static void Step<TTile>(ref TTile tile, ArrayView<float> left, int leftAt, ArrayView<Float4> right, int rightAt, int x, int y)
        where TTile : unmanaged, IRegisterTile =>
        tile.Step(left, leftAt, y, right[(rightAt / 4) + x], right[(rightAt / 4) + x + 16]);

    // Each thread brings four values of a tile; a tile of 16 rows needs only the first 32 threads.
    private static Float4 LoadNext<TOperand>(TOperand operand, int length, int outer, int depth)
        where TOperand : struct, IOperand
    {
        Float4 value = default;
        if (Group.IdxX < 2 * length)
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
        if (Group.IdxX >= 2 * length) return;
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
