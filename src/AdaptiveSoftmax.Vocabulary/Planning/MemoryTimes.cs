namespace AdaptiveSoftmax.Vocabulary;

/// <summary>
/// How fast a machine reads memory over and over, by how much of it: what caches hold comes faster. Straight between two
/// sizes; as the smallest below it, as the largest beyond.
/// </summary>
public sealed record MemoryTimes
{
    /// <summary>Creates a table of bandwidths.</summary>
    /// <param name="bytes">The bytes that are read over and over, ascending from 1 or more.</param>
    /// <param name="gigabytesPerSecond">How fast they are read, 10^9 bytes a second, one for each size.</param>
    /// <exception cref="ArgumentException">The sizes do not ascend, or there is not one bandwidth above 0 for each.</exception>
    public MemoryTimes(EquatableArray<long> bytes, EquatableArray<double> gigabytesPerSecond)
    {
        if (bytes.Count == 0) throw new ArgumentException("The list is empty; give at least one entry.", nameof(bytes));
        for (var i = 0; i < bytes.Count; i++)
        {
            if (bytes[i] <= (i == 0 ? 0 : bytes[i - 1]))
                throw new ArgumentException(FormattableString.Invariant($"Entry {i} is {bytes[i]}; the entries must be at least 1 and ascend."), nameof(bytes));
        }

        if (gigabytesPerSecond.Count != bytes.Count)
            throw new ArgumentException(FormattableString.Invariant($"There are {gigabytesPerSecond.Count} bandwidths for {bytes.Count} sizes; give one each."), nameof(gigabytesPerSecond));
        if (gigabytesPerSecond.Any(rate => !(rate >= 1e-6 && rate <= 1e9)))
            throw new ArgumentException("Each bandwidth must be a number from 1e-6 to 1e9.", nameof(gigabytesPerSecond));
        (Bytes, GigabytesPerSecond) = (bytes, gigabytesPerSecond);
    }

    /// <summary>The bytes that are read over and over, ascending.</summary>
    public EquatableArray<long> Bytes { get; }

    /// <summary>How fast they are read, 10^9 bytes a second, which is bytes a nanosecond.</summary>
    public EquatableArray<double> GigabytesPerSecond { get; }

    /// <summary>The nanoseconds that a read of so many bytes takes.</summary>
    /// <param name="bytes">The bytes, 0 or more.</param>
    public double Read(double bytes) => bytes / RateOf(bytes);

    /// <summary>The same of bytes that are read again and again among others.</summary>
    /// <param name="bytes">The bytes.</param>
    /// <param name="between">The bytes that are read from one time to the next, these ones included.</param>
    internal double Read(double bytes, double between) => bytes / RateOf(between);

    private double RateOf(double bytes)
    {
        if (bytes <= Bytes[0]) return GigabytesPerSecond[0];
        var index = Bytes.Count - 1;
        while (Bytes[index] > bytes) index--;
        if (index + 1 == Bytes.Count) return GigabytesPerSecond[index];
        var part = (bytes - Bytes[index]) / (Bytes[index + 1] - Bytes[index]);
        return GigabytesPerSecond[index] + (part * (GigabytesPerSecond[index + 1] - GigabytesPerSecond[index]));
    }
}
