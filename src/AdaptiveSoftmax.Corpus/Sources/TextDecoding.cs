using System.Globalization;
using System.Text;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Corpus;

/// <summary>Bytes to characters: by the byte order mark, else UTF-8, and nothing that the encoding does not know.</summary>
internal static class TextDecoding
{
    /// <summary>The bytes of the longest byte order mark.</summary>
    public const int LongestMark = 4;

    // Small enough that the buffers are collected with what is short-lived: characters take two bytes each.
    private const int BufferLength = 1 << 15;

    // The longer mark comes first where another starts like it. UTF-8, the last, is also read without its mark.
    private static readonly Encoding[] s_encodings =
    [
        new UTF32Encoding(bigEndian: false, byteOrderMark: true, throwOnInvalidCharacters: true),
        new UnicodeEncoding(bigEndian: false, byteOrderMark: true, throwOnInvalidBytes: true),
        new UnicodeEncoding(bigEndian: true, byteOrderMark: true, throwOnInvalidBytes: true),
        new UTF8Encoding(encoderShouldEmitUTF8Identifier: true, throwOnInvalidBytes: true),
    ];

    /// <summary>The encoding of a text, and the length of the mark that it begins with.</summary>
    /// <param name="start">The first bytes, <see cref="LongestMark"/> where there are as many.</param>
    /// <param name="mark">The bytes of the mark; 0 for none.</param>
    public static Encoding FindEncoding(ReadOnlySpan<byte> start, out int mark)
    {
        foreach (var encoding in s_encodings)
        {
            mark = encoding.Preamble.Length;
            if (start.StartsWith(encoding.Preamble)) return encoding;
        }

        mark = 0;
        return s_encodings[^1];
    }

    /// <summary>A reader of the characters, which throws <see cref="DecoderFallbackException"/> where there are none.</summary>
    public static StreamReader CreateReader(CorpusStream stream) =>
        new(stream, FindEncoding(stream.Peek(LongestMark), out _), detectEncodingFromByteOrderMarks: false, BufferLength);

    /// <summary>What to say of a file with bytes that are no characters.</summary>
    public static CorpusException Undecodable(CorpusFile file, Encoding encoding, DecoderFallbackException exception) =>
        new($"{Excerpt.Line(file.Path)} is not {encoding.WebName.ToUpperInvariant()} text: {DescribePlace(file, encoding, exception)}. Convert it to UTF-8 or leave it out.", exception);

    // The exception's own index is that of a buffer, so the file is read once more.
    private static string DescribePlace(CorpusFile file, Encoding encoding, DecoderFallbackException exception)
    {
        if (encoding is UTF8Encoding && file.Path != CorpusFile.StandardInput && file.Opened is null)
        {
            using var stream = file.Open();
            if (InvalidUtf8.Find(stream) is var (value, index, line))
                return string.Create(CultureInfo.InvariantCulture, $"the byte 0x{value:X2} at index {index}, in line {line}, belongs to no character");
        }

        return $"the bytes {Convert.ToHexString(exception.BytesUnknown ?? [])} are no character";
    }

    /// <summary>Refuses what decodes and is no text all the same.</summary>
    /// <exception cref="CorpusException">There is a zero character.</exception>
    public static void CheckText(CorpusFile file, ReadOnlySpan<char> text)
    {
        if (text.Contains('\0'))
            throw new CorpusException($"{Excerpt.Line(file.Path)} is not text: it holds a zero byte, so it is binary or in an encoding other than UTF-8 without a byte order mark. Convert it to UTF-8 or leave it out.");
    }
}
