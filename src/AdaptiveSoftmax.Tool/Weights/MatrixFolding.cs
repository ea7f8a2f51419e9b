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
                for (var r = row; r < Math.Min(source.Rows, row + Tile); r++)
                {
                    var values = source.Row(r);
                    for (var c = column; c < Math.Min(source.Columns, column + Tile); c++) target.Row(c)[r] = values[c];
                }
            }
        }
    }

    /// <summary>Copies rows, which may be narrower than the target's.</summary>
    public static void CopyRows(Parameter source, Parameter target, int firstRow)
    {
        for (var row = 0; row < source.Rows; row++) source.Row(row).CopyTo(target.Row(firstRow + row));
    }

    /// <summary>target[firstRow + r, c] = source[r] · factor[c], summed in double precision and rounded once.</summary>
    /// <param name="source">[rows, width].</param>
    /// <param name="factor">[columns, width].</param>
    /// <param name="target">At least [firstRow + rows, columns].</param>
    /// <param name="firstRow">The first row that is written.</param>
    public static void MultiplyRows(Parameter source, Parameter factor, Parameter target, int firstRow) =>
        Parallel.For(0, source.Rows, row =>
        {
            ReadOnlySpan<float> left = source.Row(row);
            var output = target.Row(firstRow + row);
            for (var column = 0; column < factor.Rows; column++) output[column] = (float)Dot(left, factor.Row(column));
        });

    private static double Dot(ReadOnlySpan<float> left, ReadOnlySpan<float> right)
    {
        var (a, b, c, d) = (0.0, 0.0, 0.0, 0.0);
        var i = 0;
        for (; i <= left.Length - 4; i += 4)
        {
            a += (double)left[i] * right[i];
            b += (double)left[i + 1] * right[i + 1];
            c += (double)left[i + 2] * right[i + 2];
            d += (double)left[i + 3] * right[i + 3];
        }

        for (; i < left.Length; i++) a += (double)left[i] * right[i];
        return a + b + (c + d);
    }
}
