using System.Text;
using Microsoft.CodeAnalysis.Text;

namespace AdaptiveSoftmax.Generators;

/// <summary>The text that a <see cref="SourceWriter"/> wrote, in the pieces it was written to: a table is never copied.</summary>
internal sealed class ChunkedText(IReadOnlyList<char[]> chunks, int length) : SourceText
{
    /// <summary>The characters in each piece, a power of two and small enough to stay off the large object heap.</summary>
    public const int ChunkSize = 1 << 15;

    public override Encoding Encoding { get; } = new UTF8Encoding(encoderShouldEmitUTF8Identifier: false);

    public override int Length { get; } = length;

    public override char this[int position] => (uint)position < (uint)Length
        ? chunks[position / ChunkSize][position % ChunkSize]
        : throw new ArgumentOutOfRangeException(nameof(position));

    public override void CopyTo(int sourceIndex, char[] destination, int destinationIndex, int count)
    {
        if (sourceIndex < 0 || count < 0 || sourceIndex > Length - count) throw new ArgumentOutOfRangeException(nameof(sourceIndex));
        while (count > 0)
        {
            var start = sourceIndex % ChunkSize;
            var piece = Math.Min(count, ChunkSize - start);
            Array.Copy(chunks[sourceIndex / ChunkSize], start, destination, destinationIndex, piece);
            sourceIndex += piece;
            destinationIndex += piece;
            count -= piece;
        }
    }
}
