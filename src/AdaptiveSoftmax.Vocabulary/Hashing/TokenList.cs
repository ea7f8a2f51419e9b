namespace AdaptiveSoftmax.Vocabulary;

/// <summary>Tokens in slot order, one after the other.</summary>
/// <param name="bytes">The bytes of all tokens.</param>
/// <param name="offsets">Where each token starts, and last where the last one ends.</param>
internal readonly ref struct TokenList(ReadOnlySpan<byte> bytes, ReadOnlySpan<int> offsets)
{
    private readonly ReadOnlySpan<byte> _bytes = bytes;
    private readonly ReadOnlySpan<int> _offsets = offsets;

    internal int Count => _offsets.Length - 1;

    internal ReadOnlySpan<byte> this[int slot] => _bytes.Slice(_offsets[slot], _offsets[slot + 1] - _offsets[slot]);
}
