using System.Buffers;
using System.Globalization;
using System.Text;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Corpus;

/// <summary>Reads plain text in pieces whose borders no token of the known encodings spans.</summary>
internal static class PlainTextReader
{
    // A text without any line or word border is cut here, in the middle of what would have been one long match.
    private const int HardLimitFactor = 128;

    private const int SmallestBuffer = 1 << 12;
    private const int LongestDocument = 1 << 29;

    /// <summary>The characters that a piece should have at least, where the file has as many.</summary>
    internal const int DefaultPieceLength = 1 << 15;

    public static IEnumerable<TextPiece> Read(CorpusFile file, CancellationToken cancellationToken, int pieceLength = DefaultPieceLength, TextBorder border = TextBorder.Lines)
    {
        cancellationToken.ThrowIfCancellationRequested();
        if (ShortTextReader.TryRead(file, pieceLength, out var whole))
        {
            yield return whole;
            yield break;
        }

        using var stream = file.Open();
        using var reader = new TextChars(stream);
        var buffer = ArrayPool<char>.Shared.Rent((int)Math.Clamp(file.Length + TextChars.LongestCharacter, Math.Min(SmallestBuffer, pieceLength * 2), pieceLength * 2));
        try
        {
            var filled = 0;
            var searchFrom = pieceLength;
            var position = 0L;
            while (true)
            {
                cancellationToken.ThrowIfCancellationRequested();
                var read = ReadInto(file, reader, buffer.AsSpan(filled));
                filled += read;
                while (filled > searchFrom)
                {
                    var end = Find(border, buffer.AsSpan(0, filled), searchFrom);
                    if (end < 0 && (border == TextBorder.None || filled < pieceLength * HardLimitFactor))
                    {
                        searchFrom = filled;
                        break;
                    }

                    if (end < 0) end = char.IsHighSurrogate(buffer[filled - 1]) ? filled - 1 : filled;
                    yield return new TextPiece(new string(buffer, 0, end), false, Advance(stream, ref position));
                    buffer.AsSpan(end, filled - end).CopyTo(buffer);
                    filled -= end;
                    searchFrom = pieceLength;
                }

                if (reader.IsAtEnd) break;
                if (read == 0) buffer = Grow(file, buffer);
            }

            yield return new TextPiece(new string(buffer, 0, filled), true, Advance(stream, ref position));
        }
        finally
        {
            ArrayPool<char>.Shared.Return(buffer);
        }
    }

    private static char[] Grow(CorpusFile file, char[] buffer)
    {
        if (buffer.Length >= LongestDocument)
            throw new CorpusException(string.Create(CultureInfo.InvariantCulture, $"{Excerpt.Line(file.Path)} is a document of more than {LongestDocument} characters, and its tokenizer says nothing of where a text may be cut; cut it into several files."));
        var larger = ArrayPool<char>.Shared.Rent((int)Math.Min(LongestDocument, buffer.Length * 2L));
        buffer.CopyTo(larger);
        ArrayPool<char>.Shared.Return(buffer);
        return larger;
    }

    private static int Find(TextBorder border, ReadOnlySpan<char> text, int from) => border switch
    {
        TextBorder.Lines => FindBorder(text, from),
        TextBorder.Words => FindWordStart(text, from),
        _ => -1,
    };

    // Before a single white space between visible characters.
    private static int FindWordStart(ReadOnlySpan<char> text, int from)
    {
        for (var i = Math.Max(from, 1); i + 1 < text.Length; i++)
        {
            if (text[i] is ' ' or '\n' && !char.IsWhiteSpace(text[i - 1]) && !char.IsWhiteSpace(text[i + 1])) return i;
        }

        return -1;
    }

    /// <summary>
    /// The first border at or after <paramref name="from"/>: behind a line's end before a line that starts with
    /// something visible other than a slash, which o200k_base joins to the punctuation and line ends before it.
    /// Long lines end before a single space between two letters. −1 where there is none.
    /// </summary>
    internal static int FindBorder(ReadOnlySpan<char> text, int from)
    {
        for (var i = Math.Max(from, 2); i < text.Length; i++)
        {
            if (IsLineStart(text, i) && !char.IsWhiteSpace(text[i - 2])) return i;
        }

        for (var i = Math.Max(from, 1); i + 1 < text.Length; i++)
        {
            if (text[i] == ' ' && char.IsLetter(text[i - 1]) && char.IsLetter(text[i + 1])) return i;
        }

        // Of several line ends GPT-2's split, and it alone, takes the last for itself where text follows, and not at a text's end.
        for (var i = Math.Max(from, 1); i < text.Length; i++)
        {
            if (IsLineStart(text, i)) return i;
        }

        return -1;
    }

    private static bool IsLineStart(ReadOnlySpan<char> text, int i) => text[i - 1] == '\n' && !char.IsWhiteSpace(text[i]) && text[i] != '/';

    private static int ReadInto(CorpusFile file, TextChars reader, Span<char> target)
    {
        int read;
        try
        {
            read = reader.Read(target);
        }
        catch (DecoderFallbackException exception)
        {
            throw TextDecoding.Undecodable(file, reader.Encoding, exception);
        }

        TextDecoding.CheckText(file, target[..read]);
        return read;
    }

    private static long Advance(CorpusStream stream, ref long position)
    {
        var advanced = stream.Position - position;
        position = stream.Position;
        return advanced;
    }
}
