using System.Buffers.Binary;
using System.Numerics;

namespace AdaptiveSoftmax.Corpus;

/// <summary>
/// The ordinary tokens of an encoding by their bytes. A token's id is its rank: pairs of lower ranks are joined first. A table of
/// its own, for giant words spend most of their time here. Immutable.
/// </summary>
internal sealed class BytePairRanks
{
    private readonly byte[] _bytes;
    private readonly Slot[] _slots;
    private readonly int _mask;

    public BytePairRanks(EncodedVocabulary vocabulary)
        : this(Enumerable.Range(0, vocabulary.Count).Where(id => vocabulary.GetKind(id) == TokenKind.Ordinary).Select(id => (vocabulary.GetToken(id).ToArray(), id)))
    {
    }

    /// <summary>Tokens with their ranks; of two with the same bytes the later counts.</summary>
    public BytePairRanks(IEnumerable<(byte[] Token, int Rank)> tokens)
    {
        var known = tokens.ToList();
        _slots = new Slot[BitOperations.RoundUpToPowerOf2((uint)Math.Max(4, 3 * known.Count))];
        _mask = _slots.Length - 1;
        _bytes = new byte[known.Sum(token => token.Token.Length)];
        var start = 0;
        foreach (var (token, rank) in known)
        {
            var hash = HashOf(token);
            var place = FindPlace(token, hash);
            token.CopyTo(_bytes, start);
            _slots[place] = new Slot(hash, start, token.Length, rank + 1);
            start += token.Length;
            LongestToken = Math.Max(LongestToken, token.Length);
        }
    }

    /// <summary>The bytes of the longest token.</summary>
    public int LongestToken { get; }

    /// <summary>The id of the token with these bytes.</summary>
    public bool TryGetId(ReadOnlySpan<byte> bytes, out int id)
    {
        id = 0;
        if (bytes.Length > LongestToken) return false;
        id = _slots[FindPlace(bytes, HashOf(bytes))].Number - 1;
        if (id >= 0) return true;
        id = 0;
        return false;
    }

    // Where the token is, or would be.
    private int FindPlace(ReadOnlySpan<byte> token, uint hash)
    {
        var place = (int)hash & _mask;
        while (true)
        {
            ref readonly var slot = ref _slots[place];
            if (slot.Number == 0 || (slot.Hash == hash && slot.Length == token.Length && _bytes.AsSpan(slot.Start, slot.Length).SequenceEqual(token))) return place;
            place = (place + 1) & _mask;
        }
    }

    // The tokens are what they are, and no text adds to them: mixing has only to be quick.
    private static uint HashOf(ReadOnlySpan<byte> bytes)
    {
        const ulong Mixer = 0x9E3779B97F4A7C15;
        var hash = (ulong)bytes.Length;
        for (; bytes.Length >= sizeof(ulong); bytes = bytes[sizeof(ulong)..]) hash = BitOperations.RotateLeft((hash ^ BinaryPrimitives.ReadUInt64LittleEndian(bytes)) * Mixer, 29);
        var rest = 0ul;
        foreach (var value in bytes) rest = (rest << 8) | value;
        hash = (hash ^ rest) * Mixer;
        return (uint)(hash >> 32);
    }

    /// <summary>A token, and its rank plus one; 0 where there is none.</summary>
    private readonly record struct Slot(uint Hash, int Start, int Length, int Number);
}
