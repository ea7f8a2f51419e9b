using System.Buffers.Binary;
using System.IO.Compression;
using System.Runtime.InteropServices;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tests.Checkpoints;

/// <summary>State dicts that we write, without PyTorch: their bytes, and what our reader makes of them.</summary>
public sealed class PyTorchWriterTests : IDisposable
{
    private static readonly SoftmaxLayout s_layout = SoftmaxLayout.Create(16, 50, [10, 30], hasHeadBias: true);

    private readonly TemporaryFolder _folder = new();
    private readonly DynamicAdaptiveSoftmax _saved = new(s_layout, seed: 3);
    private readonly DynamicAdaptiveSoftmax _other = new(s_layout, seed: 4);

    public void Dispose()
    {
        _saved.Dispose();
        _other.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public void Restore_GivesBackEveryBit_AndKnowsTheFingerprint()
    {
        var path = _folder["weights.pt"];
        _saved.Save(path, "decoder.softmax.", WeightsFormat.PyTorch);
        using (var file = WeightsFile.Open(path))
        {
            Assert.Equal("PyTorch", file.Format);
            Assert.Equal(_saved.Parameters.Select(parameter => "decoder.softmax." + parameter.Name), file.Tensors.Select(tensor => tensor.Name));
        }

        // The file carries the identity, so nothing is taken on anybody's word.
        _other.Restore(path, prefix: "decoder.softmax.");
        foreach (var (expected, actual) in _saved.Parameters.Zip(_other.Parameters)) Assert.True(expected.Values.SequenceEqual(actual.Values), expected.Name);
        using var wider = new DynamicAdaptiveSoftmax(SoftmaxLayout.Create(16, 51, [10, 30], hasHeadBias: true));
        var error = Assert.Throws<CheckpointMismatchException>(() => wider.Restore(path, acceptUnmarked: true, "decoder.softmax."));
        Assert.Contains("vocabulary size: 50 in the file, 51 in the class", error.Message, StringComparison.Ordinal);
        Assert.Equal(["weights.pt"], _folder.Files);
    }

    [Fact]
    public void Run_IsResumedFromAStateDictAsFromSafetensors()
    {
        using var body = new Parameter("body.weight", 3, 4);
        using var optimizer = new AdamW(learningRate: 0.25);
        body.TouchGradient().Fill(2);
        optimizer.Step([body]);
        var run = new Checkpoint(_saved, [body], optimizer) { Step = 7 };
        run.Strings["posi/tion ü"] = "\U0001F600\n";
        run.Save(_folder["run.pt"], WeightsFormat.PyTorch);

        using var body2 = new Parameter("body.weight", 3, 4);
        using var optimizer2 = new AdamW(learningRate: 1);
        var restored = new Checkpoint(_other, [body2], optimizer2);
        restored.Restore(_folder["run.pt"]);
        Assert.Equal((7, 0.25), (restored.Step, optimizer2.LearningRate));
        Assert.Equal("\U0001F600\n", restored.Strings["posi/tion ü"]);
        Assert.Equal(body.Values.ToArray(), body2.Values.ToArray());
        foreach (var parameter in (Parameter[])[body, body2]) parameter.TouchGradient().Fill(-1);
        optimizer.Step([body]);
        optimizer2.Step([body2]);
        Assert.Equal(body.Values.ToArray(), body2.Values.ToArray());
    }

    [Theory]
    [InlineData(StoredZipWriter.DefaultZip64From)]
    [InlineData(1)]
    [InlineData(200)]
    [InlineData(1000)]
    public void Records_AreStoredAlignedAndChecked_WithOrWithoutThe64BitFields(long zip64From)
    {
        using var empty = new Parameter("empty", 0, 5);
        var bytes = Write([.. _saved.Parameters, empty], zip64From);
        using var zip = new ZipArchive(new MemoryStream(bytes), ZipArchiveMode.Read);
        Assert.Equal(
            ["archive/data.pkl", "archive/byteorder", .. Enumerable.Range(0, 7).Select(i => $"archive/data/{i}"), "archive/extra/adaptive_softmax.json", "archive/version"],
            zip.Entries.Select(entry => entry.FullName));
        foreach (var (parameter, i) in _saved.Parameters.Select((parameter, i) => (parameter, i)))
        {
            var values = MemoryMarshal.AsBytes(parameter.Values).ToArray();
            var entry = zip.GetEntry($"archive/data/{i}")!;
            Assert.Equal((values.Length, values.Length, Crc32.Append(0, values)), (entry.Length, entry.CompressedLength, entry.Crc32));
            Assert.Equal(0, bytes.AsSpan().IndexOf(values) % 64);
            using var stream = entry.Open();
            var read = new byte[values.Length];
            stream.ReadExactly(read);
            Assert.Equal(values, read);
        }

        File.WriteAllBytes(_folder["file.pt"], bytes);
        using var file = WeightsFile.Open(_folder["file.pt"]);
        Assert.Equal("value", file.Metadata["key"]);
        Assert.True(file.TryGetTensor("empty", out var none));
        Assert.Equal([0L, 5L], none.Shape);
        foreach (var parameter in _saved.Parameters)
        {
            Assert.True(file.TryGetTensor(parameter.Name, out var tensor));
            Assert.Equal(WeightsContent.GetShape(parameter), tensor.Shape);
            var values = new float[tensor.Count];
            file.Read(tensor, values);
            Assert.Equal(parameter.Values.ToArray(), values);
        }
    }

    [Fact]
    public void LocalHeaders_AreCompleteForReadersThatStream()
    {
        var bytes = Write(_saved.Parameters, StoredZipWriter.DefaultZip64From);
        var position = 0;
        var names = new List<string>();
        while (BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(position)) == 0x04034B50)
        {
            var header = bytes.AsSpan(position);
            var length = BinaryPrimitives.ReadInt32LittleEndian(header[18..]);
            var (nameLength, extra) = (BinaryPrimitives.ReadUInt16LittleEndian(header[26..]), BinaryPrimitives.ReadUInt16LittleEndian(header[28..]));
            names.Add(System.Text.Encoding.UTF8.GetString(header.Slice(30, nameLength)));
            var data = header.Slice(30 + nameLength + extra, length);
            Assert.Equal(BinaryPrimitives.ReadUInt32LittleEndian(header[14..]), Crc32.Append(0, data));
            position += 30 + nameLength + extra + length;
        }

        Assert.Equal("archive/data.pkl", names[0]);
        Assert.Equal("archive/version", names[^1]);
    }

    [Fact]
    public void SameWeights_GiveTheSameBytes() =>
        Assert.Equal(Write(_saved.Parameters, StoredZipWriter.DefaultZip64From), Write(_saved.Parameters, StoredZipWriter.DefaultZip64From));

    [Fact]
    public void ManyTensors_AreWrittenWithAnEndOf64Bits()
    {
        var parameters = Enumerable.Range(0, 66_000).Select(i => new Parameter($"p{i}", 1, 1)).ToArray();
        parameters[65_999].WritableValues[0] = 5;
        PyTorchWriter.Write(_folder["many.pt"], parameters);
        using var file = WeightsFile.Open(_folder["many.pt"]);
        Assert.Equal(66_000, file.Tensors.Count);
        var value = new float[1];
        file.Read(file.Tensors[^1], value);
        Assert.Equal([5], value);
        foreach (var parameter in parameters) parameter.Dispose();
    }

    [Fact]
    public void TensorBeyondFourGigabytes_HasItsSizesIn64Bits()
    {
        // Memory that was never written costs nothing to read, and neither do the zeros in the file.
        const int Columns = 1 << 15;
        const int Rows = 33_000;
        using var large = new Parameter("large", Rows, Columns);
        using var small = new Parameter("small", 1, 1);
        large.WritableRow(0)[1] = 1;
        large.WritableRow(Rows - 1)[Columns - 1] = 3;
        small.WritableValues[0] = 4;
        using (var stream = new ZeroSkippingStream(File.Create(_folder["large.pt"])))
            PyTorchWriter.WriteTo(stream, WeightsContent.From([large, small], metadata: null), cancellationToken: TestContext.Current.CancellationToken);
        using var zip = ZipFile.OpenRead(_folder["large.pt"]);
        var entry = zip.GetEntry("archive/data/0")!;
        Assert.Equal((long)Rows * Columns * sizeof(float), entry.Length);
        using var file = WeightsFile.Open(_folder["large.pt"]);
        Assert.Equal([Rows, Columns], file.Tensors[0].Shape);
        var value = new float[1];
        file.Read(file.Tensors[1], value);
        Assert.Equal([4], value);
    }

    [Theory]
    [InlineData("""{"key":"value"]""")]
    [InlineData("""{"key":[ 12 ]}""")]
    [InlineData("""["key","value"]""")]
    public void MetadataThatIsNotOurs_IsRefused(string text)
    {
        var bytes = Write(_saved.Parameters, StoredZipWriter.DefaultZip64From);
        // Damage with a checksum that agrees.
        var json = """{"key":"value"}"""u8.ToArray();
        var broken = System.Text.Encoding.UTF8.GetBytes(text.PadRight(json.Length));
        var (crc, brokenCrc) = (BitConverter.GetBytes(Crc32.Append(0, json)), BitConverter.GetBytes(Crc32.Append(0, broken)));
        broken.CopyTo(bytes.AsSpan(bytes.AsSpan().IndexOf(json)));
        for (int at; (at = bytes.AsSpan().IndexOf(crc)) >= 0;) brokenCrc.CopyTo(bytes.AsSpan(at));
        File.WriteAllBytes(_folder["broken.pt"], bytes);
        Assert.Contains("extra/adaptive_softmax.json", Assert.Throws<PyTorchFormatException>(() => WeightsFile.Open(_folder["broken.pt"])).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void UnknownFormat_IsRefusedAndWritesNothing()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => _saved.Save(_folder["x"], format: (WeightsFormat)7));
        Assert.Empty(_folder.Files);
    }

    private static byte[] Write(IReadOnlyList<Parameter> parameters, long zip64From)
    {
        using var stream = new MemoryStream();
        PyTorchWriter.WriteTo(stream, WeightsContent.From(parameters, new Dictionary<string, string> { ["key"] = "value" }), zip64From);
        return stream.ToArray();
    }

    /// <summary>Leaves holes in a file where nothing but zeros is written.</summary>
    private sealed class ZeroSkippingStream(FileStream file) : Stream
    {
        public override bool CanRead => false;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => file.Length;

        public override long Position { get => file.Position; set => throw new NotSupportedException(); }

        public override void Write(ReadOnlySpan<byte> buffer)
        {
            if (buffer.ContainsAnyExcept((byte)0)) file.Write(buffer);
            else file.Seek(buffer.Length, SeekOrigin.Current);
        }

        public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

        public override void Flush() => file.Flush();

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        protected override void Dispose(bool disposing)
        {
            file.Dispose();
            base.Dispose(disposing);
        }
    }
}
