using System.Buffers.Binary;
using System.IO.Compression;

namespace AdaptiveSoftmax.Corpus;

/// <summary>
/// The bytes in the members of a gzip file (RFC 1952), one after the other. Each must end with the check sum and the length of
/// what it held, and nothing but zeros, as tapes are padded with, may follow the last: what .NET's own stream takes for an end in
/// silence is an error here.
/// </summary>
internal sealed class GzipMembers(Stream stored) : ForwardStream
{
    private const int TrailerLength = 8;
    private const byte Deflate = 8;

    private readonly GzipInput _input = new(stored);
    private DeflateStream? _member;
    private uint _sum;
    private uint _length;
    private bool _isAtEnd;
    private bool _hasMembers;

    /// <exception cref="InvalidDataException">A member is broken or cut short, or something else follows the last.</exception>
    public override int Read(Span<byte> buffer)
    {
        while (!_isAtEnd && !buffer.IsEmpty)
        {
            if (_member is null && !TryBegin()) break;
            var read = _member!.Read(buffer);
            if (read > 0)
            {
                _sum = Crc32.Append(_sum, buffer[..read]);
                _length += (uint)read;
                return read;
            }

            End();
        }

        return 0;
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _member?.Dispose();
            _input.Dispose();
        }

        base.Dispose(disposing);
    }

    private bool TryBegin()
    {
        if (_hasMembers && _input.IsPadding())
        {
            _isAtEnd = true;
            return false;
        }

        if (_input.ReadByte() != 0x1F || _input.ReadByte() != 0x8B)
            throw new InvalidDataException("something that is not gzip follows the compressed text");
        if (_input.ReadByte() != Deflate) throw new InvalidDataException("the method of compression is unknown");
        SkipHeader();
        (_sum, _length) = (0, 0);
        _member = new DeflateStream(_input, CompressionMode.Decompress, leaveOpen: true);
        _hasMembers = true;
        return true;
    }

    private void SkipHeader()
    {
        const int HasSum = 2, HasExtra = 4, HasName = 8, HasComment = 16;
        var flags = Next();
        for (var i = 0; i < 6; i++) Next();
        if ((flags & HasExtra) != 0)
        {
            for (var length = Next() | (Next() << 8); length > 0; length--) Next();
        }

        for (var texts = ((flags & HasName) != 0 ? 1 : 0) + ((flags & HasComment) != 0 ? 1 : 0); texts > 0; texts--)
        {
            while (Next() != 0)
            {
                // A name or a comment, which ends with a zero.
            }
        }

        if ((flags & HasSum) == 0) return;
        Next();
        Next();
    }

    private int Next() => _input.ReadByte() is >= 0 and var value ? value : throw new InvalidDataException("it ends within a header");

    // The inflater takes more than it needs and does not say how much, but a member's last bytes are known by what it held.
    private void End()
    {
        _member!.Dispose();
        _member = null;
        Span<byte> trailer = stackalloc byte[TrailerLength];
        BinaryPrimitives.WriteUInt32LittleEndian(trailer, _sum);
        BinaryPrimitives.WriteUInt32LittleEndian(trailer[4..], _length);
        if (!_input.TryReturnBehind(trailer)) throw new InvalidDataException("what it holds does not go with its check sum and length");
    }
}
