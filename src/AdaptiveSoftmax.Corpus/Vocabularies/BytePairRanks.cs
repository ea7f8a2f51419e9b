using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Numerics;

namespace AdaptiveSoftmax.Corpus;

/// <summary>The ordinary tokens of an encoding by their bytes. A token's id is its rank: pairs of lower ranks are joined first.</summary>
internal sealed class BytePairRanks
{
    private readonly Dictionary<byte[], int>.AlternateLookup<ReadOnlySpan<byte>> _ids;

    public BytePairRanks(EncodedVocabulary vocabulary)
        : this(Enumerable.Range(0, vocabulary.Count).Where(id => vocabulary.GetKind(id) == TokenKind.Ordinary).Select(id => (vocabulary.GetToken(id).ToArray(), id)))
    {
    }

    /// <summary>Tokens with their ranks.</summary>
    public BytePairRanks(IEnumerable<(byte[] Token, int Rank)> tokens)
    {
        var ids = new Dictionary<byte[], int>(new BytesComparer());
        foreach (var (token, rank) in tokens)
        {
            ids[token] = rank;
            LongestToken = Math.Max(LongestToken, token.Length);
        }

        _ids = ids.GetAlternateLookup<ReadOnlySpan<byte>>();
    }

    /// <summary>The bytes of the longest token.</summary>
    public int LongestToken { get; }

    /// <summary>The id of the token with these bytes.</summary>
    public bool TryGetId(ReadOnlySpan<byte> bytes, out int id)
    {
        if (bytes.Length <= LongestToken) return _ids.TryGetValue(bytes, out id);
        id = 0;
        return false;
    }

    private sealed class BytesComparer : IEqualityComparer<byte[]>, IAlternateEqualityComparer<ReadOnlySpan<byte>, byte[]>
    {
        public byte[] Create(ReadOnlySpan<byte> alternate) => alternate.ToArray();

        public bool Equals(ReadOnlySpan<byte> alternate, byte[] other) => alternate.SequenceEqual(other);

        public bool Equals(byte[]? x, byte[]? y) => x.AsSpan().SequenceEqual(y);

        public int GetHashCode([DisallowNull] byte[] bytes) => GetHashCode(bytes.AsSpan());

        // The tokens are what they are, and no text adds to them: mixing has only to be quick.
        public int GetHashCode(ReadOnlySpan<byte> alternate)
        {
            const ulong Mixer = 0x9E3779B97F4A7C15;
            var hash = (ulong)alternate.Length;
            for (; alternate.Length >= sizeof(ulong); alternate = alternate[sizeof(ulong)..]) hash = BitOperations.RotateLeft((hash ^ BinaryPrimitives.ReadUInt64LittleEndian(alternate)) * Mixer, 29);
            var rest = 0ul;
            foreach (var value in alternate) rest = (rest << 8) | value;
            hash = (hash ^ rest) * Mixer;
            return (int)(hash >> 32);
        }
    }
}
