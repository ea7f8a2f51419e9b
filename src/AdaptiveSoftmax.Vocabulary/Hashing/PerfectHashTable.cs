namespace AdaptiveSoftmax.Vocabulary;

/// <summary>A minimal perfect hash that was built: its tables, and where each key went.</summary>
internal sealed class PerfectHashTable(ulong seed, int bucketCount, int positionCount, byte[] pilots, byte[] remap, int[] positions)
{
    internal ulong Seed { get; } = seed;

    internal int BucketCount { get; } = bucketCount;

    /// <summary>The positions before remapping, a few more than there are keys.</summary>
    internal int PositionCount { get; } = positionCount;

    /// <summary>One byte a bucket.</summary>
    internal byte[] Pilots { get; } = pilots;

    /// <summary>Packed: for each position past the number of keys, the free one below it that stands in for it.</summary>
    internal byte[] Remap { get; } = remap;

    /// <summary>The final position of each key: a permutation of [0, keys).</summary>
    internal int[] Positions { get; } = positions;

    /// <summary>The bits a key that the hash itself takes.</summary>
    internal double BitsPerKey => 8.0 * (Pilots.Length + Remap.Length) / Positions.Length;
}
