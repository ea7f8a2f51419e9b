namespace AdaptiveSoftmax.Vocabulary;

/// <summary>
/// How long a machine takes for a row of a weight [rows, width] with a batch of tokens: measured at a few widths and
/// batches, and straight between two of them. Below the smallest it is that of the smallest; beyond the largest it grows
/// in proportion.
/// </summary>
public sealed record ProductTimes
{
    /// <summary>Creates a table of times.</summary>
    /// <param name="widths">The widths, ascending from 1 or more.</param>
    /// <param name="batches">The numbers of tokens, ascending from 1 or more.</param>
    /// <param name="nanoseconds">The time of a row in nanoseconds, [widths, batches].</param>
    /// <exception cref="ArgumentException">The lists do not ascend, or there is not one time above 0, and of at most 10¹² nanoseconds, for each pair.</exception>
    public ProductTimes(EquatableArray<int> widths, EquatableArray<int> batches, EquatableArray<double> nanoseconds)
    {
        CheckAscent(widths, nameof(widths));
        CheckAscent(batches, nameof(batches));
        if (nanoseconds.Count != widths.Count * batches.Count)
            throw new ArgumentException(FormattableString.Invariant($"There are {nanoseconds.Count} times for {widths.Count} widths and {batches.Count} batches; give {widths.Count * batches.Count}."), nameof(nanoseconds));
        if (nanoseconds.Any(time => !(time > 0 && time <= MachineProfile.LongestTime)))
            throw new ArgumentException("Each time must be a number above 0, and at most 1e12.", nameof(nanoseconds));
        (Widths, Batches, Nanoseconds) = (widths, batches, nanoseconds);
    }

    /// <summary>The widths, ascending.</summary>
    public EquatableArray<int> Widths { get; }

    /// <summary>The numbers of tokens, ascending.</summary>
    public EquatableArray<int> Batches { get; }

    /// <summary>The time of a row in nanoseconds, [widths, batches].</summary>
    public EquatableArray<double> Nanoseconds { get; }

    /// <summary>The time of a row in nanoseconds.</summary>
    /// <param name="width">The values of a row.</param>
    /// <param name="tokens">The tokens of the batch.</param>
    public double At(double width, double tokens)
    {
        var (batch, part) = PlaceOf(tokens);
        return Between(AtWidth(width), batch, part);
    }

    /// <summary>The time of a row of a width at each of the batches.</summary>
    internal double[] AtWidth(double width)
    {
        var (index, part) = Place(Widths, width);
        var times = new double[Batches.Count];
        for (var batch = 0; batch < times.Length; batch++)
        {
            var time = Nanoseconds[(index * times.Length) + batch];
            times[batch] = index + 1 < Widths.Count
                ? time + (part * (Nanoseconds[((index + 1) * times.Length) + batch] - time))
                : time * (1 + part);
        }

        return times;
    }

    /// <summary>Where a number of tokens lies among the batches, for <see cref="Between"/>.</summary>
    internal (int Batch, double Part) PlaceOf(double tokens) => Place(Batches, tokens);

    internal static double Between(double[] times, int batch, double part) =>
        batch + 1 < times.Length ? times[batch] + (part * (times[batch + 1] - times[batch])) : times[batch] * (1 + part);

    // The part is the way to the next entry; behind the last one it is what the value exceeds it by.
    private static (int Index, double Part) Place(EquatableArray<int> entries, double value)
    {
        if (value <= entries[0]) return (0, 0);
        var index = entries.Count - 1;
        while (entries[index] > value) index--;
        return index + 1 < entries.Count
            ? (index, (value - entries[index]) / (entries[index + 1] - entries[index]))
            : (index, (value - entries[index]) / entries[index]);
    }

    private static void CheckAscent(EquatableArray<int> entries, string name)
    {
        if (entries.Count == 0) throw new ArgumentException("The list is empty; give at least one entry.", name);
        for (var i = 0; i < entries.Count; i++)
        {
            if (entries[i] <= (i == 0 ? 0 : entries[i - 1]))
                throw new ArgumentException(FormattableString.Invariant($"Entry {i} is {entries[i]}; the entries must be at least 1 and ascend."), name);
        }
    }
}
