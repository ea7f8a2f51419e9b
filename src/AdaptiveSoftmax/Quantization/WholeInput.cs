using System.Runtime.Intrinsics;

namespace AdaptiveSoftmax;

/// <summary>An input x as whole numbers of up to 16 bits: x ≈ Step · Values.</summary>
internal readonly unsafe struct WholeInput
{
    // The smallest normal number: a step below it would be too coarse to divide by.
    private const float SmallestStep = 1.17549435e-38f;

    /// <summary>Rounds an input.</summary>
    /// <param name="x">[columns].</param>
    /// <param name="columns">The columns.</param>
    /// <param name="values">Receives the whole numbers and zeros behind them, <see cref="Room"/>.</param>
    public WholeInput(float* x, int columns, short* values)
    {
        Values = values;
        var largest = Vectors.LargestMagnitude(x, columns);
        var limit = Int8Gemv.LargestInput(columns);
        Step = MathF.Max(largest / limit, SmallestStep);

        // Whatever whole number is taken, the residual is measured against it, in float64.
        var (step, least, most) = (Vector256.Create(Step), Vector256.Create((float)-limit), Vector256.Create((float)limit));
        Vector256<double> squares = default, residuals = default;
        var k = 0;
        for (; k + (2 * Vector256<float>.Count) <= columns; k += 2 * Vector256<float>.Count)
        {
            var first = Round(Vector256.Load(x + k), step, least, most, ref squares, ref residuals);
            var second = Round(Vector256.Load(x + k + Vector256<float>.Count), step, least, most, ref squares, ref residuals);
            Vector256.Narrow(first, second).Store(values + k);
        }

        double squareSum = Vector256.Sum(squares), residualSum = Vector256.Sum(residuals);
        for (; k < columns; k++)
        {
            values[k] = (short)Math.Clamp(MathF.Round(x[k] / Step), -limit, limit);
            var residual = x[k] - ((double)Step * values[k]);
            squareSum += (double)x[k] * x[k];
            residualSum += residual * residual;
        }

        for (var end = Room(columns); k < end; k++) values[k] = 0;
        (Norm, Residual) = (Math.Sqrt(squareSum), Math.Sqrt(residualSum));
    }

    /// <summary>The places for the whole numbers: groups of columns are filled up with zeros.</summary>
    public static int Room(int columns) => Int4Gemv.Groups(columns) * Int4Gemv.GroupSize;

    /// <summary>The whole numbers, [columns], and zeros up to the end of a group.</summary>
    public short* Values { get; }

    /// <summary>What 1 stands for.</summary>
    public float Step { get; }

    /// <summary>‖x‖; NaN or ∞ where a value is.</summary>
    public double Norm { get; }

    /// <summary>‖x − Step · Values‖.</summary>
    public double Residual { get; }

    private static Vector256<int> Round(
        Vector256<float> x, Vector256<float> step, Vector256<float> least, Vector256<float> most, ref Vector256<double> squares, ref Vector256<double> residuals)
    {
        var whole = Vector256.Min(Vector256.Max(Vector256.Round(x / step), least), most);
        AddSquares(Vector256.WidenLower(x), Vector256.WidenLower(whole), Vector256.WidenLower(step), ref squares, ref residuals);
        AddSquares(Vector256.WidenUpper(x), Vector256.WidenUpper(whole), Vector256.WidenUpper(step), ref squares, ref residuals);
        return Vector256.ConvertToInt32(whole);
    }

    private static void AddSquares(Vector256<double> x, Vector256<double> whole, Vector256<double> step, ref Vector256<double> squares, ref Vector256<double> residuals)
    {
        var residual = x - (step * whole);
        squares += x * x;
        residuals += residual * residual;
    }
}
