using System.Buffers.Binary;
using System.Text;

namespace AdaptiveSoftmax.Tests.Checkpoints;

/// <summary>Safetensors files put together by hand from the format's description, apart from the code under test.</summary>
internal static class SafetensorsBytes
{
    public static byte[] Create(string header, ReadOnlySpan<byte> data) => Create(Encoding.UTF8.GetBytes(header), data);

    public static byte[] Create(ReadOnlySpan<byte> header, ReadOnlySpan<byte> data)
    {
        var file = new byte[8 + header.Length + data.Length];
        BinaryPrimitives.WriteInt64LittleEndian(file, header.Length);
        header.CopyTo(file.AsSpan(8));
        data.CopyTo(file.AsSpan(8 + header.Length));
        return file;
    }
}
