using AdaptiveSoftmax.Vocabulary;
using ZstdSharp;

namespace AdaptiveSoftmax.Corpus;

/// <summary>
/// The bytes of a corpus file for one pass from start to end, without their compression; what goes wrong on the way is said
/// of the file.
/// </summary>
internal sealed class CorpusStream : ForwardStream
{
    private const int BufferLength = 1 << 16;

    private readonly CorpusFile _file;
    private readonly PeekedStream _stored;
    private readonly PeekedStream _content;

    private CorpusStream(CorpusFile file, PeekedStream stored, PeekedStream content)
    {
        _file = file;
        _stored = stored;
        _content = content;
    }

    /// <summary>How many bytes there probably are; null where that is not known before they are read.</summary>
    public long? KnownLength => _stored == _content && _file.Path != CorpusFile.StandardInput ? _file.Length : null;

    /// <summary>The bytes read of the file itself.</summary>
    public override long Position
    {
        get => _stored.BytesRead;
        set => throw new NotSupportedException();
    }

    /// <summary>Takes over what a file is stored as.</summary>
    /// <exception cref="CorpusException">It cannot be read.</exception>
    public static CorpusStream Create(CorpusFile file, Stream stored)
    {
        try
        {
            var peeked = new PeekedStream(stored);
            var magic = peeked.Peek(4);
            if (IsGzip(magic)) return new CorpusStream(file, peeked, new PeekedStream(new GzipMembers(peeked)));
            if (IsZstd(magic)) return new CorpusStream(file, peeked, new PeekedStream(new DecompressionStream(peeked, BufferLength, leaveOpen: false)));
            return new CorpusStream(file, peeked, peeked);
        }
        catch (Exception exception)
        {
            stored.Dispose();
            throw Translate(file, exception) ?? exception;
        }
    }

    /// <summary>Whether what a file begins with says that it is compressed.</summary>
    public static bool IsCompressed(ReadOnlySpan<byte> start) => IsGzip(start) || IsZstd(start);

    /// <summary>The first bytes, which stay to be read; fewer where there are no more.</summary>
    public ReadOnlySpan<byte> Peek(int count)
    {
        try
        {
            return _content.Peek(count);
        }
        catch (Exception exception) when (Translate(_file, exception) is { } fault)
        {
            throw fault;
        }
    }

    public override int Read(Span<byte> buffer)
    {
        try
        {
            return _content.Read(buffer);
        }
        catch (Exception exception) when (Translate(_file, exception) is { } fault)
        {
            throw fault;
        }
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing) _content.Dispose();
        base.Dispose(disposing);
    }

    private static bool IsGzip(ReadOnlySpan<byte> start) => start is [0x1F, 0x8B, ..];

    private static bool IsZstd(ReadOnlySpan<byte> start) => start is [0x28, 0xB5, 0x2F, 0xFD, ..];

    private static CorpusException? Translate(CorpusFile file, Exception exception) => exception switch
    {
        InvalidDataException or ZstdException or EndOfStreamException => new CorpusException($"{Excerpt.Line(file.Path)} is compressed, and broken or cut short ({exception.Message.TrimEnd('.')}); fetch or compress it anew.", exception),
        IOException or UnauthorizedAccessException or NotSupportedException => file.Unreadable(exception),
        _ => null,
    };
}
