using System.Globalization;
using System.Text;
using AdaptiveSoftmax.Vocabulary;
using Microsoft.Win32.SafeHandles;

namespace AdaptiveSoftmax.Distributed;

/// <summary>
/// A file that all ranks write together: rank 0 creates it under a temporary name, each rank writes its own bytes in their places,
/// and when all of them are on the disk rank 0 gives the file its name. No rank ever has another's bytes.
/// </summary>
internal static unsafe class SharedFile
{
    private const int ChunkBytes = 1 << 24;

    /// <summary>Writes a safetensors file; of what every rank has rank 0's values.</summary>
    /// <param name="collectives">The ranks.</param>
    /// <param name="path">The file, which every rank reaches by this path.</param>
    /// <param name="content">What the file has, and what this rank has of it.</param>
    /// <exception cref="IOException">The file cannot be written, or is no regular file.</exception>
    public static void Write(Collectives collectives, string path, WeightsContent content)
    {
        var header = CheckAgreement(collectives, content);
        using var file = collectives.Rank == 0 ? new WrittenFile(path, WriteTarget.Find(path), isShared: true) : null;
        if (file is not null && file.Temporary is null)
            throw new IOException($"'{Excerpt.Line(path)}' is no regular file, into which several ranks cannot write.");
        if (file is not null) Begin(file.Stream, header, content);

        // The others get the name, and with it the leave to begin.
        var name = Encoding.UTF8.GetString(collectives.AllGatherUneven<byte>(Encoding.UTF8.GetBytes(file?.Temporary ?? ""), out _));
        using (var handle = File.OpenHandle(name, FileMode.Open, FileAccess.Write, FileShare.ReadWrite))
        {
            foreach (var (entry, offset) in SafetensorsWriter.Place(content))
            {
                var start = header.Length + offset;
                var parts = content.Parts.Where(part => part.Name == entry.Name).ToArray();
                foreach (var part in parts) WriteBytes(handle, (byte*)part.Values, part.Count * sizeof(float), start + (part.FirstValue * sizeof(float)));
                if (parts.Length > 0 || collectives.Rank != 0) continue;
                var at = start;
                entry.ForEachChunk(
                    chunk =>
                    {
                        RandomAccess.Write(handle, chunk, at);
                        at += chunk.Length;
                    },
                    CancellationToken.None);
            }

            RandomAccess.FlushToDisk(handle);
        }

        collectives.Barrier();
        file?.Complete();
        collectives.Barrier();
    }

    /// <summary>Compares names, sizes, strings and steps over the ranks.</summary>
    /// <returns>The header of the file.</returns>
    /// <exception cref="RankMismatchException">They differ.</exception>
    public static byte[] CheckAgreement(Collectives collectives, WeightsContent content)
    {
        var header = SafetensorsWriter.CreateHeader(content);
        collectives.CheckAgreement([new("the checksum of the checkpoint's names, sizes, steps and strings", Crc32C.Append(0, header).ToString("x8", CultureInfo.InvariantCulture))]);
        return header;
    }

    // The whole length at once: the ranks write into a file that is there.
    private static void Begin(FileStream stream, byte[] header, WeightsContent content)
    {
        stream.Write(header);
        stream.SetLength(header.Length + content.Entries.Sum(entry => entry.ByteCount));
    }

    private static void WriteBytes(SafeFileHandle handle, byte* values, long length, long offset)
    {
        for (var done = 0L; done < length; done += ChunkBytes)
            RandomAccess.Write(handle, new ReadOnlySpan<byte>(values + done, (int)Math.Min(ChunkBytes, length - done)), offset + done);
    }
}
