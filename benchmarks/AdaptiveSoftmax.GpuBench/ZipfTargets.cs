namespace AdaptiveSoftmax.GpuBench;

/// <summary>
/// Targets by Zipf's law within each cluster, of which 85 % lie in the shortlist, 10 % in the first tail and 5 % in the
/// second: the same numbers as <c>benchmarks/pytorch/targets.py</c> makes, which defines them.
/// </summary>
internal static class ZipfTargets
{
    private const ulong Golden = 0x9E3779B97F4A7C15;

    /// <summary>Makes targets.</summary>
    /// <param name="count">How many.</param>
    /// <param name="vocabulary">The classes.</param>
    /// <param name="cutoffs">The first class of each of the two tails.</param>
    /// <param name="seed">Which targets.</param>
    public static int[] Create(int count, int vocabulary, (int First, int Second) cutoffs, ulong seed = 1)
    {
        int[] starts = [0, cutoffs.First, cutoffs.Second, vocabulary];
        var sums = Enumerable.Range(0, 3).Select(i => HarmonicSums(starts[i + 1] - starts[i])).ToArray();
        var targets = new int[count];
        for (var t = 0; t < count; t++)
        {
            var percent = ((Mix(seed, 2 * (ulong)t) >> 32) * 100) >> 32;
            var cluster = percent < 85 ? 0 : percent < 95 ? 1 : 2;
            var fraction = (Mix(seed, (2 * (ulong)t) + 1) >> 11) / (double)(1UL << 53);
            targets[t] = starts[cluster] + FirstAbove(sums[cluster], fraction * sums[cluster][^1]);
        }

        return targets;
    }

    private static double[] HarmonicSums(int size)
    {
        var sums = new double[size];
        var sum = 0.0;
        for (var rank = 1; rank <= size; rank++) sums[rank - 1] = sum += 1.0 / rank;
        return sums;
    }

    private static int FirstAbove(double[] sums, double value)
    {
        int low = 0, high = sums.Length;
        while (low < high)
        {
            var middle = (low + high) / 2;
            if (sums[middle] > value) high = middle;
            else low = middle + 1;
        }

        return Math.Min(low, sums.Length - 1);
    }

    private static ulong Mix(ulong seed, ulong n)
    {
        var z = seed + ((n + 1) * Golden);
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }
}
