using System.Numerics;
using System.Runtime.InteropServices;

namespace AdaptiveSoftmax;

/// <summary>The checksum of Castagnoli, which processors compute at the speed of memory: that of iSCSI and ext4.</summary>
internal static class Crc32C
{
    /// <summary>Continues a checksum, which starts at 0.</summary>
    public static uint Append(uint crc, ReadOnlySpan<byte> bytes)
    {
        crc = ~crc;
        var words = MemoryMarshal.Cast<byte, ulong>(bytes);
        foreach (var word in words) crc = BitOperations.Crc32C(crc, word);
        foreach (var value in bytes[(words.Length * sizeof(ulong))..]) crc = BitOperations.Crc32C(crc, value);
        return ~crc;
    }
}
