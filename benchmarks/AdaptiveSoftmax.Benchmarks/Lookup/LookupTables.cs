using System.Runtime.InteropServices;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Benchmarks;

/// <summary>The tables of the corpus's vocabulary as strings, which is what a generated vocabulary's literals are at run time.</summary>
internal readonly struct LookupTables : ITokenLookup
{
    private static readonly TokenLookupTables s_tables = TokenLookupTables.Build(LookupContenders.Corpus.Table);
    private static readonly string s_hot = Blob(nameof(TokenHot));
    private static readonly string s_pilots = Blob(nameof(TokenPilots));
    private static readonly string s_remap = Blob(nameof(TokenRemap));
    private static readonly string s_entries = Blob(nameof(TokenEntries));
    private static readonly string s_text = Blob(nameof(TokenText));
    private static readonly string s_positions = Blob(nameof(TokenPositions));

    public static ulong TokenSeed { get; } = s_tables.Seed;
    public static int TokenCount { get; } = s_tables.Count;
    public static int TokenBucketCount { get; } = s_tables.BucketCount;
    public static int TokenPositionCount { get; } = s_tables.PositionCount;
    public static int TokenHotBits { get; } = s_tables.HotBits;
    public static ReadOnlySpan<byte> TokenHot => MemoryMarshal.AsBytes(s_hot.AsSpan());
    public static ReadOnlySpan<byte> TokenPilots => MemoryMarshal.AsBytes(s_pilots.AsSpan());
    public static ReadOnlySpan<byte> TokenRemap => MemoryMarshal.AsBytes(s_remap.AsSpan());
    public static ReadOnlySpan<byte> TokenEntries => MemoryMarshal.AsBytes(s_entries.AsSpan());
    public static ReadOnlySpan<byte> TokenText => MemoryMarshal.AsBytes(s_text.AsSpan());
    public static ReadOnlySpan<byte> TokenPositions => MemoryMarshal.AsBytes(s_positions.AsSpan());

    /// <summary>The bytes of all tables.</summary>
    public static long Bytes => s_tables.Blobs.Sum(blob => (long)blob.Bytes.Length);

    private static string Blob(string name)
    {
        var bytes = s_tables.Blobs.Single(blob => blob.Name == name).Bytes;
        if (bytes.Length % 2 != 0) bytes = [.. bytes, 0];
        return new string(MemoryMarshal.Cast<byte, char>(bytes));
    }
}
