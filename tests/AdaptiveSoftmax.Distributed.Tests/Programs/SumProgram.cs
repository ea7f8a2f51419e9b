using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace AdaptiveSoftmax.Distributed.Tests;

/// <summary>Every call once, with values that follow from the leaves alone.</summary>
internal static class SumProgram
{
    public const int Leaves = 13;
    public const int Length = 1003;

    /// <summary>The terms of a sum, of very different sizes, so that the order of additions shows.</summary>
    public static float[] Leaf(int leaf)
    {
        var random = new Random(leaf);
        var values = new float[Length];
        for (var i = 0; i < Length; i++) values[i] = (float)((random.NextDouble() - 0.5) * Math.Pow(10, random.Next(-4, 5)));
        return values;
    }

    /// <summary>The sum of some leaves in the tree's order, written down a second time: halves at the largest power of two.</summary>
    public static float[] Sum(int start, int end)
    {
        if (end - start == 1) return Leaf(start);
        var half = 1;
        while (half * 2 < end - start) half *= 2;
        var (left, right) = (Sum(start, start + half), Sum(start + half, end));
        return [.. left.Zip(right, (a, b) => a + b)];
    }

    public static string Run(Collectives collectives)
    {
        var tree = new SumTree(Leaves, collectives.Size);
        var nodes = new List<float>();
        foreach (var node in tree.NodesOf(collectives.Rank))
            nodes.AddRange(Sum(node.Index << node.Level, Math.Min(Leaves, (node.Index + 1) << node.Level)));

        var sum = new float[Length];
        collectives.AllReduce(tree, CollectionsMarshal.AsSpan(nodes), sum);

        var (start, end) = collectives.PartOf(collectives.Rank, Length);
        var part = new float[end - start];
        collectives.ReduceScatter(tree, CollectionsMarshal.AsSpan(nodes), Length, part);
        var parts = collectives.AllGatherUneven<float>(part, out _);

        var bits = new ulong[] { 1UL << collectives.Rank, 0 };
        collectives.AllReduceBits(bits);
        if (bits[0] != (1UL << collectives.Size) - 1 || bits[1] != 0) throw new InvalidOperationException("The bits are wrong.");

        var word = new int[3];
        if (collectives.Rank == collectives.Size - 1) word = [3, 1, 4];
        collectives.Broadcast<int>(word, root: collectives.Size - 1);

        var ranks = new short[collectives.Size * 2];
        collectives.AllGather<short>([(short)collectives.Rank, 7], ranks);
        for (var rank = 0; rank < collectives.Size; rank++)
        {
            if (ranks[rank * 2] != rank || ranks[(rank * 2) + 1] != 7) throw new InvalidOperationException("The gathered values are wrong.");
        }

        collectives.Barrier();
        return $"{Digest(sum)} {Digest(parts)} {string.Join(',', word)}";
    }

    public static string Digest(ReadOnlySpan<float> values) => Convert.ToHexString(SHA256.HashData(MemoryMarshal.AsBytes(values)).AsSpan(0, 8));
}
