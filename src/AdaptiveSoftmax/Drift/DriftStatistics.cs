namespace AdaptiveSoftmax;

/// <summary>The measures of drift.</summary>
internal static class DriftStatistics
{
    /// <summary>The share that an empty bin counts for, so that one unexpected token is not an infinite surprise.</summary>
    public const double SmallestShare = 1e-4;

    // Where the mean of the noise is tabulated: 2^(i / 8) from 2^-10 to 2^7.
    private const int StepsPerOctave = 8;
    private const int LowestOctave = -10;
    private const int HighestOctave = 7;
    private static readonly double[] s_logNoise = CreateNoise();

    /// <summary>What a bin adds to the population stability index: (p − q) ln(p / q).</summary>
    /// <param name="expected">Its expected share q.</param>
    /// <param name="observed">Its observed share p.</param>
    /// <param name="smallest">The share below which both count as this share, at least <see cref="SmallestShare"/>.</param>
    public static double Stability(double expected, double observed, double smallest = 0)
    {
        var least = Math.Max(smallest, SmallestShare);
        var (q, p) = (Math.Max(expected, least), Math.Max(observed, least));
        return (p - q) * Math.Log(p / q);
    }

    /// <summary>What a token adds to the Jensen-Shannon divergence: (p ln(p / m) + q ln(q / m)) / 2 with m = (p + q) / 2.</summary>
    public static double JensenShannon(double expected, double observed)
    {
        var middle = (expected + observed) / 2;
        var sum = expected > 0 ? expected * Math.Log(expected / middle) : 0;
        if (observed > 0) sum += observed * Math.Log(observed / middle);
        return sum / 2;
    }

    /// <summary>
    /// The mean of 2n times what a token adds to the divergence between a distribution and n draws from it, where the token
    /// is expected among them <paramref name="occurrences"/> times: its count is Poisson distributed.
    /// </summary>
    public static double Noise(double occurrences)
    {
        var position = (Math.Log2(occurrences) - LowestOctave) * StepsPerOctave;
        // Far below, a token occurs once or not at all; far above, its count is normal.
        if (!(position > 0)) return occurrences * 2 * Math.Log(2);
        if (position >= s_logNoise.Length - 1) return 0.25;
        var step = (int)position;
        return Math.Exp(s_logNoise[step] + ((position - step) * (s_logNoise[step + 1] - s_logNoise[step])));
    }

    /// <summary>
    /// The mean of what a token adds to the divergence between two samples of one distribution, given how often it occurs
    /// in both together: its count in one of them is binomially distributed, whatever the distribution is.
    /// </summary>
    /// <param name="occurrences">How often the token occurs in both samples together.</param>
    /// <param name="first">The tokens of one sample.</param>
    /// <param name="second">The tokens of the other.</param>
    public static double NoiseBetween(double occurrences, double first, double second)
    {
        var (small, large) = (Math.Min(first, second), Math.Max(first, second));
        var share = small / (small + large);
        var mean = occurrences * share;
        // Far above, the counts are normal.
        if (mean >= Math.Pow(2, HighestOctave)) return ((1 / small) + (1 / large)) / 8;
        var (probability, sum) = (Math.Exp(occurrences * double.LogP1(-share)), 0.0);
        var last = Math.Min(occurrences, mean + (12 * Math.Sqrt(mean)) + 20);
        for (var count = 0.0; count <= last; count++)
        {
            sum += probability * JensenShannon((occurrences - count) / large, count / small);
            probability *= (occurrences - count) / (count + 1) * (share / (1 - share));
        }

        return sum;
    }

    private static double[] CreateNoise()
    {
        var values = new double[((HighestOctave - LowestOctave) * StepsPerOctave) + 1];
        for (var i = 0; i < values.Length; i++)
        {
            var mean = Math.Pow(2, LowestOctave + ((double)i / StepsPerOctave));
            var (probability, sum) = (Math.Exp(-mean), 0.0);
            var last = mean + (12 * Math.Sqrt(mean)) + 20;
            for (var count = 0; count <= last; count++)
            {
                sum += probability * 2 * JensenShannon(mean, count);
                probability *= mean / (count + 1);
            }

            values[i] = Math.Log(sum);
        }

        return values;
    }
}
