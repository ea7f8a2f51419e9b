namespace AdaptiveSoftmax.Benchmarks;

/// <summary>The times of a contender's rounds in milliseconds, in ascending order.</summary>
internal sealed record Measurement(string Name, IReadOnlyList<double> Milliseconds)
{
    public double Median
    {
        get
        {
            var middle = Milliseconds.Count / 2;
            return Milliseconds.Count % 2 == 1 ? Milliseconds[middle] : (Milliseconds[middle - 1] + Milliseconds[middle]) / 2;
        }
    }

    public double Fastest => Milliseconds[0];

    public double Slowest => Milliseconds[^1];
}
