using System.Buffers.Binary;
using System.Globalization;

namespace AdaptiveSoftmax.Vocabulary;

/// <summary>
/// The tables of the look-up from a token's bytes to its slot and back, in their final form: constants and blobs
/// named as the members of the look-up's interface (<c>ITokenLookup</c>, .NET 10). The same tokens give the same
/// bytes on every platform.
/// </summary>
public sealed class TokenLookupTables
{
    private const int Attempts = 64;

    private readonly PerfectHashTable _hash;

    private TokenLookupTables(PerfectHashTable hash, int hotBits, byte[] hot, byte[] entries, byte[] text)
    {
        _hash = hash;
        HotBits = hotBits;
        var count = hash.Positions.Length;
        Blobs =
        [
            new TableBlob("TokenHot", hot),
            new TableBlob("TokenPilots", hash.Pilots),
            new TableBlob("TokenRemap", hash.Remap),
            new TableBlob("TokenEntries", entries),
            new TableBlob("TokenText", text),
            new TableBlob("TokenPositions", PackedIntegers.Pack(hash.Positions, PackedIntegers.WidthFor(count - 1))),
        ];
        Constants =
        [
            new TableConstant("ulong", "TokenSeed", $"0x{hash.Seed:X16}UL"),
            new TableConstant("int", "TokenCount", count.ToString(CultureInfo.InvariantCulture)),
            new TableConstant("int", "TokenBucketCount", hash.BucketCount.ToString(CultureInfo.InvariantCulture)),
            new TableConstant("int", "TokenPositionCount", hash.PositionCount.ToString(CultureInfo.InvariantCulture)),
            new TableConstant("int", "TokenHotBits", hotBits.ToString(CultureInfo.InvariantCulture)),
        ];
    }

    /// <summary>The seed of the tokens' hash.</summary>
    public ulong Seed => _hash.Seed;

    /// <summary>The number of tokens.</summary>
    public int Count => _hash.Positions.Length;

    /// <summary>The number of the hash's buckets, each with one byte of pilot.</summary>
    public int BucketCount => _hash.BucketCount;

    /// <summary>The number of the hash's positions before those past the last token are remapped.</summary>
    public int PositionCount => _hash.PositionCount;

    /// <summary>The binary logarithm of the number of pairs in the table of frequent tokens; 0 where there is none.</summary>
    public int HotBits { get; }

    /// <summary>The bits a token that the minimal perfect hash itself takes, without slots and text.</summary>
    public double HashBitsPerToken => _hash.BitsPerKey;

    /// <summary>The constants, named as the members of the look-up's interface.</summary>
    public IReadOnlyList<TableConstant> Constants { get; }

    /// <summary>The blobs, named as the members of the look-up's interface.</summary>
    public IReadOnlyList<TableBlob> Blobs { get; }

    /// <summary>Builds the tables of a vocabulary's tokens.</summary>
    /// <param name="table">The vocabulary, at least one token.</param>
    /// <param name="cancellation">Stops the work.</param>
    /// <exception cref="ArgumentException">The vocabulary has no tokens or too many; the message says which.</exception>
    public static TokenLookupTables Build(TokenTable table, CancellationToken cancellation = default)
    {
        if (table is null) throw new ArgumentNullException(nameof(table));
        return Build(new TokenList(table.Bytes, table.Offsets), cancellation);
    }

    /// <summary>Builds the tables of tokens in slot order.</summary>
    /// <param name="tokens">Distinct byte strings; the index is the slot. The empty token is allowed.</param>
    /// <param name="cancellation">Stops the work.</param>
    /// <exception cref="ArgumentException">There are no tokens or too many, one is null, or two are equal; the message says which.</exception>
    public static TokenLookupTables Build(IReadOnlyList<byte[]> tokens, CancellationToken cancellation = default)
    {
        if (tokens is null) throw new ArgumentNullException(nameof(tokens));
        var offsets = new int[tokens.Count + 1];
        for (var slot = 0; slot < tokens.Count; slot++)
        {
            if (tokens[slot] is null)
                throw new ArgumentException(FormattableString.Invariant($"The token of slot {slot} is null; give its bytes, or an empty array for the empty token."), nameof(tokens));
            offsets[slot + 1] = checked(offsets[slot] + tokens[slot].Length);
        }

        var bytes = new byte[offsets[tokens.Count]];
        for (var slot = 0; slot < tokens.Count; slot++) tokens[slot].CopyTo(bytes, offsets[slot]);
        return Build(new TokenList(bytes, offsets), cancellation);
    }

    private static TokenLookupTables Build(TokenList tokens, CancellationToken cancellation)
    {
        if (tokens.Count is 0 or > TokenEntry.LargestCount)
            throw new ArgumentException($"There are {tokens.Count} tokens; a look-up holds 1 to {TokenEntry.LargestCount}.", nameof(tokens));
        var hash = BuildHash(tokens, cancellation);
        var hotBits = HotTable.BitsFor(tokens.Count);
        var hot = HotTable.Build(tokens, hotBits);
        var (entries, text) = WriteEntries(tokens, hash.Positions);
        return new TokenLookupTables(hash, hotBits, hot, entries, text);
    }

    private static PerfectHashTable BuildHash(TokenList tokens, CancellationToken cancellation)
    {
        var hashes = new ulong[tokens.Count];
        for (var attempt = 0; attempt < Attempts; attempt++)
        {
            var seed = KeyHash.SeedOf(attempt);
            for (var slot = 0; slot < hashes.Length; slot++) hashes[slot] = KeyHash.Compute(tokens[slot], seed);
            if (PerfectHashBuilder.TryBuild(hashes, seed, cancellation, out var equal) is { } table) return table;
            if (equal is var (first, second) && tokens[first].SequenceEqual(tokens[second]))
                throw new ArgumentException(FormattableString.Invariant($"The tokens of slots {first} and {second} are equal; each token may stand once."), nameof(tokens));
        }

        throw new ArgumentException($"None of {Attempts} seeds gives a perfect hash of the {tokens.Count} tokens.", nameof(tokens));
    }

    private static (byte[] Entries, byte[] Text) WriteEntries(TokenList tokens, int[] positions)
    {
        var entries = new byte[checked(tokens.Count * TokenEntry.Size)];
        using var text = new MemoryStream();
        var prefix = new byte[sizeof(int)];
        for (var slot = 0; slot < tokens.Count; slot++)
        {
            var token = tokens[slot];
            var entry = entries.AsSpan(positions[slot] * TokenEntry.Size, TokenEntry.Size);
            BinaryPrimitives.WriteUInt32LittleEndian(entry.Slice(TokenEntry.SlotOffset), (uint)slot);
            entry[TokenEntry.LengthOffset] = (byte)Math.Min(token.Length, TokenEntry.PrefixedLength);
            if (token.Length <= TokenEntry.InlineLength)
            {
                token.CopyTo(entry);
                continue;
            }

            if (token.Length >= TokenEntry.PrefixedLength)
            {
                BinaryPrimitives.WriteInt32LittleEndian(prefix, token.Length);
                text.Write(prefix, 0, prefix.Length);
            }

            token.Slice(0, TokenEntry.TextStartOffset).CopyTo(entry);
            BinaryPrimitives.WriteInt32LittleEndian(entry.Slice(TokenEntry.TextStartOffset), checked((int)text.Length));
            foreach (var value in token) text.WriteByte(value);
        }

        return (entries, text.ToArray());
    }
}
