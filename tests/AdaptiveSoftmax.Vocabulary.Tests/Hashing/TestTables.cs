namespace AdaptiveSoftmax.Vocabulary.Tests;

/// <summary>Look-up tables of the vocabulary that a test set last on its thread, in place of generated constants.</summary>
internal readonly struct TestTables : ITokenLookup, IIdLookup
{
    [ThreadStatic] private static TokenLookupTables? t_tokens;
    [ThreadStatic] private static IdLookupTables? t_ids;

    public static ulong TokenSeed => t_tokens!.Seed;
    public static int TokenCount => t_tokens!.Count;
    public static int TokenBucketCount => t_tokens!.BucketCount;
    public static int TokenPositionCount => t_tokens!.PositionCount;
    public static int TokenHotBits => t_tokens!.HotBits;
    public static ReadOnlySpan<byte> TokenHot => Blob(t_tokens!.Blobs, 0, nameof(TokenHot));
    public static ReadOnlySpan<byte> TokenPilots => Blob(t_tokens!.Blobs, 1, nameof(TokenPilots));
    public static ReadOnlySpan<byte> TokenRemap => Blob(t_tokens!.Blobs, 2, nameof(TokenRemap));
    public static ReadOnlySpan<byte> TokenEntries => Blob(t_tokens!.Blobs, 3, nameof(TokenEntries));
    public static ReadOnlySpan<byte> TokenText => Blob(t_tokens!.Blobs, 4, nameof(TokenText));
    public static ReadOnlySpan<byte> TokenPositions => Blob(t_tokens!.Blobs, 5, nameof(TokenPositions));

    public static IdTableForm IdForm => t_ids!.Form;
    public static ulong IdSeed => t_ids!.Seed;
    public static int IdCount => t_ids!.Count;
    public static int LargestId => t_ids!.Largest;
    public static int IdBucketCount => t_ids!.BucketCount;
    public static int IdPositionCount => t_ids!.PositionCount;
    public static ReadOnlySpan<byte> IdPilots => Blob(t_ids!.Blobs, 0, nameof(IdPilots));
    public static ReadOnlySpan<byte> IdRemap => Blob(t_ids!.Blobs, 1, nameof(IdRemap));
    public static ReadOnlySpan<byte> IdSlots => Blob(t_ids!.Blobs, 2, nameof(IdSlots));
    public static ReadOnlySpan<byte> Ids => Blob(t_ids!.Blobs, 3, nameof(Ids));

    public static void Use(TokenLookupTables tables) => t_tokens = tables;

    public static void Use(IdLookupTables tables) => t_ids = tables;

    private static byte[] Blob(IReadOnlyList<TableBlob> blobs, int index, string name)
    {
        if (blobs[index].Name != name) throw new InvalidOperationException($"Blob {index} is {blobs[index].Name}, not {name}.");
        return blobs[index].Bytes;
    }
}
