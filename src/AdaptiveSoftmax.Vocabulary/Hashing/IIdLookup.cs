#if NET10_0_OR_GREATER
namespace AdaptiveSoftmax.Vocabulary;

/// <summary>
/// The tables of a look-up from ids to slots, as built by <see cref="IdLookupTables"/>; a generated struct implements
/// it. The members are constants to the JIT compiler, so that only one form of look-up remains.
/// </summary>
public interface IIdLookup
{
    /// <summary>How ids are mapped to slots.</summary>
    static abstract IdTableForm IdForm { get; }

    /// <summary>The seed of the ids' hash.</summary>
    static abstract ulong IdSeed { get; }

    /// <summary>The number of ids.</summary>
    static abstract int IdCount { get; }

    /// <summary>The largest id.</summary>
    static abstract int LargestId { get; }

    /// <summary>The number of the hash's buckets.</summary>
    static abstract int IdBucketCount { get; }

    /// <summary>The number of the hash's positions before remapping.</summary>
    static abstract int IdPositionCount { get; }

    /// <summary>One byte a bucket, which steers the bucket's ids to free positions.</summary>
    static abstract ReadOnlySpan<byte> IdPilots { get; }

    /// <summary>For each position past the last id the one that stands in for it, packed.</summary>
    static abstract ReadOnlySpan<byte> IdRemap { get; }

    /// <summary>The slots by id or by position, packed.</summary>
    static abstract ReadOnlySpan<byte> IdSlots { get; }

    /// <summary>The ids by slot, packed.</summary>
    static abstract ReadOnlySpan<byte> Ids { get; }
}
#endif
