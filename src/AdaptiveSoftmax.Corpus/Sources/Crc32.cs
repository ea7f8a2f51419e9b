using System.Buffers.Binary;

namespace AdaptiveSoftmax.Corpus;

/// <summary>The check sum of gzip, eight bytes at a time.</summary>
internal static class Crc32
{
    private const uint Polynomial = 0xEDB88320;
    private const int Step = 8;

    private static readonly uint[][] s_tables = CreateTables();

    /// <summary>The sum of what <paramref name="sum"/> is of, which is 0 for nothing, with more bytes behind it.</summary>
    public static uint Append(uint sum, ReadOnlySpan<byte> bytes)
    {
        sum = ~sum;
        for (; bytes.Length >= Step; bytes = bytes[Step..])
        {
            var low = BinaryPrimitives.ReadUInt32LittleEndian(bytes) ^ sum;
            var high = BinaryPrimitives.ReadUInt32LittleEndian(bytes[4..]);
            sum = s_tables[7][(byte)low] ^ s_tables[6][(byte)(low >> 8)] ^ s_tables[5][(byte)(low >> 16)] ^ s_tables[4][low >> 24]
                ^ s_tables[3][(byte)high] ^ s_tables[2][(byte)(high >> 8)] ^ s_tables[1][(byte)(high >> 16)] ^ s_tables[0][high >> 24];
        }

        foreach (var value in bytes) sum = s_tables[0][(byte)(sum ^ value)] ^ (sum >> 8);
        return ~sum;
    }

    // The n-th is of a byte with n zeros behind it.
    private static uint[][] CreateTables()
    {
        var tables = new uint[Step][];
        for (var n = 0; n < Step; n++)
        {
            tables[n] = new uint[256];
            for (var value = 0u; value < 256; value++)
            {
                var sum = n == 0 ? value : tables[n - 1][value];
                for (var bit = 0; bit < 8; bit++) sum = (sum & 1) == 0 ? sum >> 1 : (sum >> 1) ^ Polynomial;
                tables[n][value] = sum;
            }
        }

        return tables;
    }
}
