namespace AdaptiveSoftmax;

/// <summary>Uniform random weights, the same bits on every machine.</summary>
internal static class UniformInitializer
{
    /// <summary>Fills a parameter with values uniform in [−bound, bound).</summary>
    public static unsafe void Fill(Parameter parameter, double bound, ulong seed, ulong stream)
    {
        var start = CountedRandom.Start(seed, stream);
        var values = parameter.ValuesPointer;
        for (long i = 0; i < parameter.Count; i++)
        {
            var unit = (CountedRandom.Bits(start, (ulong)i) >> 40) * (1.0 / (1 << 24));
            values[i] = (float)(((2 * unit) - 1) * bound);
        }

        parameter.MarkChanged();
    }
}
