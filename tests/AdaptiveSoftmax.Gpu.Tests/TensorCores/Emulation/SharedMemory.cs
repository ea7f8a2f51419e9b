namespace AdaptiveSoftmax.Gpu.Tests.TensorCores.Emulation;

/// <summary>
/// The shared memory of a group. It knows who wrote and read each word since the last barrier, so that a barrier that is
/// missing is found whatever order the threads ran in; and it counts how often lanes get in each other's way in the banks.
/// </summary>
internal sealed class SharedMemory(int size)
{
    private const int Nobody = -1, Several = -2;

    private readonly byte[] _bytes = new byte[size];
    private readonly Word[] _words = CreateWords(size);
    private int _epoch;

    private struct Word
    {
        public int Writer, WriteEpoch, Reader, ReadEpoch, Copier;
    }

    /// <summary>The size in bytes.</summary>
    public int Size => size;

    /// <summary>The accesses beyond one for a bank that the accesses of a warp took.</summary>
    public int Conflicts { get; private set; }

    /// <summary>All threads have met.</summary>
    public void Barrier() => _epoch++;

    /// <summary>Reads bytes for a thread.</summary>
    public ReadOnlySpan<byte> Load(uint address, int count, int thread)
    {
        foreach (ref var word in Words(address, count))
        {
            if (word.Copier != Nobody) throw new PtxException($"Thread {thread} reads shared address {address}, which thread {word.Copier} is still copying to.");
            if (word.Writer == Nobody) throw new PtxException($"Thread {thread} reads shared address {address}, which was never written.");
            if (word.Writer != thread && word.WriteEpoch == _epoch)
                throw new PtxException($"Thread {thread} reads shared address {address} without a barrier after thread {word.Writer} wrote it.");
            word.Reader = word.ReadEpoch == _epoch && word.Reader != thread ? Several : thread;
            word.ReadEpoch = _epoch;
        }

        return _bytes.AsSpan(Offset(address), count);
    }

    /// <summary>Writes bytes for a thread.</summary>
    public Span<byte> Store(uint address, int count, int thread)
    {
        CheckWrite(address, count, thread);
        foreach (ref var word in Words(address, count)) (word.Writer, word.WriteEpoch) = (thread, _epoch);
        return _bytes.AsSpan(Offset(address), count);
    }

    /// <summary>A thread starts to copy to a place: until it has waited, nobody may touch it.</summary>
    public void BeginCopy(uint address, int count, int thread)
    {
        CheckWrite(address, count, thread);
        foreach (ref var word in Words(address, count)) word.Copier = thread;
    }

    /// <summary>A thread has waited for its copy.</summary>
    public void EndCopy(uint address, ReadOnlySpan<byte> bytes, int thread)
    {
        foreach (ref var word in Words(address, bytes.Length)) (word.Copier, word.Writer, word.WriteEpoch) = (Nobody, thread, _epoch);
        bytes.CopyTo(_bytes.AsSpan(Offset(address)));
    }

    /// <summary>Counts bank conflicts of one access by the lanes of a warp.</summary>
    /// <param name="addresses">The lanes' addresses.</param>
    /// <param name="width">The bytes of a lane; 128 bytes go at once.</param>
    public void CountConflicts(ReadOnlySpan<uint> addresses, int width)
    {
        var atOnce = Math.Min(32, 128 / width);
        Span<int> load = stackalloc int[32];
        for (var first = 0; first < addresses.Length; first += atOnce)
        {
            var words = new HashSet<uint>();
            foreach (var address in addresses.Slice(first, Math.Min(atOnce, addresses.Length - first)))
                for (var word = address / 4; word < (address + width) / 4; word++) words.Add(word);
            load.Clear();
            foreach (var word in words) load[(int)(word % 32)]++;
            var worst = 0;
            foreach (var count in load) worst = Math.Max(worst, count);
            Conflicts += Math.Max(0, worst - 1);
        }
    }

    private static Word[] CreateWords(int size)
    {
        var words = new Word[size / 4];
        Array.Fill(words, new Word { Writer = Nobody, Reader = Nobody, Copier = Nobody, WriteEpoch = -1, ReadEpoch = -1 });
        return words;
    }

    private void CheckWrite(uint address, int count, int thread)
    {
        foreach (ref var word in Words(address, count))
        {
            if (word.Copier != Nobody) throw new PtxException($"Thread {thread} writes shared address {address}, which thread {word.Copier} is still copying to.");
            if (word.WriteEpoch == _epoch && word.Writer != thread)
                throw new PtxException($"Thread {thread} writes shared address {address} without a barrier after thread {word.Writer} wrote it.");
            if (word.ReadEpoch == _epoch && word.Reader != thread)
                throw new PtxException($"Thread {thread} writes shared address {address} without a barrier after another thread read it.");
        }
    }

    private Span<Word> Words(uint address, int count)
    {
        if (address < PtxParser.SharedBase || address - PtxParser.SharedBase + count > size)
            throw new PtxException($"{count} bytes at shared address {address} are outside of the {size} bytes that the launch asked for.");
        if (address % count != 0) throw new PtxException($"{count} bytes at shared address {address} are not aligned.");
        return _words.AsSpan(Offset(address) / 4, count / 4);
    }

    private static int Offset(uint address) => (int)(address - PtxParser.SharedBase);
}
