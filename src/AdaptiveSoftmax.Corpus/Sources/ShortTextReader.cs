using System.Buffers;
using System.Text;
using System.Text.Unicode;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Corpus;

/// <summary>
/// Reads a short file of plain UTF-8 at once: of a corpus of small files, what <see cref="PlainTextReader"/> makes for each (streams, a
/// decoder, buffers) takes as long as a tenth of encoding it.
/// </summary>
internal static class ShortTextReader
{
    /// <summary>
    /// Reads a file. False where it is anything but what most are: then nothing was read, and who reads it otherwise finds the
    /// mark, the compression, or what is wrong with it.
    /// </summary>
    public static bool TryRead(CorpusFile file, int longest, out TextPiece piece)
    {
        piece = default;
        if (file.Opened is not null || file.Path == CorpusFile.StandardInput || file.Length > longest || RegularFile.FindFault(file.Path) is not null) return false;
        var buffer = ArrayPool<byte>.Shared.Rent((int)file.Length + 1);
        try
        {
            using var handle = File.OpenHandle(file.Path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);

            // Room for one byte more: a file that has more or fewer than it had has changed since, or does not say how many.
            var bytes = buffer.AsSpan(0, RandomAccess.Read(handle, buffer.AsSpan(0, (int)file.Length + 1), fileOffset: 0));
            if (bytes.Length != file.Length || CorpusStream.IsCompressed(bytes) || bytes.Contains((byte)0) || !Utf8.IsValid(bytes)) return false;
            TextDecoding.FindEncoding(bytes, out var mark);
            if (mark > 0) return false;
            piece = new TextPiece(Encoding.UTF8.GetString(bytes), EndsDocument: true, bytes.Length);
            return true;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return false;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }
}
