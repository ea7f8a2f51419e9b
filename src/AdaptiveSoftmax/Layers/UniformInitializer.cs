namespace AdaptiveSoftmax;

/// <summary>
/// Uniform random values by counting instead of by state: value i is a hash of seed, stream and i (SplitMix64's finaliser
/// over a Weyl sequence), so the bits are the same on every machine and .NET version, which System.Random does not promise.
/// </summary>
internal static class UniformInitializer
{
    private const ulong Golden = 0x9E3779B97F4A7C15;

    /// <summary>Fills a parameter with values uniform in [−bound, bound).</summary>
    public static unsafe void Fill(Parameter parameter, double bound, ulong seed, ulong stream)
    {
        var start = Mix(Mix(seed + Golden) ^ ((stream + 1) * Golden));
        var values = parameter.ValuesPointer;
        for (long i = 0; i < parameter.Count; i++)
        {
            var unit = (Mix(start + ((ulong)i * Golden)) >> 40) * (1.0 / (1 << 24));
            values[i] = (float)(((2 * unit) - 1) * bound);
        }
    }

    private static ulong Mix(ulong value)
    {
        value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9;
        value = (value ^ (value >> 27)) * 0x94D049BB133111EB;
        return value ^ (value >> 31);
    }
}
