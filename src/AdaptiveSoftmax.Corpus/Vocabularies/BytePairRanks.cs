using System.Buffers.Binary;
using System.Numerics;

namespace AdaptiveSoftmax.Corpus;

/// <summary>
/// The ordinary tokens of an encoding by their bytes. A token's id is its rank: pairs of lower ranks are joined first. A table of
/// its own, for giant words spend most of their time here. Immutable.
/// </summary>
internal sealed class BytePairRanks
{
    private const ulong Mixer = 0x9E3779B97F4A7C15;

    private readonly byte[] _bytes;
    private readonly Slot[] _slots;

    // Ids of one byte and of two, plus one: a long word begins with looking up all of its pairs of bytes.
    private readonly int[] _single = new int[1 << 8];
    private readonly int[] _double = new int[1 << 16];
    private readonly int _mask;
    private readonly int _shift;

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
        _shift = 32 - BitOperations.Log2((uint)_slots.Length);
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
            if (token.Length == 1) _single[token[0]] = rank + 1;
            else if (token.Length == 2) _double[BinaryPrimitives.ReadUInt16LittleEndian(token)] = rank + 1;
        }
    }

    /// <summary>The bytes of the longest token.</summary>
    public int LongestToken { get; }

    /// <summary>The id of the token with these bytes.</summary>
    public bool TryGetId(ReadOnlySpan<byte> bytes, out int id)
    {
        id = 0;
        if (bytes.Length > LongestToken) return false;
        var number = bytes.Length == 2 ? _double[BinaryPrimitives.ReadUInt16LittleEndian(bytes)] : _slots[FindPlace(bytes, HashOf(bytes))].Number;
        if (number == 0) return false;
        id = number - 1;
        return true;
    }

    /// <summary>The id of the token of one byte; −1 where there is none.</summary>
    public int IdOfByte(byte value) => _single[value] - 1;

    // Where the token is, or would be.
    private int FindPlace(ReadOnlySpan<byte> token, uint hash)
    {
        var place = (int)(hash >> _shift);
        while (true)
        {
            ref readonly var slot = ref _slots[place];
            if (slot.Number == 0 || (slot.Hash == hash && slot.Length == token.Length && _bytes.AsSpan(slot.Start, slot.Length).SequenceEqual(token))) return place;
            place = (place + 1) & _mask;
        }
    }

    // The tokens are what they are, and no text adds to them: mixing has only to be quick. The upper bits are the better mixed.
    private static uint HashOf(ReadOnlySpan<byte> bytes)
    {
        var hash = (ulong)bytes.Length;
        if (bytes.Length < sizeof(ulong)) return (uint)(((hash ^ ReadShort(bytes)) * Mixer) >> 32);
        var end = BinaryPrimitives.ReadUInt64LittleEndian(bytes[^sizeof(ulong)..]);
        for (; bytes.Length > sizeof(ulong); bytes = bytes[sizeof(ulong)..]) hash = BitOperations.RotateLeft((hash ^ BinaryPrimitives.ReadUInt64LittleEndian(bytes)) * Mixer, 29);
        return (uint)(((hash ^ end) * Mixer) >> 32);
    }

    // All of fewer than eight bytes in one number, without a loop: the halves overlap.
    private static ulong ReadShort(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length >= sizeof(uint)) return BinaryPrimitives.ReadUInt32LittleEndian(bytes) | ((ulong)BinaryPrimitives.ReadUInt32LittleEndian(bytes[^sizeof(uint)..]) << 32);
        return bytes.IsEmpty ? 0 : bytes[0] | ((ulong)bytes[bytes.Length / 2] << 8) | ((ulong)bytes[^1] << 16);
    }

    /// <summary>A token, and its rank plus one; 0 where there is none.</summary>
    private readonly record struct Slot(uint Hash, int Start, int Length, int Number);
}
