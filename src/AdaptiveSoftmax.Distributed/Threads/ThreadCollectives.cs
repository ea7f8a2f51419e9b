namespace AdaptiveSoftmax.Distributed;

/// <summary>Ranks that are threads of this process: for tests, and to try a program before it runs on many machines.</summary>
public sealed unsafe class ThreadCollectives : Collectives
{
    private readonly Meeting _meeting;

    private ThreadCollectives(int rank, int size, Meeting meeting)
        : base(rank, size) => _meeting = meeting;

    /// <summary>Runs a program on a thread for each rank, and returns when all have ended.</summary>
    /// <param name="size">The number of ranks, at least 1.</param>
    /// <param name="program">The program of a rank; what it holds belongs to that rank alone.</param>
    /// <exception cref="ArgumentOutOfRangeException">There are no ranks.</exception>
    /// <exception cref="RankMismatchException">The ranks make different calls.</exception>
    /// <remarks>The first exception that a rank throws is thrown here; the other ranks end with a <see cref="RankStoppedException"/>.</remarks>
    public static void Run(int size, Action<Collectives> program)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(size, 1);
        ArgumentNullException.ThrowIfNull(program);
        var meeting = new Meeting(size);
        var threads = new Thread[size];
        for (var rank = 0; rank < size; rank++)
        {
            var collectives = new ThreadCollectives(rank, size, meeting);
            threads[rank] = new Thread(() => RunRank(collectives, program)) { IsBackground = true, Name = FormattableString.Invariant($"AdaptiveSoftmax rank {rank}") };
            threads[rank].Start();
        }

        foreach (var thread in threads) thread.Join();
        meeting.Rethrow();
    }

    /// <inheritdoc/>
    private protected override void BroadcastBytes(byte* data, int count, int root)
    {
        _meeting.Show(Rank, data, []);
        if (Rank != root) Buffer.MemoryCopy(_meeting.MemoryOf(root), data, count, count);
        _meeting.Wait();
    }

    /// <inheritdoc/>
    private protected override void GatherBytes(byte* own, byte* all, int[] counts)
    {
        _meeting.Show(Rank, own, counts);
        for (var rank = 0; rank < Size; rank++)
        {
            Buffer.MemoryCopy(_meeting.MemoryOf(rank), all, counts[rank], counts[rank]);
            all += counts[rank];
        }

        _meeting.Wait();
    }

    /// <inheritdoc/>
    private protected override void ExchangeBytes(byte* send, int[] sendCounts, byte* receive, int[] receiveCounts)
    {
        _meeting.Show(Rank, send, sendCounts);
        for (var rank = 0; rank < Size; rank++)
        {
            var from = _meeting.MemoryOf(rank);
            foreach (var count in _meeting.CountsOf(rank).AsSpan(0, Rank)) from += count;
            Buffer.MemoryCopy(from, receive, receiveCounts[rank], receiveCounts[rank]);
            receive += receiveCounts[rank];
        }

        _meeting.Wait();
    }

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
}
