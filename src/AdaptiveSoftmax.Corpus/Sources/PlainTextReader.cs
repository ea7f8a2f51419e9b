using System.Text;

namespace AdaptiveSoftmax.Corpus;

/// <summary>Reads plain text in pieces whose borders no token of the known encodings spans.</summary>
internal static class PlainTextReader
{
    // A text without any line or word border is cut here, in the middle of what would have been one long match.
    private const int HardLimitFactor = 64;

    // The longer mark comes first where another starts like it. UTF-8, the last, is also read without its mark.
    private static readonly Encoding[] Encodings =
    [
        new UTF32Encoding(bigEndian: false, byteOrderMark: true, throwOnInvalidCharacters: true),
        new UnicodeEncoding(bigEndian: false, byteOrderMark: true, throwOnInvalidBytes: true),
        new UnicodeEncoding(bigEndian: true, byteOrderMark: true, throwOnInvalidBytes: true),
        new UTF8Encoding(encoderShouldEmitUTF8Identifier: true, throwOnInvalidBytes: true),
    ];

    /// <summary>The characters that a piece should have at least, where the file has as many.</summary>
    internal const int DefaultPieceLength = 1 << 16;

    public static IEnumerable<TextPiece> Read(CorpusFile file, CancellationToken cancellationToken, int pieceLength = DefaultPieceLength)
    {
        using var stream = file.Open();
        using var reader = new StreamReader(stream, DetectEncoding(file, stream), detectEncodingFromByteOrderMarks: false, bufferSize: 1 << 16);
        var buffer = new char[pieceLength * 2];
        var filled = 0;
        var searchFrom = pieceLength;
        var position = 0L;
        while (true)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var read = ReadInto(file, reader, buffer.AsSpan(filled));
            if (read == 0) break;
            filled += read;
            while (filled > searchFrom)
            {
                var border = FindBorder(buffer.AsSpan(0, filled), searchFrom);
                if (border < 0 && filled < pieceLength * HardLimitFactor)
                {
                    searchFrom = filled;
                    break;
                }

                if (border < 0) border = char.IsHighSurrogate(buffer[filled - 1]) ? filled - 1 : filled;
                yield return new TextPiece(new string(buffer, 0, border), false, Advance(stream, ref position));
                buffer.AsSpan(border, filled - border).CopyTo(buffer);
                filled -= border;
                searchFrom = pieceLength;
            }

            if (filled == buffer.Length) Array.Resize(ref buffer, buffer.Length * 2);
        }

        yield return new TextPiece(new string(buffer, 0, filled), true, Advance(stream, ref position));
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

    /// <summary>The encoding that a byte order mark names, else UTF-8; each refuses bytes that it does not know.</summary>
    private static Encoding DetectEncoding(CorpusFile file, FileStream stream)
    {
        Span<byte> start = stackalloc byte[4];
        try
        {
            start = start[..stream.ReadAtLeast(start, start.Length, throwOnEndOfStream: false)];
            stream.Position = 0;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or NotSupportedException)
        {
            throw file.Unreadable(exception);
        }

        foreach (var encoding in Encodings)
        {
            if (start.StartsWith(encoding.Preamble)) return encoding;
        }

        return Encodings[^1];
    }

    private static int ReadInto(CorpusFile file, StreamReader reader, Span<char> target)
    {
        int read;
        try
        {
            read = reader.ReadBlock(target);
        }
        catch (DecoderFallbackException exception)
        {
            throw new CorpusException($"{file.Path} is not {reader.CurrentEncoding.WebName.ToUpperInvariant()} text: {exception.Message} Convert it to UTF-8 or leave it out.", exception);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw file.Unreadable(exception);
        }

        if (target[..read].Contains('\0'))
            throw new CorpusException($"{file.Path} is not text: it holds a zero byte, so it is binary or in an encoding other than UTF-8 without a byte order mark. Convert it to UTF-8 or leave it out.");
        return read;
    }

    private static long Advance(FileStream stream, ref long position)
    {
        var advanced = stream.Position - position;
        position = stream.Position;
        return advanced;
    }
}
