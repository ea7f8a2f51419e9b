using System.Buffers.Binary;

namespace AdaptiveSoftmax;

/// <summary>The checksum of zip and gzip, which .NET writes and does not show.</summary>
internal static class Crc32
{
    private const int Slices = 8;
    private static readonly uint[] s_table = CreateTable();

    /// <summary>Continues a checksum, which starts at 0.</summary>
    public static uint Append(uint crc, ReadOnlySpan<byte> bytes)
    {
        var table = s_table;
        crc = ~crc;
        while (bytes.Length >= Slices)
        {
            var low = BinaryPrimitives.ReadUInt32LittleEndian(bytes) ^ crc;
            var high = BinaryPrimitives.ReadUInt32LittleEndian(bytes[4..]);
            crc = table[1792 + (low & 255)] ^ table[1536 + ((low >> 8) & 255)] ^ table[1280 + ((low >> 16) & 255)] ^ table[1024 + (low >> 24)]
                ^ table[768 + (high & 255)] ^ table[512 + ((high >> 8) & 255)] ^ table[256 + ((high >> 16) & 255)] ^ table[high >> 24];
            bytes = bytes[Slices..];
        }

        foreach (var value in bytes) crc = table[(crc ^ value) & 255] ^ (crc >> 8);
        return ~crc;
    }

    private static uint[] CreateTable()
    {
        var table = new uint[Slices * 256];
        for (var i = 0u; i < 256; i++)
        {
            var value = i;
            for (var bit = 0; bit < 8; bit++) value = (value & 1) == 0 ? value >> 1 : (value >> 1) ^ 0xEDB88320u;
            table[i] = value;
        }

        for (var i = 256; i < table.Length; i++) table[i] = (table[i - 256] >> 8) ^ table[table[i - 256] & 255];
        return table;
    }
}
