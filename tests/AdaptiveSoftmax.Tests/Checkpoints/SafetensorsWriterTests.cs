using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text.Json;

namespace AdaptiveSoftmax.Tests.Checkpoints;

public sealed class SafetensorsWriterTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void WrittenFile_HoldsWhatTheFormatSays()
    {
        using var weight = new Parameter("head.weight", 2, 3);
        using var bias = Parameter.CreateVector("head.bias", 2);
        using var empty = new Parameter("none", 0, 5);
        for (var i = 0; i < 6; i++) weight.WritableValues[i] = i + 0.5f;
        bias.WritableValues[0] = float.NaN;
        bias.WritableValues[1] = -0f;
        var path = _folder["model.safetensors"];
        SafetensorsWriter.Write(path, [weight, bias, empty], new Dictionary<string, string> { ["né \"\n"] = "\U0001F600\0" });

        var bytes = File.ReadAllBytes(path);
        var length = (int)BinaryPrimitives.ReadInt64LittleEndian(bytes);
        Assert.Equal(0, (8 + length) % 64);
        using var header = JsonDocument.Parse(bytes.AsMemory(8, length));
        Assert.Equal("\U0001F600\0", header.RootElement.GetProperty("__metadata__").GetProperty("né \"\n").GetString());
        Assert.Equal("""{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}""", header.RootElement.GetProperty("head.weight").GetRawText());
        Assert.Equal("""{"dtype":"F32","shape":[2],"data_offsets":[24,32]}""", header.RootElement.GetProperty("head.bias").GetRawText());
        Assert.Equal("""{"dtype":"F32","shape":[0,5],"data_offsets":[32,32]}""", header.RootElement.GetProperty("none").GetRawText());
        var data = MemoryMarshal.Cast<byte, float>(bytes.AsSpan(8 + length)).ToArray();
        Assert.Equal([0.5f, 1.5f, 2.5f, 3.5f, 4.5f, 5.5f, float.NaN, -0f], data);
        Assert.Equal(["model.safetensors"], _folder.Files);
    }

    [Fact]
    public void NamesThatTheFormatCannotHold_AreRefused()
    {
        using var first = new Parameter("a", 1, 1);
        using var second = new Parameter("a", 1, 1);
        using var reserved = new Parameter("__metadata__", 1, 1);
        using var half = new Parameter("a\uD800", 1, 1);
        Assert.Throws<ArgumentException>(() => SafetensorsWriter.Write(_folder["f"], [first, second]));
        Assert.Throws<ArgumentException>(() => SafetensorsWriter.Write(_folder["f"], [reserved]));
        Assert.Throws<ArgumentException>(() => SafetensorsWriter.Write(_folder["f"], [half]));
        Assert.Throws<ArgumentException>(() => SafetensorsWriter.Write(_folder["f"], [first], new Dictionary<string, string> { ["x"] = "\uDC00" }));
        Assert.Empty(_folder.Files);
    }

    [Fact]
    public void TensorsOfMoreThanTwoGigabytes_AreWritten()
    {
        // Memory that was never written costs nothing to read, so this needs address space alone.
        const int Columns = 1 << 15;
        using var large = new Parameter("large", 16_500, Columns);
        large.WritableRow(0)[1] = 1;
        large.WritableRow(16_499)[Columns - 1] = 3;
        using var stream = new EndKeepingStream();
        SafetensorsWriter.WriteTo(stream, WeightsContent.From([large], metadata: null), TestContext.Current.CancellationToken);
        Assert.Equal(16_500L * Columns * sizeof(float), stream.Length - (stream.HeaderLength + sizeof(ulong)));
        Assert.Equal([0f, 3f], MemoryMarshal.Cast<byte, float>(stream.End.AsSpan(^8..)).ToArray());
    }

    /// <summary>Keeps the count of what is written, and its first and last bytes.</summary>
    private sealed class EndKeepingStream : Stream
    {
        private long _length;

        public long HeaderLength { get; private set; }

        public byte[] End { get; private set; } = [];

        public override bool CanRead => false;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => _length;

        public override long Position { get => _length; set => throw new NotSupportedException(); }

        public override void Write(ReadOnlySpan<byte> buffer)
        {
            if (_length == 0) HeaderLength = BinaryPrimitives.ReadInt64LittleEndian(buffer);
            if (buffer.Length >= 8) End = buffer[^8..].ToArray();
            _length += buffer.Length;
        }

        public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

        public override void Flush()
        {
        }

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();
    }
}
