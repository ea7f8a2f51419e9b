using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace AdaptiveSoftmax.Distributed;

/// <summary>
/// What the ranks of a job do together. All ranks make the same calls in the same order; each call compares itself with the
/// others' first, so that ranks which have lost step end with a <see cref="RankMismatchException"/> that names both calls
/// instead of waiting for each other.
/// </summary>
/// <remarks>
/// <see cref="ThreadCollectives"/> runs ranks as threads of one process and <see cref="MpiCollectives"/> as processes under
/// <c>mpirun</c>. No result depends on which. An instance belongs to one thread at a time.
/// </remarks>
public abstract unsafe class Collectives
{
    // What a rank sends in one message, which bounds the working memory.
    private const int MessageBytes = 1 << 24;

    private long _sequence;
    private SharedMemory? _shared;
    private bool _hasSought;

    private protected Collectives(int rank, int size) => (Rank, Size) = (rank, size);

    /// <summary>This rank, in [0, <see cref="Size"/>).</summary>
    public int Rank { get; }

    /// <summary>The number of ranks.</summary>
    public int Size { get; }

    /// <summary>The layers over these ranks so far, which all ranks make in the same order.</summary>
    internal int Layers { get; set; }

    /// <summary>The bytes that other ranks have sent to this one so far, without what the transport adds.</summary>
    public long BytesReceived { get; private set; }

    /// <summary>Waits until every rank has come here.</summary>
    /// <exception cref="RankMismatchException">Another rank makes another call.</exception>
    public void Barrier() => Meet(CollectiveKind.Barrier, 1, 0, 0);

    /// <summary>Copies one rank's values to all.</summary>
    /// <param name="values">The values; of the same number on each rank.</param>
    /// <param name="root">The rank whose values are copied.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such rank.</exception>
    /// <exception cref="RankMismatchException">Another rank makes another call.</exception>
    public void Broadcast<T>(Span<T> values, int root = 0)
        where T : unmanaged
    {
        ArgumentOutOfRangeException.ThrowIfNegative(root);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(root, Size);
        Meet(CollectiveKind.Broadcast, sizeof(T), values.Length, root);
        if (Size == 1) return;
        for (var rest = values; !rest.IsEmpty;)
        {
            var piece = rest[..Math.Min(rest.Length, Math.Max(1, MessageBytes / sizeof(T)))];
            fixed (T* data = piece) BroadcastBytes((byte*)data, piece.Length * sizeof(T), root);
            if (Rank != root) BytesReceived += (long)piece.Length * sizeof(T);
            rest = rest[piece.Length..];
        }
    }

    /// <summary>Puts the values of all ranks together, in the order of the ranks.</summary>
    /// <param name="own">This rank's values; of the same number on each rank.</param>
    /// <param name="all">Receives the values of all, [ranks, values].</param>
    /// <exception cref="ArgumentException">There is no room for exactly the values of all.</exception>
    /// <exception cref="RankMismatchException">Another rank makes another call.</exception>
    public void AllGather<T>(ReadOnlySpan<T> own, Span<T> all)
        where T : unmanaged
    {
        if (all.Length != (long)own.Length * Size)
            throw new ArgumentException(FormattableString.Invariant($"There is room for {all.Length} values of {own.Length} from each of {Size} ranks."), nameof(all));
        Meet(CollectiveKind.AllGather, sizeof(T), own.Length, 0);
        var lengths = new int[Size];
        Array.Fill(lengths, own.Length);
        Gather<T>(own, lengths, all);
    }

    /// <summary>Puts the values of all ranks together, in the order of the ranks, of which each may have another number.</summary>
    /// <param name="own">This rank's values.</param>
    /// <param name="lengths">The number of values of each rank, [ranks].</param>
    /// <returns>The values of all.</returns>
    /// <exception cref="RankMismatchException">Another rank makes another call.</exception>
    /// <exception cref="OverflowException">There are more values than an array holds.</exception>
    public T[] AllGatherUneven<T>(ReadOnlySpan<T> own, out int[] lengths)
        where T : unmanaged
    {
        return AllGatherUneven(CollectiveKind.AllGatherUneven, own, 0, out lengths);
    }

    /// <summary>The same as a call of another kind, whose detail must be the same on each rank.</summary>
    internal T[] AllGatherUneven<T>(CollectiveKind kind, ReadOnlySpan<T> own, long detail, out int[] lengths)
        where T : unmanaged
    {
        lengths = [.. Meet(kind, sizeof(T), own.Length, detail).Select(header => checked((int)header.Length))];
        var all = new T[checked(lengths.Sum())];
        Gather<T>(own, lengths, all);
        return all;
    }

    /// <summary>The same where the lengths are known, into memory that is there.</summary>
    internal void AllGatherUneven<T>(CollectiveKind kind, ReadOnlySpan<T> own, long detail, int[] lengths, Span<T> all)
        where T : unmanaged
    {
        Meet(kind, sizeof(T), own.Length, detail);
        Gather(own, lengths, all);
    }

    /// <summary>Sets the bits that are set on any rank, on all: how ranks agree on what happens at all.</summary>
    /// <param name="bits">The bits; of the same number of words on each rank.</param>
    /// <exception cref="RankMismatchException">Another rank makes another call.</exception>
    public void AllReduceBits(Span<ulong> bits)
    {
        Meet(CollectiveKind.AllReduceBits, sizeof(ulong), bits.Length, 0);
        if (Size == 1) return;
        var all = new ulong[(long)bits.Length * Size];
        var lengths = new int[Size];
        Array.Fill(lengths, bits.Length);
        Gather<ulong>(bits, lengths, all);
        for (var i = 0; i < all.Length; i++) bits[i % bits.Length] |= all[i];
    }

    /// <summary>
    /// Adds up the leaves of a tree, of which each rank holds some, and gives the sum to all ranks. The order of additions is the
    /// tree's, so the bits of the sum do not depend on the number of ranks.
    /// </summary>
    /// <param name="tree">The tree; the same leaves on each rank.</param>
    /// <param name="nodes">The sums of this rank's <see cref="SumTree.NodesOf"/>, [nodes, values].</param>
    /// <param name="sum">Receives the sum, [values]; of the same number on each rank.</param>
    /// <exception cref="ArgumentException">The tree is one for another number of ranks, or the nodes have not the sum's values each.</exception>
    /// <exception cref="RankMismatchException">Another rank makes another call.</exception>
    public void AllReduce(SumTree tree, ReadOnlySpan<float> nodes, Span<float> sum)
    {
        CheckNodes(tree, nodes.Length, sum.Length);
        Meet(CollectiveKind.AllReduce, sizeof(float), sum.Length, tree.Leaves);
        fixed (float* values = nodes, target = sum) ReduceAll(tree, values, sum.Length, target);
    }

    /// <summary>Adds up the leaves of a tree as <see cref="AllReduce"/> does, and gives each rank its part of the sum.</summary>
    /// <param name="tree">The tree; the same leaves on each rank.</param>
    /// <param name="nodes">The sums of this rank's <see cref="SumTree.NodesOf"/>, [nodes, values].</param>
    /// <param name="length">The number of values of the sum; the same on each rank.</param>
    /// <param name="part">Receives this rank's values, those of <see cref="PartOf"/>.</param>
    /// <exception cref="ArgumentException">The tree is one for another number of ranks, the nodes have not the sum's values each, or the part has another length.</exception>
    /// <exception cref="RankMismatchException">Another rank makes another call.</exception>
    public void ReduceScatter(SumTree tree, ReadOnlySpan<float> nodes, int length, Span<float> part)
    {
        CheckNodes(tree, nodes.Length, length);
        var (start, end) = PartOf(Rank, length);
        if (part.Length != end - start)
            throw new ArgumentException(FormattableString.Invariant($"There is room for {part.Length} values, and rank {Rank} has {end - start} of {length}."), nameof(part));
        Meet(CollectiveKind.ReduceScatter, sizeof(float), length, tree.Leaves);
        using var work = new TreeExchange(this, tree);
        fixed (float* values = nodes, target = part)
        {
            work.ReduceParts(Rows(values, tree.NodesOf(Rank).Count, length), AllPresent(tree), work.EqualParts(length), target);
        }
    }

    /// <summary>The values that a rank gets of a sum, [start, end).</summary>
    /// <param name="rank">The rank.</param>
    /// <param name="length">The number of values of the sum.</param>
    public (int Start, int End) PartOf(int rank, int length) => ((int)((long)length * rank / Size), (int)((long)length * (rank + 1) / Size));

    /// <summary>Compares what must be the same on all ranks, such as fingerprints, sizes and versions.</summary>
    /// <param name="facts">What must be the same, by name. The values go to every rank.</param>
    /// <exception cref="RankMismatchException">A rank has another value than rank 0, or makes another call; it is thrown on all ranks.</exception>
    public void CheckAgreement(params IEnumerable<KeyValuePair<string, string>> facts)
    {
        ArgumentNullException.ThrowIfNull(facts);
        Agreement.Check(this, facts);
    }

    /// <summary>Memory that all ranks read; null where they are on several machines. All ranks ask for it in the same call.</summary>
    internal SharedMemory? Shared
    {
        get
        {
            if (!_hasSought) (_hasSought, _shared) = (true, FindShared());
            return _shared;
        }
    }

    /// <summary>From here on no memory is shared, as between machines.</summary>
    internal void UseMessages() => _hasSought = true;

    /// <summary>The last call of a rank: ranks that still make another one learn of it.</summary>
    internal void End()
    {
        Meet(CollectiveKind.End, 1, 0, 0);
        _shared?.Dispose();
    }

    /// <summary>Begins a call that the library makes for itself.</summary>
    internal void Begin(CollectiveKind kind, long length, long detail) => Meet(kind, sizeof(float), length, detail);

    /// <summary>Counts what came from other ranks without a message.</summary>
    internal void Count(long bytes) => BytesReceived += bytes;

    /// <summary>Sends to each rank its values and receives each rank's; see the transport's.</summary>
    internal void Exchange(float* send, long[] sendStarts, int[] sendCounts, float* receive, int[] receiveCounts)
    {
        ExchangeFloats(send, sendStarts, sendCounts, receive, receiveCounts);
        CountFloats(receiveCounts);
    }

    /// <summary>Gives each rank's values to all, in their places; see the transport's.</summary>
    internal void GatherInPlace(float* all, int[] counts)
    {
        GatherFloats(all, counts);
        CountFloats(counts);
    }

    /// <summary>Puts the bytes of all ranks together; see the transport's.</summary>
    internal void Gather(byte* own, byte* all, int[] counts)
    {
        GatherBytes(own, all, counts);
        for (var rank = 0; rank < Size; rank++) BytesReceived += rank == Rank ? 0 : counts[rank];
    }

    /// <summary>The sum of a tree's leaves for all ranks, after a call has begun.</summary>
    internal void ReduceAll(SumTree tree, float* nodes, int length, float* sum)
    {
        using var work = new TreeExchange(this, tree);
        work.ReduceAll(Rows(nodes, tree.NodesOf(Rank).Count, length), AllPresent(tree), length, sum, scale: 1);
    }

    /// <summary>Copies <paramref name="count"/> bytes of the root to all.</summary>
    private protected abstract void BroadcastBytes(byte* data, int count, int root);

    /// <summary>Puts counts[r] bytes of each rank r next to each other.</summary>
    private protected abstract void GatherBytes(byte* own, byte* all, int[] counts);

    /// <summary>Gives the counts[r] values of each rank r, which stand next to each other, to all; a rank's own are in their place.</summary>
    private protected abstract void GatherFloats(float* all, int[] counts);

    /// <summary>Sends sendCounts[r] values from sendStarts[r] on, which ascend, to each rank r, and receives receiveCounts[r], one rank's behind the other's.</summary>
    private protected abstract void ExchangeFloats(float* send, long[] sendStarts, int[] sendCounts, float* receive, int[] receiveCounts);

    /// <summary>Makes memory that all ranks read; null where the transport has none, on all ranks alike.</summary>
    private protected virtual SharedMemory? FindShared() => null;

    private static nint[] Rows(float* values, int count, long length)
    {
        var rows = new nint[count];
        for (var row = 0; row < count; row++) rows[row] = (nint)(values + (row * length));
        return rows;
    }

    /// <summary>That every node of a tree has values, as <see cref="TreeExchange"/> takes it.</summary>
    internal static bool[][] AllPresent(SumTree tree)
    {
        var present = new bool[tree.Ranks][];
        for (var rank = 0; rank < present.Length; rank++)
        {
            present[rank] = new bool[tree.NodesOf(rank).Count];
            Array.Fill(present[rank], true);
        }

        return present;
    }

    private void CheckNodes(SumTree tree, int nodes, int length)
    {
        ArgumentNullException.ThrowIfNull(tree);
        if (tree.Ranks != Size)
            throw new ArgumentException(FormattableString.Invariant($"The tree is one of {tree.Ranks} ranks, and there are {Size}."), nameof(tree));
        if (nodes != (long)tree.NodesOf(Rank).Count * length)
            throw new ArgumentException(FormattableString.Invariant($"There are {nodes} values, and rank {Rank} has {tree.NodesOf(Rank).Count} nodes of {length} values each."), nameof(nodes));
    }

    private void CountFloats(int[] counts)
    {
        for (var rank = 0; rank < Size; rank++) BytesReceived += rank == Rank ? 0 : (long)counts[rank] * sizeof(float);
    }

    // Pieces of all ranks cross together, and are then put in their places.
    private void Gather<T>(ReadOnlySpan<T> own, int[] lengths, Span<T> all)
        where T : unmanaged
    {
        if (Size == 1)
        {
            own.CopyTo(all);
            return;
        }

        var starts = new long[Size];
        for (var rank = 1; rank < Size; rank++) starts[rank] = starts[rank - 1] + lengths[rank - 1];
        var most = lengths.Max();
        var pieceLength = Math.Max(1, MessageBytes / sizeof(T) / Size);
        var counts = new int[Size];
        for (var first = 0L; first < most; first += pieceLength)
        {
            for (var rank = 0; rank < Size; rank++) counts[rank] = (int)Math.Clamp(lengths[rank] - first, 0, pieceLength) * sizeof(T);
            var piece = new byte[counts.Sum()];
            fixed (T* mine = own[(int)Math.Min(first, own.Length)..])
            fixed (byte* together = piece) Gather((byte*)mine, together, counts);
            var from = 0;
            for (var rank = 0; rank < Size; rank++)
            {
                MemoryMarshal.Cast<byte, T>(piece.AsSpan(from, counts[rank])).CopyTo(all[(int)(starts[rank] + Math.Min(first, lengths[rank]))..]);
                from += counts[rank];
            }
        }
    }

    // Every call of every rank comes through here first.
    private CollectiveHeader[] Meet(CollectiveKind kind, int elementSize, long length, long detail)
    {
        var own = new CollectiveHeader(_sequence++, kind, elementSize, length, detail);
        if (Size == 1) return [own];
        var all = new CollectiveHeader[Size];
        var counts = new int[Size];
        Array.Fill(counts, Unsafe.SizeOf<CollectiveHeader>());
        fixed (CollectiveHeader* headers = all) Gather((byte*)&own, (byte*)headers, counts);
        for (var rank = 1; rank < Size; rank++)
        {
            if (!all[rank].Fits(all[0]))
                throw new RankMismatchException(FormattableString.Invariant($"Rank {rank} {all[rank]}, and rank 0 {all[0]}; all ranks must make the same calls in the same order, with values of the same sizes."));
        }

        return all;
    }
}
