using System.Runtime.CompilerServices;

namespace AdaptiveSoftmax.Vocabulary;

/// <summary>
/// The arithmetic of the minimal perfect hash, shared by builder and look-up. A 64-bit hash chooses a bucket; the
/// bucket's pilot, one byte found by the builder, chooses among 256 positions of each key so that no two keys meet.
/// There is about one position in a hundred more than keys; a position past the last key is remapped to a free one.
/// </summary>
internal static class PerfectHash
{
    /// <summary>Keys a bucket on average: 8 bits of pilot over 3 keys are 2.67 bits a key.</summary>
    private const int KeysPerBucket = 3;

    /// <summary>Positions a spare one is added for; without spare ones the last keys would take very long to place.</summary>
    private const int PositionsPerSpare = 99;

    internal static int BucketCountFor(int keys) => (keys + KeysPerBucket - 1) / KeysPerBucket;

    internal static int PositionCountFor(int keys) => keys + (keys / PositionsPerSpare);

    /// <summary>The bucket of a key: the hash's upper half, scaled to the number of buckets.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static int Bucket(ulong hash, int bucketCount) => (int)(((hash >> 32) * (uint)bucketCount) >> 32);

    /// <summary>The position of a key for its bucket's pilot: double hashing over bits that the bucket leaves open.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static int Position(ulong hash, byte pilot, int positionCount)
    {
        var mixed = (uint)hash + (pilot * (uint)(hash >> 16));
        return (int)(((ulong)mixed * (uint)positionCount) >> 32);
    }
}
