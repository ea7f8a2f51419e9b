using System.Diagnostics;

namespace AdaptiveSoftmax;

/// <summary>Measures how long a step takes: the median of several, after one that warms caches and code.</summary>
internal sealed class StepWatch(CancellationToken cancellationToken)
{
    private const int FewestSteps = 5;
    private const int MostSteps = 500;
    private static readonly TimeSpan s_enough = TimeSpan.FromMilliseconds(30);

    /// <summary>The nanoseconds of a step.</summary>
    /// <param name="step">The step.</param>
    /// <param name="prepare">What comes before each step and is not measured.</param>
    /// <param name="least">How long to measure at least; null for a moment that calibrating has for each product.</param>
    /// <param name="fewest">How many steps are measured at least.</param>
    public double Measure(Action step, Action? prepare = null, TimeSpan? least = null, int fewest = FewestSteps)
    {
        var times = new List<double>(MostSteps);
        prepare?.Invoke();
        step();
        var spent = 0.0;
        while (times.Count < MostSteps && (times.Count < fewest || spent < (least ?? s_enough).TotalNanoseconds))
        {
            cancellationToken.ThrowIfCancellationRequested();
            prepare?.Invoke();
            var start = Stopwatch.GetTimestamp();
            step();
            var time = Stopwatch.GetElapsedTime(start).TotalNanoseconds;
            times.Add(time);
            spent += time;
        }

        times.Sort();
        return Math.Max(1, times[times.Count / 2]);
    }
}
