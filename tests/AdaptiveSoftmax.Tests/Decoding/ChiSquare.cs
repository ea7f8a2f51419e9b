namespace AdaptiveSoftmax.Tests;

/// <summary>Pearson's test of counts against probabilities.</summary>
internal static class ChiSquare
{
    // Rarer outcomes are taken together, as the test asks.
    private const double LeastExpected = 8;

    /// <summary>How many standard deviations χ² is from its mean, by Wilson and Hilferty's cube root; +∞ where the impossible happened.</summary>
    public static double Score(int[] counts, double[] probabilities)
    {
        var total = counts.Sum();
        var (statistic, cells, restCount, rest) = (0.0, 0, 0, 0.0);
        for (var i = 0; i < counts.Length; i++)
        {
            if (probabilities[i] == 0 && counts[i] > 0) return double.PositiveInfinity;
            if (probabilities[i] * total >= LeastExpected) Add(counts[i], probabilities[i] * total);
            else (restCount, rest) = (restCount + counts[i], rest + (probabilities[i] * total));
        }

        if (rest > 0) Add(restCount, Math.Max(rest, 1e-9));
        if (cells < 2) return 0;
        var freedom = cells - 1.0;
        return (Math.Cbrt(statistic / freedom) - (1 - (2 / (9 * freedom)))) / Math.Sqrt(2 / (9 * freedom));

        void Add(int count, double expected)
        {
            statistic += (count - expected) * (count - expected) / expected;
            cells++;
        }
    }
}
