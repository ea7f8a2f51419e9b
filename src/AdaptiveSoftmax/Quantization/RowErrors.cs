namespace AdaptiveSoftmax;

/// <summary>
/// How far the int8 logit of a row can be from the float32 one: at most Of[r] · ‖x‖ + Floor for an input x.
/// </summary>
/// <remarks>
/// With u = 2⁻²⁴ and Higham's γ_n = n u / (1 − n u) (Accuracy and Stability of Numerical Algorithms, section 3.1), n products
/// added in any order, fused or not, are off by at most γ_n Σ |w_k x_k| ≤ γ_n ‖w‖ ‖x‖. With ŵ = scale · q therefore
/// <code>
/// |fl(w·x) − fl(ŵ·x)| ≤ ‖w − ŵ‖ ‖x‖ + γ_n ‖w‖ ‖x‖ + γ_(n+1) ‖ŵ‖ ‖x‖,   ‖ŵ‖ ≤ ‖w‖ + ‖w − ŵ‖
/// </code>
/// by Cauchy and Schwarz, where ‖w − ŵ‖ is the row's own, computed in float64. Adding the bias rounds each side once, by
/// at most u (|w·x| + |b|), and so does adding the bound itself; γ_(n+4) in both places covers them. A product below the
/// normal numbers may lose 2⁻¹⁵⁰ more, which the floor holds.
/// </remarks>
internal sealed unsafe class RowErrors : IDisposable
{
    private const double UnitRoundoff = 1.0 / (1 << 24);

    // More than the bound loses by being computed in float64, rounded to float32 and multiplied by a norm.
    private const double Surplus = 1 + (1.0 / (1 << 20));

    // The smallest positive float.
    private const double Smallest = 1.401298464324817e-45;

    private readonly NativeFloats _of;

    public RowErrors(Parameter weight, Parameter? bias, QuantizedView screen)
    {
        _of = new NativeFloats(weight.Rows);
        var gamma = Gamma(weight.Columns + 4);
        var largestScale = 0.0;
        for (var row = 0; row < weight.Rows; row++)
        {
            var scale = (double)screen.Scale(row);
            var (norm, residual) = Norms(weight.Row(row), screen.Int8Row(row), scale);
            _of.Pointer[row] = RoundUp(residual + (gamma * ((2 * norm) + residual)));
            Largest = MathF.Max(Largest, _of.Pointer[row]);
            LargestNorm = Math.Max(LargestNorm, norm + residual);
            largestScale = Math.Max(largestScale, scale);
        }

        var largestBias = 0.0;
        for (var row = 0; bias is not null && row < bias.Rows; row++) largestBias = Math.Max(largestBias, Math.Abs((double)bias.Values[row]));
        Floor = RoundUp((4 * UnitRoundoff * largestBias) + (4 * (weight.Columns + 1) * Smallest * (1 + largestScale)));
        LargestBias = largestBias;
    }

    /// <summary>The factor of the input's norm, [rows].</summary>
    public float* Of => _of.Pointer;

    /// <summary>The largest factor of a row.</summary>
    public float Largest { get; }

    /// <summary>What is added for all rows.</summary>
    public float Floor { get; }

    /// <summary>No row, in float32 or int8, is longer; NaN or ∞ where a weight is.</summary>
    public double LargestNorm { get; }

    /// <summary>The largest magnitude of the bias.</summary>
    public double LargestBias { get; }

    public long Bytes => _of.Count * sizeof(float);

    /// <summary>Higham's γ_n for float32; ∞ where n is too large for it.</summary>
    public static double Gamma(double n) => n * UnitRoundoff < 0.5 ? n * UnitRoundoff / (1 - (n * UnitRoundoff)) : double.PositiveInfinity;

    /// <summary>‖x‖, not rounded down.</summary>
    public static float Norm(float* x, int count)
    {
        var sum = 0.0;
        for (var i = 0; i < count; i++) sum += (double)x[i] * x[i];
        return RoundUp(Math.Sqrt(sum));
    }

    public void Dispose() => _of.Dispose();

    private static (double Norm, double Residual) Norms(ReadOnlySpan<float> row, sbyte* stored, double scale)
    {
        double sum = 0, residual = 0;
        for (var k = 0; k < row.Length; k++)
        {
            var difference = row[k] - (scale * stored[k]);
            sum += (double)row[k] * row[k];
            residual += difference * difference;
        }

        return (Math.Sqrt(sum), Math.Sqrt(residual));
    }

    private static float RoundUp(double value) => MathF.BitIncrement((float)(value * Surplus));
}
