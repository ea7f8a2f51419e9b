namespace AdaptiveSoftmax;

/// <summary>
/// How far the int8 logit of a row can be from the float32 one: at most Of[r] · <see cref="Norm"/> + Floor for an input x.
/// </summary>
/// <remarks>
/// With u = 2⁻²⁴ and Higham's γ_n = n u / (1 − n u) (Accuracy and Stability of Numerical Algorithms, section 3.1), n products
/// added in any order, fused or not, are off by at most γ_n Σ |w_k x_k| ≤ γ_n ‖w‖ ‖x‖. The int8 side adds whole numbers
/// without error and rounds three times after that. With ŵ = scale · q for the row, x̂ for the rounded input and R = ‖x − x̂‖,
/// by Cauchy and Schwarz
/// <code>
/// |fl(w·x) − fl(ŵ·x̂)| ≤ ‖w − ŵ‖ ‖x‖ + ‖ŵ‖ R + γ_n ‖w‖ ‖x‖ + γ_3 ‖ŵ‖ (‖x‖ + R),   ‖ŵ‖ ≤ ‖w‖ + ‖w − ŵ‖
/// </code>
/// where ‖w − ŵ‖ and R are measured in float64. Adding the bias rounds each side once, by at most u (|w·x| + |b|), and so
/// does adding the bound itself; γ_(n+4) and γ_8 cover them. Of[r] is the factor of ‖x‖, but at least ‖ŵ‖ / 256, so that 257
/// Of[r] stands in for the factor of R and one number a row is enough. Products below the normal numbers lose more, which
/// the floor holds.
/// </remarks>
internal sealed unsafe class RowErrors : IDisposable
{
    private const double UnitRoundoff = 1.0 / (1 << 24);

    // ‖w − ŵ‖ is about that fraction of ‖ŵ‖.
    private const int ResidualFactor = 256;

    // More than the bound loses by being computed in float64, rounded to float32 and multiplied by a norm.
    private const double Surplus = 1 + (1.0 / (1 << 20));

    // The smallest positive float.
    private const double Smallest = 1.401298464324817e-45;

    private readonly NativeFloats _of;

    public RowErrors(Parameter weight, Parameter? bias, QuantizedView screen)
    {
        _of = new NativeFloats(weight.Rows);
        var gamma = Gamma(weight.Columns + 4);
        for (var row = 0; row < weight.Rows; row++)
        {
            var scale = (double)screen.Scale(row);
            var (norm, residual) = Norms(weight.Row(row), screen.Int8Row(row), scale);
            var factor = residual + (gamma * norm) + (Gamma(8) * (norm + residual));
            _of.Pointer[row] = RoundUp(Math.Max(factor, (norm + residual) / ResidualFactor));
            Largest = MathF.Max(Largest, _of.Pointer[row]);
            LargestNorm = Math.Max(LargestNorm, norm + residual);
        }

        var largestBias = 0.0;
        for (var row = 0; bias is not null && row < bias.Rows; row++) largestBias = Math.Max(largestBias, Math.Abs((double)bias.Values[row]));
        Floor = RoundUp((4 * UnitRoundoff * largestBias) + (4 * weight.Columns * Smallest) + (Smallest * int.MaxValue));
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

    /// <summary>What the factors of the rows are multiplied by: ‖x‖, and more for what is lost by rounding x.</summary>
    public static float Norm(WholeInput x) => RoundUp(x.Norm + ((ResidualFactor + 1) * x.Residual));

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
