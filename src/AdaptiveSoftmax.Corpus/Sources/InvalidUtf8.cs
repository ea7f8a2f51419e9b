using System.Buffers;
using System.Text.Unicode;

namespace AdaptiveSoftmax.Corpus;

/// <summary>Finds what is no UTF-8. A decoder knows of places in its buffer alone, which mean nothing in a file.</summary>
internal static class InvalidUtf8
{
    private const int BufferLength = 1 << 16;

    /// <summary>The first byte that belongs to no character, its index from 0 and its line from 1; null where there is none.</summary>
    public static (byte Value, long Index, long Line)? Find(Stream stream)
    {
        var (bytes, characters) = (new byte[BufferLength], new char[BufferLength]);
        var (start, line, kept) = (0L, 1L, 0);
        while (true)
        {
            var read = stream.Read(bytes.AsSpan(kept));
            var part = bytes.AsSpan(0, kept + read);
            var status = Utf8.ToUtf16(part, characters, out var valid, out _, replaceInvalidSequences: false, isFinalBlock: read == 0);
            line += part[..valid].Count((byte)'\n');
            if (status == OperationStatus.InvalidData) return (part[valid], start + valid, line);
            if (read == 0) return null;
            part[valid..].CopyTo(bytes);
            (start, kept) = (start + valid, part.Length - valid);
        }
    }
}
