using System.Diagnostics;
using ILGPU.Runtime;

namespace AdaptiveSoftmax.GpuBench;

/// <summary>Times work that a device does on its own while the host only starts it.</summary>
internal static class Stopwatches
{
    /// <summary>Milliseconds a call: the median and the least of several runs, in each of which calls follow each other.</summary>
    /// <param name="accelerator">The device.</param>
    /// <param name="seconds">How long to measure.</param>
    /// <param name="call">The call; it is given its number, so that it can take another copy of the weights each time.</param>
    public static (double Median, double Minimum) Time(Accelerator accelerator, double seconds, Action<int> call)
    {
        for (var i = 0; i < 4; i++) call(i);
        accelerator.Synchronize();
        var one = Run(accelerator, 4, call);

        // Runs of at least 20 ms, so that waiting for the device does not count.
        var calls = (int)Math.Clamp(20 / Math.Max(one, 1e-3), 4, 10_000);
        var runs = new List<double>();
        var watch = Stopwatch.StartNew();
        do runs.Add(Run(accelerator, calls, call));
        while (watch.Elapsed.TotalSeconds < seconds || runs.Count < 5);
        runs.Sort();
        return (runs[runs.Count / 2], runs[0]);
    }

    private static double Run(Accelerator accelerator, int calls, Action<int> call)
    {
        var watch = Stopwatch.StartNew();
        for (var i = 0; i < calls; i++) call(i);
        accelerator.Synchronize();
        return watch.Elapsed.TotalMilliseconds / calls;
    }
}
