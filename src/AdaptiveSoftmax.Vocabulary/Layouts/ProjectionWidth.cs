using System.Globalization;

namespace AdaptiveSoftmax.Vocabulary;

/// <summary>The width of a tail cluster's projection, rounded exactly as PyTorch rounds it.</summary>
public static class ProjectionWidth
{
    /// <summary>
    /// <c>int(in_features // div_value ** (i + 1))</c> of PyTorch's <c>AdaptiveLogSoftmaxWithLoss</c>, the same on
    /// every platform.
    /// </summary>
    /// <param name="hiddenSize">The hidden size, <c>in_features</c>; at least 1.</param>
    /// <param name="divValue">The factor by which each cluster's projection narrows, <c>div_value</c>; positive and finite.</param>
    /// <param name="cluster">The tail cluster, counted from 0.</param>
    /// <returns>The width: 0 where the division leaves nothing, <see cref="int.MaxValue"/> where it leaves more than that.</returns>
    /// <exception cref="ArgumentOutOfRangeException">An argument is outside its range.</exception>
    public static int Compute(int hiddenSize, double divValue, int cluster)
    {
        if (hiddenSize < 1)
            throw new ArgumentOutOfRangeException(nameof(hiddenSize), hiddenSize, "The hidden size must be at least 1.");
        if (!(divValue > 0) || double.IsInfinity(divValue))
            throw new ArgumentOutOfRangeException(nameof(divValue), divValue.ToString(CultureInfo.InvariantCulture), "The div value must be a positive finite number.");
        if (cluster < 0)
            throw new ArgumentOutOfRangeException(nameof(cluster), cluster, "Tail clusters are counted from 0.");
        var divisor = Power(divValue, cluster + 1L);
        if (divisor > hiddenSize) return 0;
        var width = FloorDivide(hiddenSize, divisor);
        return width < int.MaxValue ? (int)width : int.MaxValue;
    }

    // Python divides the dividend less its remainder, so 512 // 1.6 is 319 where Math.Floor(512 / 1.6) is 320.
    // Both operands are positive here, which leaves out Python's sign corrections.
    private static double FloorDivide(double dividend, double divisor)
    {
        if (divisor == 0) return double.PositiveInfinity;
        var quotient = (dividend - (dividend % divisor)) / divisor;
        var floor = Math.Floor(quotient);
        return quotient - floor > 0.5 ? floor + 1 : floor;
    }

    // Math.Pow is the platform's own, whose last bit may differ, and a width may hang on it. Twice the precision and
    // one rounding at the end give the nearest double everywhere, which is also what a good platform returns.
    private static double Power(double value, long exponent)
    {
        var estimate = Math.Pow(value, exponent);
        if (estimate is < 1e-100 or > 1e100) return estimate;
        var (high, low) = (1.0, 0.0);
        var (squareHigh, squareLow) = (value, 0.0);
        while (true)
        {
            if ((exponent & 1) != 0) (high, low) = Multiply(high, low, squareHigh, squareLow);
            exponent >>= 1;
            if (exponent == 0) return high;
            (squareHigh, squareLow) = Multiply(squareHigh, squareLow, squareHigh, squareLow);
        }
    }

    // The product of two numbers, each the unevaluated sum of a double and a much smaller one.
    private static (double High, double Low) Multiply(double aHigh, double aLow, double bHigh, double bLow)
    {
        var product = aHigh * bHigh;
        var (aTop, aBottom) = Split(aHigh);
        var (bTop, bBottom) = Split(bHigh);
        var error = ((aTop * bTop) - product) + (aTop * bBottom) + (aBottom * bTop) + (aBottom * bBottom);
        error += (aHigh * bLow) + (aLow * bHigh);
        var high = product + error;
        return (high, error - (high - product));
    }

    // A double as the sum of two of 26 bits each, whose products are exact.
    private static (double Top, double Bottom) Split(double value)
    {
        var scaled = value * 134217729.0;
        var top = scaled - (scaled - value);
        return (top, value - top);
    }
}
