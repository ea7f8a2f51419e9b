using System.Buffers.Binary;

namespace AdaptiveSoftmax;

/// <summary>
/// How large a zip file's directory is. <see cref="System.IO.Compression.ZipArchive"/> reads all of it, however many
/// records it lists.
/// </summary>
internal static class ZipDirectory
{
    /// <summary>The longest directory that is read, several hundred thousand records.</summary>
    public const int MaxLength = 32 << 20;

    private const int EndLength = 22;
    private const int LocatorLength = 20;
    private const int End64Length = 56;

    /// <summary>The bytes from where the directory begins to where it ends; 0 where the file does not say so.</summary>
    public static long FindLength(WeightsBytes bytes)
    {
        var tail = new byte[(int)Math.Min(bytes.Length, EndLength + ushort.MaxValue)];
        var tailStart = bytes.Length - tail.Length;
        if (bytes.ReadAtLeast(tail, tailStart) < tail.Length) return 0;
        var end = tail.AsSpan().LastIndexOf("PK\u0005\u0006"u8);
        if (end < 0 || end + EndLength > tail.Length) return 0;
        var start = (long)BinaryPrimitives.ReadUInt32LittleEndian(tail.AsSpan(end + 16));
        if (start == uint.MaxValue && end >= LocatorLength && tail.AsSpan(end - LocatorLength).StartsWith("PK\u0006\u0007"u8))
        {
            var end64 = new byte[End64Length];
            var at = BinaryPrimitives.ReadInt64LittleEndian(tail.AsSpan(end - LocatorLength + 8));
            if (at < 0 || at > bytes.Length || bytes.ReadAtLeast(end64, at) < end64.Length) return 0;
            start = BinaryPrimitives.ReadInt64LittleEndian(end64.AsSpan(48));
        }

        return tailStart + end - start;
    }
}
