using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace AdaptiveSoftmax.Tool.Weights;

/// <summary>What turns the matrices of one layout into those of another.</summary>
internal static class MatrixFolding
{
    /// <summary>target[c, r] = source[r, c]; the target may have more rows and columns, which are left alone.</summary>
    public static void Transpose(Parameter source, Parameter target)
    {
        // By tiles, so that neither side is walked a cache line a value.
        const int Tile = 32;
        for (var row = 0; row < source.Rows; row += Tile)
        {
            for (var column = 0; column < source.Columns; column += Tile)
            {
                for (var c = column; c < Math.Min(source.Columns, column + Tile); c++)
                {
                    var values = target.WritableRow(c);
                    for (var r = row; r < Math.Min(source.Rows, row + Tile); r++) values[r] = source.Row(r)[c];
                }
            }
        }
    }

    /// <summary>Copies rows, which may be narrower than the target's.</summary>
    public static void CopyRows(Parameter source, Parameter target, int firstRow)
    {
        for (var row = 0; row < source.Rows; row++) source.Row(row).CopyTo(target.WritableRow(firstRow + row));
    }

    /// <summary>target[firstRow + r, c] = source[r] · factor[c], summed in double precision and rounded once.</summary>
    /// <param name="source">[rows, width].</param>
    /// <param name="factor">[columns, width].</param>
    /// <param name="target">At least [firstRow + rows, columns].</param>
    /// <param name="firstRow">The first row that is written.</param>
    public static void MultiplyRows(Parameter source, Parameter factor, Parameter target, int firstRow) =>
        Parallel.For(0, source.Rows, row =>
        {
            var left = source.Row(row);
            var output = target.WritableRow(firstRow + row);
            for (var column = 0; column < factor.Rows; column++) output[column] = (float)Dot(left, factor.Row(column));
        });

    // Vectors of one width everywhere, so that the sums have one order on every machine.
    private static double Dot(ReadOnlySpan<float> left, ReadOnlySpan<float> right)
    {
        ref var leftStart = ref MemoryMarshal.GetReference(left);
        ref var rightStart = ref MemoryMarshal.GetReference(right[..left.Length]);
        var (low, high) = (Vector256<double>.Zero, Vector256<double>.Zero);
        var i = 0;
        for (; i <= left.Length - Vector256<float>.Count; i += Vector256<float>.Count)
        {
            var (leftLow, leftHigh) = Vector256.Widen(Vector256.LoadUnsafe(ref leftStart, (nuint)i));
            var (rightLow, rightHigh) = Vector256.Widen(Vector256.LoadUnsafe(ref rightStart, (nuint)i));
            low += leftLow * rightLow;
            high += leftHigh * rightHigh;
        }

        var sum = Vector256.Sum(low + high);
        for (; i < left.Length; i++) sum += (double)left[i] * right[i];
        return sum;
    }
}
