using ILGPU;
using ILGPU.Algorithms;
using ILGPU.Util;

namespace AdaptiveSoftmax.Gpu.Kernels;

/// <summary>Turns a thread's sums into logits: adds the bias, and −∞ where the weight has no row any more.</summary>
/// <param name="bias">The bias, if there is one.</param>
/// <param name="hasBias">Whether there is.</param>
/// <param name="column">The thread's first column; it has four from there on and four more 64 columns on.</param>
/// <param name="rows">The rows of the weight.</param>
internal readonly struct BiasedColumns(ArrayView<float> bias, int hasBias, int column, int rows)
{
    public int Column => column;

    public int Rows => rows;

    public RowSums Apply(RowSums sums)
    {
        sums.Left.X = One(column, sums.Left.X);
        sums.Left.Y = One(column + 1, sums.Left.Y);
        sums.Left.Z = One(column + 2, sums.Left.Z);
        sums.Left.W = One(column + 3, sums.Left.W);
        sums.Right.X = One(column + 64, sums.Right.X);
        sums.Right.Y = One(column + 65, sums.Right.Y);
        sums.Right.Z = One(column + 66, sums.Right.Z);
        sums.Right.W = One(column + 67, sums.Right.W);
        return sums;
    }

    /// <summary>The same, with +∞ for what is not finite: no sum of exponentials can lose it, as it could a NaN or −∞.</summary>
    public RowSums ApplyChecked(RowSums sums)
    {
        sums = Apply(sums);
        sums.Left.X = Checked(column, sums.Left.X);
        sums.Left.Y = Checked(column + 1, sums.Left.Y);
        sums.Left.Z = Checked(column + 2, sums.Left.Z);
        sums.Left.W = Checked(column + 3, sums.Left.W);
        sums.Right.X = Checked(column + 64, sums.Right.X);
        sums.Right.Y = Checked(column + 65, sums.Right.Y);
        sums.Right.Z = Checked(column + 66, sums.Right.Z);
        sums.Right.W = Checked(column + 67, sums.Right.W);
        return sums;
    }

    private float One(int at, float sum)
    {
        if (at >= rows) return float.NegativeInfinity;
        if (hasBias != 0) sum += bias[at];
        return sum;
    }

    private float Checked(int at, float logit) => at < rows ? FloatBits.OrInfinity(logit) : logit;
}

/// <summary>
/// Whether values are finite, by their bits: compilers that take floating-point numbers for finite may leave out comparisons.
/// </summary>
internal static class FloatBits
{
    private const uint Magnitude = 0x7FFFFFFF;
    private const uint Infinity = 0x7F800000;

    public static bool IsFinite(float value) => (Interop.FloatAsInt(value) & Magnitude) < Infinity;

    /// <summary>The value, or +∞ where it is not finite.</summary>
    public static float OrInfinity(float value)
    {
        var bits = Interop.FloatAsInt(value);
        return Interop.IntAsFloat(Utilities.Select((bits & Magnitude) < Infinity, bits, Infinity));
    }
}

/// <summary>Arithmetic on a thread's eight values of a row.</summary>
internal static class RowMath
{
    public static float Max(RowSums row) => XMath.Max(
        XMath.Max(XMath.Max(row.Left.X, row.Left.Y), XMath.Max(row.Left.Z, row.Left.W)),
        XMath.Max(XMath.Max(row.Right.X, row.Right.Y), XMath.Max(row.Right.Z, row.Right.W)));

    public static float SumExp(RowSums row, float top) =>
        XMath.Exp(row.Left.X - top) + XMath.Exp(row.Left.Y - top) + XMath.Exp(row.Left.Z - top) + XMath.Exp(row.Left.W - top)
        + XMath.Exp(row.Right.X - top) + XMath.Exp(row.Right.Y - top) + XMath.Exp(row.Right.Z - top) + XMath.Exp(row.Right.W - top);

    /// <summary>Combines two pairs of maximum and sum of exponentials; an empty pair is (−∞, 0).</summary>
    public static void Combine(ref float top, ref float total, float otherTop, float otherTotal)
    {
        if (otherTop > top)
        {
            total = (total * XMath.Exp(top - otherTop)) + otherTotal;
            top = otherTop;
        }
        else if (otherTop > float.NegativeInfinity)
        {
            total += otherTotal * XMath.Exp(otherTop - top);
        }
    }
}
