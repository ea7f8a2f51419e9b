using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace AdaptiveSoftmax;

/// <summary>How the values of a row are stored, and how a vector of partial sums takes up some of them.</summary>
/// <typeparam name="TVector">Partial sums, and as many columns of the input.</typeparam>
internal unsafe interface IRowFormat<TVector>
    where TVector : unmanaged
{
    /// <summary>The bytes of a value.</summary>
    static abstract int Bytes { get; }

    /// <summary>The columns that one vector takes up.</summary>
    static abstract int Width { get; }

    /// <summary>
    /// Rows of so many columns are taken one by one: they hide the latency of additions by themselves, and the memory's
    /// prefetcher follows one long row better than four at once.
    /// </summary>
    static abstract int LongRow { get; }

    static abstract TVector Zero { get; }

    /// <summary>Reads <see cref="Width"/> columns of the input.</summary>
    static abstract TVector LoadInput(void* input, int column);

    /// <summary>Keeps the last <paramref name="count"/> columns of a vector, under <see cref="And"/>.</summary>
    static abstract TVector LastColumns(int count);

    static abstract TVector And(TVector left, TVector right);

    static abstract TVector Add(TVector left, TVector right);

    /// <summary>sum + row · input.</summary>
    static abstract TVector MultiplyAdd(byte* row, TVector input, TVector sum);

    /// <summary>The same of the columns that the mask keeps; those of the input are 0 where it does not.</summary>
    static abstract TVector MultiplyAdd(byte* row, TVector mask, TVector input, TVector sum);

    /// <summary>The sum of the partial sums of each. One order of additions, on every machine.</summary>
    static abstract Vector128<float> Sums(TVector s0, TVector s1, TVector s2, TVector s3);
}

/// <summary>
/// outputs[r] = Σ_k weight[r, k] · input[k], for every format and vector width. What is left of a row after its whole vectors
/// is taken from one more vector that ends with the row, without the columns that were counted already; so rows must be at
/// least a vector long.
/// </summary>
/// <remarks>
/// Four rows are summed by one tree of shuffles and additions: a quarter of what four sums along a vector cost, which is
/// most of the work of a narrow matrix. Trees over sixteen rows gain nothing more. A row's bits do not depend on the rows
/// around it.
/// </remarks>
internal static unsafe class RowProducts<TFormat, TVector>
    where TFormat : struct, IRowFormat<TVector>
    where TVector : unmanaged
{
    /// <summary>The product of rows [first, end).</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Multiply<TShape>(TShape shape, void* weight, void* input, float* outputs, int first, int end)
        where TShape : unmanaged, IMatrixShape
    {
        var columns = shape.Columns;
        var stride = (nint)columns * TFormat.Bytes;
        var mask = TFormat.LastColumns(columns % TFormat.Width);
        var last = TFormat.And(TFormat.LoadInput(input, columns - TFormat.Width), mask);
        var w = (byte*)weight + (first * stride);
        var row = first;
        if (columns >= TFormat.LongRow)
        {
            for (; row < end; row++, w += stride)
            {
                var sum = OneRow(w, input, columns, mask, last);
                outputs[row] = TFormat.Sums(sum, sum, sum, sum)[0];
            }

            return;
        }

        for (; row + 4 <= end; row += 4, w += 4 * stride) FourRows(w, stride, input, columns, mask, last).Store(outputs + row);
        for (; row < end; row++, w += stride) outputs[row] = FourRows(w, 0, input, columns, mask, last)[0];
    }

    // Inlined, where a generated shape makes the number of columns a constant.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<float> FourRows(byte* w0, nint stride, void* x, int columns, TVector mask, TVector last)
    {
        byte* w1 = w0 + stride, w2 = w1 + stride, w3 = w2 + stride;
        TVector s0 = TFormat.Zero, s1 = TFormat.Zero, s2 = TFormat.Zero, s3 = TFormat.Zero;
        var k = 0;
        nint at = 0;
        for (; k + TFormat.Width <= columns; k += TFormat.Width, at += TFormat.Width * TFormat.Bytes)
        {
            var v = TFormat.LoadInput(x, k);
            s0 = TFormat.MultiplyAdd(w0 + at, v, s0);
            s1 = TFormat.MultiplyAdd(w1 + at, v, s1);
            s2 = TFormat.MultiplyAdd(w2 + at, v, s2);
            s3 = TFormat.MultiplyAdd(w3 + at, v, s3);
        }

        if (k < columns)
        {
            at = (nint)(columns - TFormat.Width) * TFormat.Bytes;
            s0 = TFormat.MultiplyAdd(w0 + at, mask, last, s0);
            s1 = TFormat.MultiplyAdd(w1 + at, mask, last, s1);
            s2 = TFormat.MultiplyAdd(w2 + at, mask, last, s2);
            s3 = TFormat.MultiplyAdd(w3 + at, mask, last, s3);
        }

        return TFormat.Sums(s0, s1, s2, s3);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector OneRow(byte* w, void* x, int columns, TVector mask, TVector last)
    {
        TVector s0 = TFormat.Zero, s1 = TFormat.Zero, s2 = TFormat.Zero, s3 = TFormat.Zero;
        int width = TFormat.Width, step = width * TFormat.Bytes, k = 0;
        for (; k + (8 * width) <= columns; k += 8 * width, w += 8 * step)
        {
            s0 = TFormat.MultiplyAdd(w, TFormat.LoadInput(x, k), s0);
            s1 = TFormat.MultiplyAdd(w + step, TFormat.LoadInput(x, k + width), s1);
            s2 = TFormat.MultiplyAdd(w + (2 * step), TFormat.LoadInput(x, k + (2 * width)), s2);
            s3 = TFormat.MultiplyAdd(w + (3 * step), TFormat.LoadInput(x, k + (3 * width)), s3);
            s0 = TFormat.MultiplyAdd(w + (4 * step), TFormat.LoadInput(x, k + (4 * width)), s0);
            s1 = TFormat.MultiplyAdd(w + (5 * step), TFormat.LoadInput(x, k + (5 * width)), s1);
            s2 = TFormat.MultiplyAdd(w + (6 * step), TFormat.LoadInput(x, k + (6 * width)), s2);
            s3 = TFormat.MultiplyAdd(w + (7 * step), TFormat.LoadInput(x, k + (7 * width)), s3);
        }

        for (; k + width <= columns; k += width, w += step) s0 = TFormat.MultiplyAdd(w, TFormat.LoadInput(x, k), s0);
        if (k < columns) s1 = TFormat.MultiplyAdd(w - ((width - (columns - k)) * TFormat.Bytes), mask, last, s1);
        return TFormat.Add(TFormat.Add(s0, s1), TFormat.Add(s2, s3));
    }
}
