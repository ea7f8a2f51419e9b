namespace AdaptiveSoftmax.Gpu.Tests.Emulation;

/// <summary>
/// Who wrote and read each word of a memory: threads that touch the same word without anything between them that orders
/// them, a barrier or an atomic operation behind a fence, are found whatever order they ran in.
/// </summary>
/// <remarks>An entry is the group's number among all that ever ran, the barriers it had passed, and the thread.</remarks>
internal sealed class AccessLog(long words)
{
    private const int ThreadBits = 11, EpochBits = 19;
    private const int PageBits = 14;
    private const ulong SeveralThreads = (1 << ThreadBits) - 1;

    private readonly Page?[] _pages = new Page?[((words - 1) >> PageBits) + 1];

    private sealed class Page
    {
        public ulong[] Writers { get; } = new ulong[1 << PageBits];

        public ulong[] Readers { get; } = new ulong[1 << PageBits];
    }

    /// <summary>What stands for a thread of a group between two barriers.</summary>
    public static ulong Entry(long group, int epoch, int thread) =>
        ((ulong)group << (EpochBits + ThreadBits)) | ((ulong)epoch << ThreadBits) | (uint)thread;

    /// <summary>The group of an entry; 0 for none.</summary>
    public static long Group(ulong entry) => (long)(entry >> (EpochBits + ThreadBits));

    /// <summary>A thread in words.</summary>
    public static string Describe(ulong entry) => (entry & SeveralThreads) == SeveralThreads ? "another thread" : $"thread {entry & SeveralThreads}";

    /// <summary>Notes a read.</summary>
    /// <returns>The write that it races with, or 0.</returns>
    public ulong Read(long word, ulong entry, ThreadGroup group)
    {
        var page = _pages[word >> PageBits] ??= new();
        var at = (int)(word & ((1 << PageBits) - 1));
        var writer = page.Writers[at];
        ref var reader = ref page.Readers[at];
        if (reader != entry) reader = Joined(reader, entry, group);
        return writer != entry && Races(writer, entry, group) ? writer : 0;
    }

    /// <summary>Notes a write.</summary>
    /// <returns>The access that it races with, or 0.</returns>
    public ulong Write(long word, ulong entry, ThreadGroup group, out bool isRead)
    {
        var page = _pages[word >> PageBits] ??= new();
        var at = (int)(word & ((1 << PageBits) - 1));
        var reader = page.Readers[at];
        ref var writer = ref page.Writers[at];
        var other = writer;
        writer = entry;
        isRead = false;
        if (other != entry && Races(other, entry, group)) return other;
        isRead = true;
        return reader != entry && Races(reader, entry, group) ? reader : 0;
    }

    /// <summary>Who wrote a word last, or 0.</summary>
    public ulong Writer(long word) => _pages[word >> PageBits]?.Writers[(int)(word & ((1 << PageBits) - 1))] ?? 0;

    // Of several groups the first one stays, so that a later one that writes is found.
    private static ulong Joined(ulong reader, ulong entry, ThreadGroup group)
    {
        if ((reader | SeveralThreads) == (entry | SeveralThreads)) return entry | SeveralThreads;
        var of = Group(reader);
        return of == group.Number || of < group.FirstOfLaunch || group.HasSeen(of) ? entry : reader;
    }

    // Launches wait for each other; within one, groups do not, and threads of a group only at barriers.
    private static bool Races(ulong other, ulong entry, ThreadGroup group)
    {
        var (of, own) = (Group(other), Group(entry));
        if (of < group.FirstOfLaunch) return false;
        return of == own ? ((other ^ entry) & ~SeveralThreads) == 0 : !group.HasSeen(of);
    }
}
