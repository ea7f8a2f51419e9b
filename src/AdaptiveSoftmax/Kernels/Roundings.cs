namespace AdaptiveSoftmax;

/// <summary>How much roundings may add up to (Higham, "Accuracy and Stability of Numerical Algorithms", 3.1).</summary>
internal static class Roundings
{
    /// <summary>The unit roundoff u of float32.</summary>
    public const double Unit = 1.0 / (1 << 24);

    /// <summary>γ_n = n u / (1 − n u), which bounds the relative error of n roundings; ∞ where n is too large for it.</summary>
    public static double Gamma(double n) => n * Unit < 0.5 ? n * Unit / (1 - (n * Unit)) : double.PositiveInfinity;
}
