using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;

namespace AdaptiveSoftmax.Benchmarks;

/// <summary>
/// Lets a dictionary with keys of bytes be asked by span. Its hash is as cheap as a good one can be: the first and the
/// last word and the length, one wide product.
/// </summary>
internal sealed class ByteKeyComparer : IEqualityComparer<byte[]>, IAlternateEqualityComparer<ReadOnlySpan<byte>, byte[]>
{
    private const ulong First = 0x9E3779B97F4A7C15UL;
    private const ulong Last = 0xD6E8FEB86659FD93UL;

    public bool Equals(byte[]? x, byte[]? y) => x.AsSpan().SequenceEqual(y);

    public bool Equals(ReadOnlySpan<byte> alternate, byte[] other) => alternate.SequenceEqual(other);

    public int GetHashCode([DisallowNull] byte[] obj) => Hash(obj);

    public int GetHashCode(ReadOnlySpan<byte> alternate) => Hash(alternate);

    public byte[] Create(ReadOnlySpan<byte> alternate) => alternate.ToArray();

    private static int Hash(ReadOnlySpan<byte> key)
    {
        ulong first = 0, last = 0;
        if (key.Length >= 8)
        {
            first = MemoryMarshal.Read<ulong>(key);
            last = MemoryMarshal.Read<ulong>(key[^8..]);
            for (var i = 8; i < key.Length - 8; i += 8) first = (first ^ MemoryMarshal.Read<ulong>(key[i..])) * First;
        }
        else if (key.Length >= 4)
        {
            first = MemoryMarshal.Read<uint>(key);
            last = MemoryMarshal.Read<uint>(key[^4..]);
        }
        else if (key.Length > 0)
        {
            first = ((ulong)key[0] << 16) | ((ulong)key[key.Length >> 1] << 8) | key[^1];
        }

        var high = Math.BigMul(first ^ First, last ^ Last ^ ((ulong)key.Length << 32), out ulong low);
        return (int)((high ^ low) >> 16);
    }
}
