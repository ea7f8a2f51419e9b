#if NET10_0_OR_GREATER
namespace AdaptiveSoftmax.Vocabulary;

/// <summary>
/// The tables of a look-up from tokens to slots, as built by <see cref="TokenLookupTables"/>; a generated struct
/// implements it. The members are constants to the JIT compiler.
/// </summary>
public interface ITokenLookup
{
    /// <summary>The seed of the tokens' hash.</summary>
    static abstract ulong TokenSeed { get; }

    /// <summary>The number of tokens.</summary>
    static abstract int TokenCount { get; }

    /// <summary>The number of the hash's buckets.</summary>
    static abstract int TokenBucketCount { get; }

    /// <summary>The number of the hash's positions before remapping.</summary>
    static abstract int TokenPositionCount { get; }

    /// <summary>The binary logarithm of the number of pairs in <see cref="TokenHot"/>; 0 where there is none.</summary>
    static abstract int TokenHotBits { get; }

    /// <summary>The most frequent tokens, in pairs that a hash chooses among; 16 bytes a token.</summary>
    static abstract ReadOnlySpan<byte> TokenHot { get; }

    /// <summary>One byte a bucket, which steers the bucket's tokens to free positions.</summary>
    static abstract ReadOnlySpan<byte> TokenPilots { get; }

    /// <summary>For each position past the last token the one that stands in for it, packed.</summary>
    static abstract ReadOnlySpan<byte> TokenRemap { get; }

    /// <summary>By position: text of at most 12 bytes, slot and length, 16 bytes a token.</summary>
    static abstract ReadOnlySpan<byte> TokenEntries { get; }

    /// <summary>The text of the tokens that are longer than 12 bytes.</summary>
    static abstract ReadOnlySpan<byte> TokenText { get; }

    /// <summary>The position of each slot's entry, packed.</summary>
    static abstract ReadOnlySpan<byte> TokenPositions { get; }
}
#endif
