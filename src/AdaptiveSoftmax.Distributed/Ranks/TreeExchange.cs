namespace AdaptiveSoftmax.Distributed;

/// <summary>
/// Adds up the leaves of a tree over all ranks. The values are cut into parts, one a rank; each rank gets all nodes of its part,
/// adds them up in the tree's order, and gives the sum to the others where all want it. With one node a rank a rank receives less
/// than twice the values, however many ranks there are.
/// </summary>
/// <remarks>
/// Values cross piece by piece, straight from the nodes and straight into the sum: by messages, or on one machine through windows of
/// memory that all ranks read, where a piece has not left the cache when the next rank takes it up. The bits are the same.
/// </remarks>
internal sealed unsafe class TreeExchange(Collectives collectives, SumTree tree) : IDisposable
{
    // The values of all parts that cross together, which bounds the working memory; and those of one part, which with few ranks stay
    // in a core's cache until they are added up.
    private const int PieceLength = 1 << 22;
    private const int PartLength = 1 << 17;

    // With less of it in a window, ranks would wait for each other more than they add up.
    private const int ShortestWindowPart = 1 << 10;

    private readonly int _ranks = collectives.Size;
    private readonly int _me = collectives.Rank;
    private readonly int _mostNodes = Enumerable.Range(0, collectives.Size).Max(rank => tree.NodesOf(rank).Count);
    private NativeFloats? _received;
    private NativeFloats? _work;

    // A window has the others' parts of this rank's nodes and, behind them, this rank's sum for all.
    private int WindowPart => SharedMemory.Length / (((_ranks - 1) * _mostNodes) + 1);

    /// <summary>Gives the sum to all ranks.</summary>
    /// <param name="nodes">The first value of each of this rank's nodes; whatever where there is none.</param>
    /// <param name="present">Which nodes of each rank there are at all, [ranks][nodes]; at least one. The others are left out of the sum.</param>
    /// <param name="length">The number of values; the same on each rank.</param>
    /// <param name="sum">Receives the sum, [length]; it may be one of the nodes.</param>
    /// <param name="scale">What the sum is multiplied by.</param>
    public void ReduceAll(nint[] nodes, bool[][] present, long length, float* sum, float scale)
    {
        var additions = new TreeAdditions(tree, present);
        if (_ranks == 1)
        {
            additions.Run(nodes, length, scale, sum, Room(ref _work, additions.WorkLength));
            return;
        }

        var shared = FindShared();
        var piece = (long)_ranks * (shared is null ? Math.Clamp(PieceLength / _ranks, 1, PartLength) : WindowPart);
        var (starts, counts) = (new long[_ranks], new int[_ranks]);
        for (var first = 0L; first < length; first += piece)
        {
            var values = Math.Min(piece, length - first);
            for (var rank = 0; rank < _ranks; rank++)
            {
                starts[rank] = first + (values * rank / _ranks);
                counts[rank] = (int)(first + (values * (rank + 1) / _ranks) - starts[rank]);
            }

            Add(shared, additions, nodes, present, (starts, counts), sum + starts[_me], scale);
            if (shared is null) collectives.GatherInPlace(sum + first, counts);
            else GatherShared(shared, sum, starts, counts);
        }
    }

    /// <summary>Gives each rank its part of the sum.</summary>
    /// <param name="nodes">The first value of each of this rank's nodes.</param>
    /// <param name="present">Which nodes of each rank there are at all, [ranks][nodes]; at least one.</param>
    /// <param name="ends">Where each rank's part ends, [ranks], ascending; the first begins at 0. The same on each rank.</param>
    /// <param name="part">Receives this rank's part.</param>
    public void ReduceParts(nint[] nodes, bool[][] present, long[] ends, float* part)
    {
        var additions = new TreeAdditions(tree, present);
        if (_ranks == 1)
        {
            additions.Run(nodes, ends[0], scale: 1, part, Room(ref _work, additions.WorkLength));
            return;
        }

        var shared = FindShared();
        var pieceLength = shared is null ? Math.Clamp(PieceLength / _ranks, 1, PartLength) : WindowPart;
        var most = Enumerable.Range(0, _ranks).Max(rank => ends[rank] - StartOf(rank));
        var (starts, counts) = (new long[_ranks], new int[_ranks]);
        for (var first = 0L; first < most; first += pieceLength)
        {
            for (var rank = 0; rank < _ranks; rank++)
            {
                starts[rank] = Math.Min(StartOf(rank) + first, ends[rank]);
                counts[rank] = (int)Math.Min(ends[rank] - starts[rank], pieceLength);
            }

            Add(shared, additions, nodes, present, (starts, counts), part, scale: 1);
            shared?.Wait();
            part += counts[_me];
        }

        long StartOf(int rank) => rank == 0 ? 0 : ends[rank - 1];
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _received?.Dispose();
        _work?.Dispose();
    }

    /// <summary>Where the parts of <see cref="Collectives.PartOf"/> end, [ranks].</summary>
    public long[] EqualParts(long length) => [.. Enumerable.Range(1, _ranks).Select(rank => (long)((Int128)length * rank / _ranks))];

    // Windows that are too small for so many nodes and ranks are of no use.
    private SharedMemory? FindShared() => WindowPart >= ShortestWindowPart ? collectives.Shared : null;

    // The sum of this rank's part of a piece.
    private void Add(SharedMemory? shared, TreeAdditions additions, nint[] nodes, bool[][] present, (long[] Starts, int[] Counts) piece, float* target, float scale)
    {
        if (shared is null) Send(additions, nodes, present, piece);
        else Show(shared, nodes, present, piece);

        var terms = new nint[additions.Terms];
        var received = _received is null ? null : _received.Pointer;
        var (next, shown) = (0, 0);
        for (var rank = 0; rank < _ranks; rank++, shown = 0)
        {
            for (var node = 0; node < present[rank].Length; node++)
            {
                if (!present[rank][node]) continue;
                if (rank == _me) terms[next++] = nodes[node] + (nint)(piece.Starts[_me] * sizeof(float));
                else if (shared is not null) terms[next++] = (nint)PlaceOf(shared, rank, _me, present[rank].Count(there => there), shown++);
                else terms[next++] = (nint)(received + ((long)Slot(present, rank, node) * piece.Counts[_me]));
            }
        }

        additions.Run(terms, piece.Counts[_me], scale, target, Room(ref _work, additions.WorkLength));
    }

    // By messages: of each rank's first node the part of every other, then of its second, and so on.
    private void Send(TreeAdditions additions, nint[] nodes, bool[][] present, (long[] Starts, int[] Counts) piece)
    {
        var (starts, counts) = piece;
        var own = present[_me].Count(there => there);
        var received = Room(ref _received, 1L + ((long)(additions.Terms - own) * counts[_me]));
        var (sendCounts, receiveCounts) = (new int[_ranks], new int[_ranks]);
        for (var node = 0; node < _mostNodes; node++)
        {
            if (!present.Any(IsThere)) continue;
            for (var rank = 0; rank < _ranks; rank++)
            {
                sendCounts[rank] = rank != _me && IsThere(present[_me]) ? counts[rank] : 0;
                receiveCounts[rank] = rank != _me && IsThere(present[rank]) ? counts[_me] : 0;
            }

            collectives.Exchange(IsThere(present[_me]) ? (float*)nodes[node] : null, starts, sendCounts, received, receiveCounts);
            received += receiveCounts.Sum(count => (long)count);

            bool IsThere(bool[] rank) => node < rank.Length && rank[node];
        }
    }

    // Which of the values that Send receives are a rank's node.
    private int Slot(bool[][] present, int rank, int node)
    {
        var slot = 0;
        for (var other = 0; other < _ranks; other++)
        {
            if (other == _me) continue;
            var before = other < rank ? node + 1 : node;
            for (var i = 0; i < Math.Min(before, present[other].Length); i++) slot += present[other][i] ? 1 : 0;
        }

        return slot;
    }

    // On one machine: the other ranks' parts of the own nodes.
    private void Show(SharedMemory shared, nint[] nodes, bool[][] present, (long[] Starts, int[] Counts) piece)
    {
        var own = present[_me].Count(there => there);
        for (var rank = 0; rank < _ranks; rank++)
        {
            if (rank == _me) continue;
            var shown = 0;
            for (var node = 0; node < nodes.Length; node++)
            {
                if (present[_me][node]) Copy((float*)nodes[node] + piece.Starts[rank], PlaceOf(shared, _me, rank, own, shown++), piece.Counts[rank]);
            }

            collectives.Count(present[rank].Count(there => there) * (long)piece.Counts[_me] * sizeof(float));
        }

        shared.Wait();
    }

    private float* PlaceOf(SharedMemory shared, int from, int to, int nodes, int node) =>
        shared.Of(from) + (((((long)(to < from ? to : to - 1)) * nodes) + node) * WindowPart);

    private void GatherShared(SharedMemory shared, float* sum, long[] starts, int[] counts)
    {
        Copy(sum + starts[_me], SumOf(_me), counts[_me]);
        shared.Wait();
        for (var rank = 0; rank < _ranks; rank++)
        {
            if (rank == _me) continue;
            Copy(SumOf(rank), sum + starts[rank], counts[rank]);
            collectives.Count((long)counts[rank] * sizeof(float));
        }

        float* SumOf(int rank) => shared.Of(rank) + SharedMemory.Length - WindowPart;
    }

    private static float* Room(ref NativeFloats? memory, long count)
    {
        if (memory is null || memory.Count < count)
        {
            memory?.Dispose();
            memory = new NativeFloats(count);
        }

        return memory.Pointer;
    }

    private static void Copy(float* from, float* to, long count) => Buffer.MemoryCopy(from, to, count * sizeof(float), count * sizeof(float));
}
