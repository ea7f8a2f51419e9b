namespace AdaptiveSoftmax.Distributed;

/// <summary>Ranks that are threads of this process: for tests, and to try a program before it runs on many machines.</summary>
public sealed unsafe class ThreadCollectives : Collectives
{
    private readonly Meeting _meeting;
    private readonly NativeFloats? _windows;

    private ThreadCollectives(int rank, int size, Meeting meeting, NativeFloats? windows)
        : base(rank, size) => (_meeting, _windows) = (meeting, windows);

    /// <summary>Runs a program on a thread for each rank, and returns when all have ended.</summary>
    /// <param name="size">The number of ranks, at least 1.</param>
    /// <param name="program">The program of a rank; what it holds belongs to that rank alone.</param>
    /// <exception cref="ArgumentOutOfRangeException">There are no ranks.</exception>
    /// <exception cref="RankMismatchException">The ranks make different calls.</exception>
    /// <remarks>The first exception that a rank throws is thrown here; the other ranks end with a <see cref="RankStoppedException"/>.</remarks>
    public static void Run(int size, Action<Collectives> program) => Run(size, program, hasWindows: false);

    /// <summary>The same, where ranks pass values on through windows as processes on one machine do, or copy them from each other's memory.</summary>
    internal static void Run(int size, Action<Collectives> program, bool hasWindows)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(size, 1);
        ArgumentNullException.ThrowIfNull(program);
        var meeting = new Meeting(size);
        using var windows = hasWindows ? new NativeFloats((long)size * SharedMemory.Length) : null;
        var threads = new Thread[size];
        for (var rank = 0; rank < size; rank++)
        {
            var collectives = new ThreadCollectives(rank, size, meeting, windows);
            threads[rank] = new Thread(() => RunRank(collectives, program)) { IsBackground = true, Name = FormattableString.Invariant($"AdaptiveSoftmax rank {rank}") };
            threads[rank].Start();
        }

        foreach (var thread in threads) thread.Join();
        meeting.Rethrow();
    }

    /// <inheritdoc/>
    private protected override void BroadcastBytes(byte* data, int count, int root)
    {
        _meeting.Show(Rank, data);
        if (Rank != root) Buffer.MemoryCopy(_meeting.MemoryOf(root), data, count, count);
        _meeting.Wait();
    }

    /// <inheritdoc/>
    private protected override void GatherBytes(byte* own, byte* all, int[] counts)
    {
        _meeting.Show(Rank, own);
        for (var rank = 0; rank < Size; rank++)
        {
            Buffer.MemoryCopy(_meeting.MemoryOf(rank), all, counts[rank], counts[rank]);
            all += counts[rank];
        }

        _meeting.Wait();
    }

    /// <inheritdoc/>
    private protected override void GatherFloats(float* all, int[] counts)
    {
        _meeting.Show(Rank, all);
        var start = 0L;
        for (var rank = 0; rank < Size; rank++)
        {
            if (rank != Rank) Copy((float*)_meeting.MemoryOf(rank) + start, all + start, counts[rank]);
            start += counts[rank];
        }

        _meeting.Wait();
    }

    /// <inheritdoc/>
    private protected override void ExchangeFloats(float* send, long[] sendStarts, int[] sendCounts, float* receive, int[] receiveCounts)
    {
        // All have the same starts.
        _meeting.Show(Rank, send);
        for (var rank = 0; rank < Size; rank++)
        {
            Copy((float*)_meeting.MemoryOf(rank) + sendStarts[Rank], receive, receiveCounts[rank]);
            receive += receiveCounts[rank];
        }

        _meeting.Wait();
    }

    /// <inheritdoc/>
    private protected override SharedMemory? FindShared() => _windows is null ? null : new Windows(_meeting, _windows);

    private static void Copy(float* from, float* to, long count) => Buffer.MemoryCopy(from, to, count * sizeof(float), count * sizeof(float));

    private static void RunRank(ThreadCollectives collectives, Action<Collectives> program)
    {
        try
        {
            program(collectives);
            collectives.End();
        }
        catch (Exception exception)
        {
            collectives._meeting.Fail(collectives.Rank, exception);
        }
    }

    private sealed class Windows(Meeting meeting, NativeFloats memory) : SharedMemory
    {
        public override float* Of(int rank) => memory.Pointer + ((long)rank * Length);

        public override void Wait() => meeting.Wait();

        public override void Dispose()
        {
        }
    }
}
