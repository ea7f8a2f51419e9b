using System.Buffers;
using System.Text;

namespace AdaptiveSoftmax.Corpus;

/// <summary>The characters of a stream, decoded to where they are wanted, with buffers that are used again.</summary>
internal sealed class TextChars : IDisposable
{
    private const int LongestBuffer = 1 << 16;
    private const int ShortestBuffer = 1 << 8;

    /// <summary>A character beyond the basic plane takes two, which are decoded together; nothing is read into less room.</summary>
    public const int LongestCharacter = 2;

    private readonly CorpusStream _stream;
    private readonly Decoder _decoder;
    private byte[] _bytes;
    private int _start;
    private int _end;
    private bool _isStreamAtEnd;

    public TextChars(CorpusStream stream)
    {
        _stream = stream;
        Encoding = TextDecoding.FindEncoding(stream.Peek(TextDecoding.LongestMark), out var mark);
        _decoder = Encoding.GetDecoder();
        _bytes = ArrayPool<byte>.Shared.Rent((int)Math.Clamp(stream.KnownLength ?? LongestBuffer, ShortestBuffer, LongestBuffer));
        while (mark > 0) mark -= stream.Read(_bytes.AsSpan(0, mark));
    }

    public Encoding Encoding { get; }

    /// <summary>Whether all was read.</summary>
    public bool IsAtEnd { get; private set; }

    /// <summary>Reads characters until there is no more room for one, or no more of them.</summary>
    /// <exception cref="DecoderFallbackException">There are bytes that are no characters.</exception>
    public int Read(Span<char> target)
    {
        var filled = 0;
        while (!IsAtEnd && target.Length - filled >= LongestCharacter)
        {
            if (_start == _end && !_isStreamAtEnd)
            {
                (_start, _end) = (0, _stream.Read(_bytes));
                _isStreamAtEnd = _end == 0;
            }

            _decoder.Convert(_bytes.AsSpan(_start, _end - _start), target[filled..], _isStreamAtEnd, out var used, out var decoded, out var isComplete);
            _start += used;
            filled += decoded;
            IsAtEnd = _isStreamAtEnd && isComplete;
        }

        return filled;
    }

    public void Dispose()
    {
        ArrayPool<byte>.Shared.Return(_bytes);
        _bytes = [];
    }
}
