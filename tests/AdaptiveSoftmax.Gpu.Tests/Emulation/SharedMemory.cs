using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace AdaptiveSoftmax.Gpu.Tests.Emulation;

/// <summary>
/// The shared memory of one group after another. It knows who wrote and read each word since the last barrier, so that a
/// barrier that is missing is found whatever order the threads ran in; and it counts how often lanes get in each other's
/// way in the banks.
/// </summary>
/// <param name="size">The size in bytes.</param>
internal sealed unsafe class SharedMemory(int size)
{
    private const ulong Several = 0x7FF;

    private readonly byte[] _bytes = GC.AllocateArray<byte>(Math.Max(16, size), pinned: true);
    private readonly Word[] _words = new Word[(size + 3) / 4];

    // The group, the barriers it has passed, and in the last bits the thread: AccessLog.Entry.
    private struct Word
    {
        public ulong Writer, Reader, Copier;
    }

    /// <summary>The size in bytes.</summary>
    public int Size => size;

    /// <summary>The accesses beyond one for a bank that the accesses of a warp took.</summary>
    public int Conflicts { get; private set; }

    /// <summary>Reads bytes for a thread.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public byte* Load(uint address, int count, ulong entry)
    {
        var words = Words(address, count);
        for (var i = 0; i < words.Length; i++)
        {
            ref var word = ref words[i];
            if (word.Writer != entry) CheckRead(ref word, address, entry);
            if (word.Reader != entry) word.Reader = (word.Reader | Several) == (entry | Several) ? entry | Several : entry;
        }

        return Place(address);
    }

    /// <summary>Writes bytes for a thread.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public byte* Store(uint address, int count, ulong entry)
    {
        var words = Words(address, count);
        for (var i = 0; i < words.Length; i++)
        {
            ref var word = ref words[i];
            CheckWrite(ref word, address, entry);
            word.Writer = entry;
        }

        return Place(address);
    }

    /// <summary>A thread starts to copy to a place: until it has waited, nobody may touch it.</summary>
    public void BeginCopy(uint address, int count, ulong entry)
    {
        foreach (ref var word in Words(address, count))
        {
            CheckWrite(ref word, address, entry);
            word.Copier = entry;
        }
    }

    /// <summary>A thread has waited for its copy.</summary>
    public void EndCopy(uint address, ReadOnlySpan<byte> bytes, ulong entry)
    {
        foreach (ref var word in Words(address, bytes.Length)) (word.Copier, word.Writer) = (0, entry);
        bytes.CopyTo(new Span<byte>(Place(address), bytes.Length));
    }

    /// <summary>Counts bank conflicts of one access by the lanes of a warp.</summary>
    /// <param name="addresses">The lanes' addresses.</param>
    /// <param name="width">The bytes of a lane; 128 bytes go at once.</param>
    public void CountConflicts(ReadOnlySpan<uint> addresses, int width)
    {
        var atOnce = Math.Min(32, 128 / width);
        Span<int> load = stackalloc int[32];
        Span<uint> words = stackalloc uint[32];
        for (var first = 0; first < addresses.Length; first += atOnce)
        {
            var count = 0;
            foreach (var address in addresses.Slice(first, Math.Min(atOnce, addresses.Length - first)))
                for (var word = address / 4; word < (address + width) / 4; word++)
                    if (!words[..count].Contains(word)) words[count++] = word;
            load.Clear();
            foreach (var word in words[..count]) load[(int)(word % 32)]++;
            var worst = 0;
            foreach (var times in load) worst = Math.Max(worst, times);
            Conflicts += Math.Max(0, worst - 1);
        }
    }

    private static void CheckRead(ref Word word, uint address, ulong entry)
    {
        if (IsOfGroup(word.Copier, entry)) throw new PtxException($"A thread reads shared address {address}, which {AccessLog.Describe(word.Copier)} is still copying to.");
        if (!IsOfGroup(word.Writer, entry)) throw new PtxException($"A thread reads shared address {address}, which was never written.");
        if ((word.Writer | Several) == (entry | Several))
            throw new PtxException($"A thread reads shared address {address} without a barrier after {AccessLog.Describe(word.Writer)} wrote it.");
    }

    private static void CheckWrite(ref Word word, uint address, ulong entry)
    {
        if (IsOfGroup(word.Copier, entry)) throw new PtxException($"A thread writes shared address {address}, which {AccessLog.Describe(word.Copier)} is still copying to.");
        if (word.Writer != entry && (word.Writer | Several) == (entry | Several))
            throw new PtxException($"A thread writes shared address {address} without a barrier after {AccessLog.Describe(word.Writer)} wrote it.");
        if (word.Reader != entry && (word.Reader | Several) == (entry | Several))
            throw new PtxException($"A thread writes shared address {address} without a barrier after another thread read it.");
    }

    private static bool IsOfGroup(ulong other, ulong entry) => AccessLog.Group(other) == AccessLog.Group(entry);

    private Span<Word> Words(uint address, int count)
    {
        if (address < PtxParser.SharedBase || address - PtxParser.SharedBase + (uint)count > (uint)size)
            throw new PtxException($"{count} bytes at shared address {address} are outside of the {size} bytes that the group has.");
        if (address % count != 0) throw new PtxException($"{count} bytes at shared address {address} are not aligned.");
        if (count < 4) throw new PtxException($"Accesses of {count} bytes to shared memory are not known.");
        return MemoryMarshal.CreateSpan(ref _words[(int)(address - PtxParser.SharedBase) / 4], count / 4);
    }

    private byte* Place(uint address) => (byte*)Unsafe.AsPointer(ref _bytes[(int)(address - PtxParser.SharedBase)]);
}
