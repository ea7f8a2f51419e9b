namespace AdaptiveSoftmax;

/// <summary>How far below its upper bound a logit may be: at most twice Of[row] · Norm + Floor, and the rounding of the bound.</summary>
/// <param name="Of">The factor of each row, [rows].</param>
/// <param name="Norm">What it is multiplied by.</param>
/// <param name="Floor">What is added for all rows.</param>
internal readonly unsafe record struct ScreenErrors(nint Of, float Norm, float Floor)
{
    /// <summary>A row's.</summary>
    public double this[int row] => 2 * (((double)((float*)Of)[row] * Norm) + Floor);
}
