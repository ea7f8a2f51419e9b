using System.Diagnostics;

namespace LanguageModelSample;

/// <summary>Times work that is done many times; medians count.</summary>
internal static class Timing
{
    /// <summary>Does work until it was done so many times or the time is over, and gives the milliseconds of each time.</summary>
    /// <param name="most">How often at most.</param>
    /// <param name="seconds">How long at most.</param>
    /// <param name="work">The work.</param>
    /// <param name="cancellation">Stops between two times.</param>
    public static List<double> Repeat(int most, double seconds, Action work, CancellationToken cancellation)
    {
        var times = new List<double>();
        var clock = Stopwatch.StartNew();
        while (times.Count < most && clock.Elapsed.TotalSeconds < seconds)
        {
            cancellation.ThrowIfCancellationRequested();
            times.Add(Measure(work));
        }

        return times;
    }

    /// <summary>The median time in milliseconds of work on each of some items, after a first one that is not counted.</summary>
    public static double MedianOver(int items, Action<int> work)
    {
        work(0);
        return Median(Enumerable.Range(0, items).Select(item => Measure(() => work(item))));
    }

    public static double Median(IEnumerable<double> values)
    {
        double[] sorted = [.. values.Order()];
        return sorted[sorted.Length / 2];
    }

    private static double Measure(Action work)
    {
        var start = Stopwatch.GetTimestamp();
        work();
        return Stopwatch.GetElapsedTime(start).TotalMilliseconds;
    }
}
