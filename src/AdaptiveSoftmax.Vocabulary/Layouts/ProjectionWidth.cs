namespace AdaptiveSoftmax.Vocabulary;

/// <summary>The width of a tail cluster's projection, rounded exactly as PyTorch rounds it.</summary>
public static class ProjectionWidth
{
    /// <summary>
    /// <c>int(in_features // div_value ** (i + 1))</c> of PyTorch's <c>AdaptiveLogSoftmaxWithLoss</c>.
    /// </summary>
    /// <param name="hiddenSize">The hidden size, <c>in_features</c>.</param>
    /// <param name="divValue">The factor by which each cluster's projection narrows, <c>div_value</c>.</param>
    /// <param name="cluster">The tail cluster, counted from 0.</param>
    /// <returns>The width, which is 0 where the division leaves nothing.</returns>
    public static int Compute(int hiddenSize, double divValue, int cluster)
    {
        var divisor = Math.Pow(divValue, cluster + 1);
        var width = FloorDivide(hiddenSize, divisor);
        return width >= int.MaxValue ? int.MaxValue : (int)width;
    }

    // Python divides the dividend less its remainder, so 512 // 1.6 is 319 where Math.Floor(512 / 1.6) is 320.
    // Both operands are positive here, which leaves out Python's sign corrections.
    private static double FloorDivide(double dividend, double divisor)
    {
        var quotient = (dividend - (dividend % divisor)) / divisor;
        var floor = Math.Floor(quotient);
        return quotient - floor > 0.5 ? floor + 1 : floor;
    }
}
