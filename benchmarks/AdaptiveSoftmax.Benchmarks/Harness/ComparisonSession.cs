using System.Diagnostics;
using System.Globalization;
using Spectre.Console;

namespace AdaptiveSoftmax.Benchmarks;

/// <summary>Measures contenders alternately in this process and prints their medians.</summary>
internal sealed class ComparisonSession(IAnsiConsole console, int rounds, CancellationToken cancellation)
{
    // Long enough for the JIT compiler's background thread to have replaced what the first rounds ran.
    private static readonly TimeSpan WarmUp = TimeSpan.FromSeconds(2);
    private const int WarmUpRounds = 3;

    // Lets no contender run beside the threads of the one before, which may wait for more work by spinning.
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(50);

    /// <summary>Where tables and notes go.</summary>
    public IAnsiConsole Console { get; } = console;

    /// <summary>How often each contender is timed.</summary>
    public int Rounds { get; } = rounds;

    /// <summary>Stops the comparison between two rounds.</summary>
    public CancellationToken Cancellation { get; } = cancellation;

    /// <summary>Prints a line about what is being measured.</summary>
    public void Note(FormattableString text) => Console.WriteLine(text.ToString(CultureInfo.InvariantCulture));

    /// <summary>Measures us and the peers, prints a table, and gives the fastest peer's median over ours.</summary>
    /// <param name="unit">What one operation is, in the singular, for example <c>look-up</c>.</param>
    /// <param name="operations">The operations in a round.</param>
    /// <param name="ours">Ours.</param>
    /// <param name="peers">The peers; the fastest counts.</param>
    public double Compare(string unit, long operations, Contender ours, IReadOnlyList<Contender> peers)
    {
        var measurements = Measure([ours, .. peers]);
        Print(unit, operations, measurements);
        return measurements.Skip(1).Min(peer => peer.Median) / measurements[0].Median;
    }

    /// <summary>Runs the contenders in turn, warm-up first. Each round starts with another one, so that none is always first.</summary>
    /// <param name="contenders">The contenders.</param>
    public IReadOnlyList<Measurement> Measure(IReadOnlyList<Contender> contenders)
    {
        long kept = 0;
        var clock = Stopwatch.StartNew();
        for (var round = 0; round < WarmUpRounds || clock.Elapsed < WarmUp; round++)
        {
            foreach (var contender in contenders) kept += contender.Run();
            Cancellation.ThrowIfCancellationRequested();
        }

        var times = contenders.Select(_ => new List<double>()).ToArray();
        for (var round = 0; round < Rounds; round++)
        {
            for (var i = 0; i < contenders.Count; i++)
            {
                var turn = (round + i) % contenders.Count;
                Collect();
                Thread.Sleep(Pause);
                var start = Stopwatch.GetTimestamp();
                kept += contenders[turn].Run();
                times[turn].Add(Stopwatch.GetElapsedTime(start).TotalMilliseconds);
                Cancellation.ThrowIfCancellationRequested();
            }
        }

        GC.KeepAlive(kept);
        foreach (var list in times) list.Sort();
        return [.. contenders.Select((contender, i) => new Measurement(contender.Name, times[i]))];
    }

    /// <summary>Prints one line a measurement; the first one is ours.</summary>
    /// <param name="unit">What one operation is.</param>
    /// <param name="operations">The operations in a round.</param>
    /// <param name="measurements">The measurements.</param>
    public void Print(string unit, long operations, IReadOnlyList<Measurement> measurements)
    {
        var (scale, suffix) = (measurements[0].Median / operations) switch
        {
            < 1e-3 => (1e6, "ns"),
            < 1 => (1e3, "µs"),
            _ => (1.0, "ms"),
        };
        var table = new Table().Border(TableBorder.Rounded)
            .AddColumn("contender")
            .AddColumn(new TableColumn($"{suffix} a {unit}, median").RightAligned())
            .AddColumn(new TableColumn("fastest").RightAligned())
            .AddColumn(new TableColumn("slowest").RightAligned())
            .AddColumn(new TableColumn("over ours").RightAligned());
        foreach (var measurement in measurements)
        {
            string Cell(double milliseconds) => (milliseconds / operations * scale).ToString("N2", CultureInfo.InvariantCulture);
            table.AddRow(
                Markup.Escape(measurement.Name),
                Cell(measurement.Median),
                Cell(measurement.Fastest),
                Cell(measurement.Slowest),
                (measurement.Median / measurements[0].Median).ToString("N2", CultureInfo.InvariantCulture));
        }

        Console.Write(table);
    }

    /// <summary>Lets no contender pay for the garbage of the one before.</summary>
    private static void Collect()
    {
        if (GC.GetAllocatedBytesForCurrentThread() == s_allocatedAtCollection) return;
        GC.Collect();
        GC.WaitForPendingFinalizers();
        s_allocatedAtCollection = GC.GetAllocatedBytesForCurrentThread();
    }

    [ThreadStatic] private static long s_allocatedAtCollection;
}
