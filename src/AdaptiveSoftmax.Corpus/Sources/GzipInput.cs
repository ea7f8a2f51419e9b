namespace AdaptiveSoftmax.Corpus;

/// <summary>The stored bytes of a gzip file, which an inflater reads ahead of its need and gives back.</summary>
internal sealed class GzipInput(Stream stored) : ForwardStream
{
    // Of what was read before the last time as much stays as a trailer has, in case that it began there.
    private const int Kept = 16;

    private readonly byte[] _buffer = new byte[Kept + (1 << 15)];
    private int _searchFrom;
    private int _start;
    private int _end;

    public override int Read(Span<byte> buffer)
    {
        if (_start == _end && !Fill()) return 0;
        var length = Math.Min(buffer.Length, _end - _start);
        _buffer.AsSpan(_start, length).CopyTo(buffer);
        _searchFrom = Math.Max(0, _start - Kept);
        _start += length;
        return length;
    }

    public override int ReadByte() => _start < _end || Fill() ? _buffer[_start++] : -1;

    /// <summary>Goes back to behind the first place in what was read last that holds these bytes.</summary>
    /// <returns>Whether there is one.</returns>
    public bool TryReturnBehind(ReadOnlySpan<byte> bytes)
    {
        // What was read last may end within them.
        while (_end - _start < bytes.Length && Fill(_searchFrom))
        {
        }

        var found = _buffer.AsSpan(_searchFrom, Math.Min(_end, _start + bytes.Length) - _searchFrom).IndexOf(bytes);
        if (found < 0) return false;
        _start = _searchFrom + found + bytes.Length;
        return true;
    }

    /// <summary>Whether only zeros are left, which are then read.</summary>
    public bool IsPadding()
    {
        while (_start < _end || Fill())
        {
            if (_buffer[_start] != 0) return false;
            _start++;
        }

        return true;
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing) stored.Dispose();
        base.Dispose(disposing);
    }

    private bool Fill() => Fill(Math.Max(0, _start - Kept));

    // Reads more behind what is kept.
    private bool Fill(int keptFrom)
    {
        _buffer.AsSpan(keptFrom, _end - keptFrom).CopyTo(_buffer);
        (_searchFrom, _start, _end) = (Math.Max(0, _searchFrom - keptFrom), _start - keptFrom, _end - keptFrom);
        var read = stored.Read(_buffer.AsSpan(_end));
        _end += read;
        return read > 0;
    }
}
