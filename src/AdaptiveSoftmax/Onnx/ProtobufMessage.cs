using System.Buffers;
using System.Text;

namespace AdaptiveSoftmax;

/// <summary>
/// A message of protocol buffers as it is put together: small fields in memory, and tensors that stay where they are until the
/// message is written. Whoever holds one inside another adds it when it is complete.
/// </summary>
internal sealed class ProtobufMessage
{
    private const int Varint = 0;
    private const int LengthDelimited = 2;

    private readonly List<(byte[] Bytes, WeightsContent.Entry? Tensor)> _parts = [];
    private readonly ArrayBufferWriter<byte> _buffer = new();
    private long _partsLength;

    /// <summary>The bytes that it takes.</summary>
    public long Length => _partsLength + _buffer.WrittenCount;

    /// <summary>Adds a whole number, or one of an enumeration.</summary>
    public ProtobufMessage Add(int field, long value)
    {
        WriteTag(field, Varint);
        WriteVarint((ulong)value);
        return this;
    }

    /// <summary>Adds a string.</summary>
    public ProtobufMessage Add(int field, string value) => Add(field, Encoding.UTF8.GetBytes(value));

    /// <summary>Adds bytes.</summary>
    public ProtobufMessage Add(int field, byte[] value)
    {
        WriteLength(field, value.Length);
        _buffer.Write(value);
        return this;
    }

    /// <summary>Adds a message, to which nothing may be added any more.</summary>
    public ProtobufMessage Add(int field, ProtobufMessage value)
    {
        WriteLength(field, value.Length);
        Flush();
        value.Flush();
        _parts.AddRange(value._parts);
        _partsLength += value._partsLength;
        return this;
    }

    /// <summary>Adds the bytes of a tensor, which are read when the message is written.</summary>
    public ProtobufMessage Add(int field, WeightsContent.Entry tensor)
    {
        WriteLength(field, tensor.ByteCount);
        Flush();
        _parts.Add(([], tensor));
        _partsLength += tensor.ByteCount;
        return this;
    }

    /// <summary>Writes the message.</summary>
    /// <param name="stream">Where to.</param>
    /// <param name="written">Hears of bytes of tensors that are written.</param>
    /// <param name="cancellationToken">Ends it within a tensor.</param>
    public void WriteTo(Stream stream, Action<long>? written, CancellationToken cancellationToken)
    {
        Flush();
        foreach (var (bytes, tensor) in _parts)
        {
            stream.Write(bytes);
            tensor?.ForEachChunk(
                chunk =>
                {
                    stream.Write(chunk);
                    written?.Invoke(chunk.Length);
                },
                cancellationToken);
        }
    }

    private void WriteLength(int field, long length)
    {
        WriteTag(field, LengthDelimited);
        WriteVarint((ulong)length);
    }

    private void WriteTag(int field, int wireType) => WriteVarint(((ulong)field << 3) | (uint)wireType);

    // Seven bits a byte, the lowest first; the eighth says that more follow.
    private void WriteVarint(ulong value)
    {
        for (; value > 0x7f; value >>= 7) _buffer.Write([(byte)(value | 0x80)]);
        _buffer.Write([(byte)value]);
    }

    private void Flush()
    {
        if (_buffer.WrittenCount == 0) return;
        _parts.Add((_buffer.WrittenSpan.ToArray(), null));
        _partsLength += _buffer.WrittenCount;
        _buffer.ResetWrittenCount();
    }
}
