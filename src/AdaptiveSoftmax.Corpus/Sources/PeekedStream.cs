namespace AdaptiveSoftmax.Corpus;

/// <summary>A stream whose beginning can be looked at before it is read, and which knows how much was read.</summary>
internal sealed class PeekedStream(Stream inner) : ForwardStream
{
    private const int LeastStart = 1 << 12;

    private byte[] _start = [];
    private int _startLength;
    private int _startRead;

    /// <summary>The bytes that were read, those that were only looked at included.</summary>
    public long BytesRead { get; private set; }

    /// <summary>The first bytes, which stay to be read; fewer where there are no more. Before anything is read.</summary>
    public ReadOnlySpan<byte> Peek(int count)
    {
        if (_startLength < count)
        {
            // What comes along with them saves a call for a small file.
            if (_start.Length < count) Array.Resize(ref _start, Math.Max(count, LeastStart));
            var read = inner.ReadAtLeast(_start.AsSpan(_startLength), count - _startLength, throwOnEndOfStream: false);
            _startLength += read;
            BytesRead += read;
        }

        return _start.AsSpan(0, Math.Min(count, _startLength));
    }

    public override int Read(Span<byte> buffer)
    {
        if (_startRead < _startLength)
        {
            var length = Math.Min(buffer.Length, _startLength - _startRead);
            _start.AsSpan(_startRead, length).CopyTo(buffer);
            _startRead += length;
            if (_startRead == _startLength) _start = [];
            return length;
        }

        var read = inner.Read(buffer);
        BytesRead += read;
        return read;
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing) inner.Dispose();
        base.Dispose(disposing);
    }
}
