using System.Numerics;

namespace AdaptiveSoftmax.Distributed;

/// <summary>
/// Adds up the leaves of a tree over all ranks. The values are cut into parts, one a rank; each rank is sent all nodes of its part,
/// adds them up in the tree's order, and sends the sum to the others where all want it. With one node a rank a rank receives less
/// than twice the values, however many ranks there are.
/// </summary>
internal sealed unsafe class TreeExchange(Collectives collectives, SumTree tree) : IDisposable
{
    // The values of all parts that cross together, which bounds the working memory; and those of one part, which with few ranks stay
    // in a core's cache on their way from one copy to the next.
    private const int PieceLength = 1 << 22;
    private const int PartLength = 1 << 17;

    private readonly int _ranks = collectives.Size;
    private NativeFloats? _send;
    private NativeFloats? _receive;
    private NativeFloats? _own;
    private NativeFloats? _together;

    /// <summary>Gives the sum to all ranks.</summary>
    /// <param name="nodes">The first value of each of this rank's nodes.</param>
    /// <param name="present">Which nodes of each rank there are at all, [ranks][nodes]; at least one. The others are left out of the sum.</param>
    /// <param name="length">The number of values.</param>
    /// <param name="sum">Receives the sum, [length].</param>
    /// <param name="scale">What the sum is multiplied by.</param>
    public void ReduceAll(nint[] nodes, bool[][] present, long length, float* sum, float scale)
    {
        if (_ranks == 1)
        {
            Scale((float*)nodes[0], length, scale, sum);
            return;
        }

        foreach (var (starts, counts) in Pieces(EqualParts(length)))
        {
            var own = Add(nodes, present, starts, counts);
            Scale(own, counts[collectives.Rank], scale, own);
            var together = Room(ref _together, 1L + counts.Sum());
            collectives.Gather((byte*)own, (byte*)together, [.. counts.Select(count => count * sizeof(float))]);
            for (var rank = 0; rank < _ranks; rank++)
            {
                Copy(together, sum + starts[rank], counts[rank]);
                together += counts[rank];
            }
        }
    }

    /// <summary>Gives each rank its part of the sum.</summary>
    /// <param name="nodes">The first value of each of this rank's nodes.</param>
    /// <param name="present">Which nodes of each rank there are at all, [ranks][nodes]; at least one.</param>
    /// <param name="ends">Where each rank's part ends, [ranks], ascending; the first begins at 0.</param>
    /// <param name="part">Receives this rank's part.</param>
    public void ReduceParts(nint[] nodes, bool[][] present, long[] ends, float* part)
    {
        if (_ranks == 1)
        {
            Copy((float*)nodes[0], part, ends[0]);
            return;
        }

        foreach (var (starts, counts) in Pieces(ends))
        {
            Copy(Add(nodes, present, starts, counts), part, counts[collectives.Rank]);
            part += counts[collectives.Rank];
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _send?.Dispose();
        _receive?.Dispose();
        _own?.Dispose();
        _together?.Dispose();
    }

    /// <summary>Where the parts of <see cref="Collectives.PartOf"/> end, [ranks].</summary>
    public long[] EqualParts(long length) => [.. Enumerable.Range(1, _ranks).Select(rank => (long)((Int128)length * rank / _ranks))];

    // What crosses at a time: a piece of each rank's part. There is always one, so that ranks meet.
    private IEnumerable<(long[] Starts, int[] Counts)> Pieces(long[] ends)
    {
        var pieceLength = Math.Clamp(PieceLength / _ranks, 1, PartLength);
        var most = Enumerable.Range(0, _ranks).Max(rank => ends[rank] - StartOf(rank));
        for (var first = 0L; first == 0 || first < most; first += pieceLength)
        {
            var starts = new long[_ranks];
            var counts = new int[_ranks];
            for (var rank = 0; rank < _ranks; rank++)
            {
                starts[rank] = Math.Min(StartOf(rank) + first, ends[rank]);
                counts[rank] = (int)Math.Min(ends[rank] - starts[rank], pieceLength);
            }

            yield return (starts, counts);
        }

        long StartOf(int rank) => rank == 0 ? 0 : ends[rank - 1];
    }

    // The sum of this rank's piece.
    private float* Add(nint[] nodes, bool[][] present, long[] starts, int[] counts)
    {
        var me = collectives.Rank;
        var send = Room(ref _send, 1L + ((long)nodes.Length * counts.Sum()));
        var sendCounts = new int[_ranks];
        var receiveCounts = new int[_ranks];
        var next = send;
        for (var rank = 0; rank < _ranks; rank++)
        {
            if (rank == me) continue;
            for (var node = 0; node < nodes.Length; node++)
            {
                if (!present[me][node]) continue;
                Copy((float*)nodes[node] + starts[rank], next, counts[rank]);
                next += counts[rank];
                sendCounts[rank] += counts[rank] * sizeof(float);
            }

            receiveCounts[rank] = present[rank].Count(there => there) * counts[me] * sizeof(float);
        }

        // What is this rank's own need not go through the transport.
        var received = Room(ref _receive, 1L + (receiveCounts.Sum(count => (long)count) / sizeof(float)));
        collectives.Exchange((byte*)send, sendCounts, (byte*)received, receiveCounts);
        var own = Room(ref _own, 1L + ((long)nodes.Length * counts[me]));

        var stack = new Stack<(TreeNode Node, nint Values)>();
        for (var rank = 0; rank < _ranks; rank++)
        {
            var places = tree.NodesOf(rank);
            for (var node = 0; node < places.Count; node++)
            {
                nint values = 0;
                if (present[rank][node] && rank == me)
                {
                    Copy((float*)nodes[node] + starts[me], own, counts[me]);
                    values = (nint)own;
                    own += counts[me];
                }
                else if (present[rank][node])
                {
                    values = (nint)received;
                    received += counts[me];
                }

                Push(stack, places[node], values, counts[me]);
            }
        }

        return (float*)stack.Pop().Values;
    }

    private void Push(Stack<(TreeNode Node, nint Values)> stack, TreeNode node, nint values, int count)
    {
        while (stack.Count > 0 && tree.Parent(stack.Peek().Node, node) is { } parent)
        {
            var left = stack.Pop().Values;
            if (left != 0 && values != 0) Vectors.Add((float*)left, (float*)values, count);
            (node, values) = (parent, left != 0 ? left : values);
        }

        stack.Push((node, values));
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

    private static void Scale(float* from, long count, float scale, float* to)
    {
        const int Most = 1 << 30;
        for (var start = 0L; start < count; start += Most)
        {
            var length = (int)Math.Min(Most, count - start);
            Vector<float> factor = new(scale);
            var i = 0;
            for (; i <= length - Vector<float>.Count; i += Vector<float>.Count)
                Vector.Store(Vector.Load(from + start + i) * factor, to + start + i);
            for (; i < length; i++) to[start + i] = from[start + i] * scale;
        }
    }
}
