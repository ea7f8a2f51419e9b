namespace ServerSample;

/// <summary>The latest durations of something, and their exact percentiles. Not safe from several threads at once.</summary>
/// <param name="size">How many are kept.</param>
internal sealed class LatencyWindow(int size)
{
    private readonly double[] _seconds = new double[size];
    private long _count;

    public void Add(TimeSpan duration) => _seconds[_count++ % _seconds.Length] = duration.TotalSeconds;

    /// <summary>Percentiles of what is kept; null where nothing is.</summary>
    public LatencySnapshot? Snapshot()
    {
        if (_count == 0) return null;
        var sorted = _seconds[..(int)Math.Min(_count, _seconds.Length)];
        Array.Sort(sorted);
        return new LatencySnapshot(sorted.Length, At(sorted, 0.5), At(sorted, 0.9), At(sorted, 0.99));
    }

    // The nearest rank, in milliseconds.
    private static double At(double[] sorted, double share) => 1e3 * sorted[Math.Max(0, (int)Math.Ceiling(share * sorted.Length) - 1)];
}
