using System.Runtime.InteropServices;

namespace AdaptiveSoftmax.Tests.Checkpoints;

public sealed class SafetensorsReaderTests : IDisposable
{
    private const string A = """ "a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]} """;

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void HandMadeFile_IsReadAsTheFormatSays()
    {
        var header = """
            {"__metadata__":{"format":"pt","h\u00e9":"\ud83d\ude00"},
             "b.weight":{"shape":[2,3],"data_offsets":[4,28],"dtype":"F32"},
             "scalar":{"dtype":"F32","shape":[],"data_offsets":[0,4]},
             "empty":{"dtype":"F32","shape":[0,9223372036854775807,9223372036854775807],"data_offsets":[4,4]}}
            """ + "   ";
        using var reader = Open(SafetensorsBytes.Create(header, Floats(7, 1, 2, 3, 4, 5, 6)));
        Assert.Equal(["scalar", "empty", "b.weight"], reader.Tensors.Select(tensor => tensor.Name));
        Assert.Equal("😀", reader.Metadata["hé"]);
        Assert.Equal("pt", reader.Metadata["format"]);
        Assert.True(reader.TryGetTensor("b.weight", out var tensor));
        Assert.Equal([2L, 3L], tensor.Shape);
        Assert.Equal([1, 2, 3, 4, 5, 6], Read(reader, "b.weight"));
        Assert.Equal([7], Read(reader, "scalar"));
        Assert.Empty(Read(reader, "empty"));
        Assert.False(reader.TryGetTensor("B.weight", out _));
    }

    [Fact]
    public void OtherFloatTypes_AreReadAsFloat32()
    {
        // Enough values to pass the conversion buffer's border.
        const int Count = 70_001;
        var numbers = Enumerable.Range(0, Count).Select(i => (i - 35_000) / 8.0).ToArray();
        byte[] doubles = MemoryMarshal.AsBytes<double>(numbers).ToArray();
        byte[] halves = MemoryMarshal.AsBytes<Half>(numbers.Select(number => (Half)number).ToArray()).ToArray();
        byte[] brains = MemoryMarshal.AsBytes<ushort>(numbers.Select(number => (ushort)(BitConverter.SingleToUInt32Bits((float)number) >> 16)).ToArray()).ToArray();
        var header = $$"""
            {"d":{"dtype":"F64","shape":[{{Count}}],"data_offsets":[0,{{8 * Count}}] },
             "h":{"dtype":"F16","shape":[{{Count}}],"data_offsets":[{{8 * Count}},{{10 * Count}}] },
             "b":{"dtype":"BF16","shape":[{{Count}}],"data_offsets":[{{10 * Count}},{{12 * Count}}] } }
            """;
        using var reader = Open(SafetensorsBytes.Create(header, [.. doubles, .. halves, .. brains]));
        Assert.Equal(numbers.Select(number => (float)number), Read(reader, "d"));
        Assert.Equal(numbers.Select(number => (float)(Half)number), Read(reader, "h"));

        // bfloat16 keeps 8 bits of a number, so it is at most a part in 128 below.
        var read = Read(reader, "b");
        for (var i = 0; i < Count; i++) Assert.InRange(Math.Abs(read[i]), Math.Abs(numbers[i]) * (127.0 / 128), Math.Abs(numbers[i]));
    }

    [Fact]
    public void TensorOfWholeNumbers_CannotBeReadAsWeights()
    {
        using var reader = Open(SafetensorsBytes.Create("""{"step":{"dtype":"I64","shape":[1],"data_offsets":[0,8]}}""", new byte[8]));
        var error = Assert.Throws<SafetensorsFormatException>(() => Read(reader, "step"));
        Assert.Equal("step", error.TensorName);
        Assert.Contains("I64", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void NumberOutOfRange_IsRefusedWhileInfinityStays()
    {
        const string Header = """{"d":{"dtype":"F64","shape":[2],"data_offsets":[0,16]}}""";
        using (var infinite = Open(SafetensorsBytes.Create(Header, MemoryMarshal.AsBytes<double>([1, double.NegativeInfinity]))))
            Assert.Equal([1, float.NegativeInfinity], Read(infinite, "d"));
        using var reader = Open(SafetensorsBytes.Create(Header, MemoryMarshal.AsBytes<double>([1, -1e300])));
        var error = Assert.Throws<SafetensorsFormatException>(() => Read(reader, "d"));
        Assert.Equal("d", error.TensorName);
        Assert.Contains("-1E+300", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void TensorOfAnotherFile_IsRefused()
    {
        using var reader = Open(SafetensorsBytes.Create($"{{{A}}}", new byte[8]));
        var path = Write(SafetensorsBytes.Create($"{{{A}}}", new byte[8]));
        using var other = SafetensorsReader.Open(path);
        Assert.Throws<ArgumentException>(() => reader.Read(other.Tensors[0], new float[2]));
    }

    [Fact]
    public void DestinationOfAnotherLength_IsRefused()
    {
        using var reader = Open(SafetensorsBytes.Create($"{{{A}}}", new byte[8]));
        Assert.Throws<ArgumentException>(() => reader.Read(reader.Tensors[0], new float[3]));
    }

    public static TheoryData<string, string?, string> BadHeaders => new()
    {
        { "", null, "JSON" },
        { "[]", null, "object" },
        { "{", null, "JSON" },
        { "{} {}", null, "JSON" },
        { "nonsense", null, "JSON" },
        { new string('[', 5_000), null, "object" },
        { """{"a":""" + new string('[', 5_000), "a", "object" },
        { """{"a":{"x":""" + new string('[', 5_000), null, "JSON" },
        { """{"a":1}""", "a", "object" },
        { """{"a":{}}""", "a", "needs" },
        { """{"\ud800":{}}""", null, "JSON" },
        { """{"a":{"dtype":"\ud800"}}""", null, "JSON" },
        { """{"__metadata__":[]}""", null, "__metadata__" },
        { """{"__metadata__":{"step":3}}""", null, "step" },
        { """{"__metadata__":{"x":"1","x":"2"}}""", null, "twice" },
        { """{"__metadata__":{},"__metadata__":{}}""", null, "twice" },
        { $"{{{A},{A}}}", "a", "twice" },
        { """{"a":{"dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8]}}""", "a", "twice" },
        { """{"a":{"dtype":"F32","shape":[2],"shape":[2],"data_offsets":[0,8]}}""", "a", "twice" },
        { """{"a":{"dtype":7,"shape":[2],"data_offsets":[0,8]}}""", "a", "dtype" },
        { """{"a":{"dtype":"F32","shape":[""" + string.Join(',', Enumerable.Repeat(0, 100_000)) + """],"data_offsets":[0,0]}}""", "a", "dimensions" },
        { """{"a":{"dtype":"F32","shape":[2],"data_offsets":[""" + string.Join(',', Enumerable.Repeat(0, 100_000)) + "]}}", "a", "more than" },
        { "{\"" + new string('n', 1025) + "\":{}}", null, "name" },
        { """{"a":{"dtype":"F32","shape":2,"data_offsets":[0,8]}}""", "a", "shape" },
        { """{"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}}""", "a", "shape" },
        { """{"a":{"dtype":"F32","shape":[2.5],"data_offsets":[0,8]}}""", "a", "shape" },
        { """{"a":{"dtype":"F32","shape":["2"],"data_offsets":[0,8]}}""", "a", "shape" },
        { """{"a":{"dtype":"F32","shape":[99999999999999999999],"data_offsets":[0,8]}}""", "a", "shape" },
        { """{"a":{"dtype":"F32","shape":[4294967296,4294967296,2],"data_offsets":[0,8]}}""", "a", "64 bits" },
        { """{"a":{"dtype":"F32","shape":[9223372036854775807],"data_offsets":[0,8]}}""", "a", "bytes" },
        { """{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}""", "a", "bytes" },
        { """{"a":{"dtype":"F64","shape":[2],"data_offsets":[0,8]}}""", "a", "bytes" },
        { """{"a":{"dtype":"F32","shape":[2],"data_offsets":[0]}}""", "a", "data_offsets" },
        { """{"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}""", "a", "data_offsets" },
        { """{"a":{"dtype":"F32","shape":[2],"data_offsets":[-8,0]}}""", "a", "data_offsets" },
        { """{"a":{"dtype":"F32","shape":[2],"data_offsets":[8,16]}}""", "a", "cut short" },
        { """{"a":{"dtype":"F32","shape":[2305843009213693951],"data_offsets":[0,9223372036854775804]}}""", "a", "cut short" },
        { """{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}""", "a", "no tensor" },
        { """{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}""", null, "cover" },
        { """{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}""", "b", "overlap" },
        { """{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}""", "b", "overlap" },
    };

    [Theory]
    [MemberData(nameof(BadHeaders))]
    public void BadHeader_IsRefusedByNameWithARemedy(string header, string? tensor, string says)
    {
        var path = Write(SafetensorsBytes.Create(header, new byte[8]));
        var error = Assert.Throws<SafetensorsFormatException>(() => SafetensorsReader.Open(path).Dispose());
        Assert.Equal(tensor, error.TensorName);
        Assert.Contains(says, error.Message, StringComparison.Ordinal);
        Assert.StartsWith(path, error.Message, StringComparison.Ordinal);
        Assert.EndsWith(error.Remedy, error.Message, StringComparison.Ordinal);
        Assert.NotEmpty(error.Remedy);
    }

    [Fact]
    public void MetadataOfNull_IsNone()
    {
        using var reader = Open(SafetensorsBytes.Create($$"""{"__metadata__":null,{{A}}}""", Floats(1, 2)));
        Assert.Empty(reader.Metadata);
        Assert.Equal([1, 2], Read(reader, "a"));
    }

    [Fact]
    public void TypesThatNobodyKnows_AreListedAndRefusedOnlyWhenAskedFor()
    {
        using var reader = Open(SafetensorsBytes.Create($$"""{ {{A}},"b":{"dtype":"F8_E4M3FNUZ","shape":[2],"data_offsets":[8,10]},"c":{"dtype":"F33\u001b","shape":[3],"data_offsets":[10,17]} }""", [.. Floats(1, 2), .. new byte[9]]));
        Assert.Equal([1, 2], Read(reader, "a"));
        Assert.Equal(["F32", "F8_E4M3FNUZ", "F33\u001b"], reader.Tensors.Select(tensor => tensor.Type));
        Assert.Throws<SafetensorsFormatException>(() => Read(reader, "b"));
        Assert.Contains("F33\\u001b", Assert.Throws<SafetensorsFormatException>(() => Read(reader, "c")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void LargestHeader_OfZerosOrOfTensors_IsRefusedWithoutItsMemory()
    {
        var shape = _folder["shape"];
        WriteHeader(shape, """{"a":{"dtype":"F32","shape":[""", "0,", 46_000_000, "0],\"data_offsets\":[0,0]}}");
        AssertCheap(shape, "dimensions", 16 << 20);

        var tensors = _folder["tensors"];
        WriteHeader(tensors, "{", i => $$"""{{'"'}}{{i:d7}}":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},""", 1_600_000, """  "z":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}""");
        AssertCheap(tensors, "500000 tensors", 400L << 20);

        static void AssertCheap(string path, string says, long most)
        {
            var before = GC.GetAllocatedBytesForCurrentThread();
            var error = Assert.Throws<SafetensorsFormatException>(() => SafetensorsReader.Open(path).Dispose());
            Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, most);
            Assert.Contains(says, error.Message, StringComparison.Ordinal);
            Assert.InRange(error.Message.Length, 1, 1000);
        }
    }

    [Fact]
    public void ManyTensors_AreRead_AndAMessageAboutAllOfThemIsShort()
    {
        const int Count = 100_000;
        var path = _folder["many"];
        WriteHeader(path, "{", i => $$"""{{'"'}}layer.{{i:d7}}":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},""", Count, """  "z":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}""");
        using (var reader = SafetensorsReader.Open(path)) Assert.Equal(Count + 1, reader.Tensors.Count);
        using var parameter = new Parameter("a", 1, 1);
        var error = Assert.Throws<CheckpointMismatchException>(() => new Checkpoint([parameter]).Restore(path));
        Assert.Equal(Count + 2, error.Differences.Count);
        Assert.InRange(error.Message.Length, 1, 5000);
    }

    [Theory]
    [InlineData(65_500)]
    [InlineData(65_536)]
    [InlineData(200_000)]
    public void TextThatEndsAnywhereInTheBuffer_IsReadWhole(int length)
    {
        for (var shift = 0; shift < 8; shift++)
        {
            var text = new string('x', length + shift) + "é€😀" + new string('y', 70_000);
            using var reader = Open(SafetensorsBytes.Create($$"""{"__metadata__":{"t":"{{text}}"},{{A}}}""", Floats(1, 2)));
            Assert.Equal(text, reader.Metadata["t"]);
            byte[] header = [.. System.Text.Encoding.UTF8.GetBytes($$"""{"__metadata__":{"t":"{{new string('x', length + shift)}}"""), 0xE2, 0x82, .. "\"}}"u8];
            Assert.Contains("UTF-8", Assert.Throws<SafetensorsFormatException>(() => Open(SafetensorsBytes.Create(header, [])).Dispose()).Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void HeaderThatIsNotUtf8_IsRefused()
    {
        byte[] header = [.. "{\""u8, 0xC3, 0x28, .. "\":{}}"u8];
        var error = Assert.Throws<SafetensorsFormatException>(() => Open(SafetensorsBytes.Create(header, new byte[8])).Dispose());
        Assert.Contains("UTF-8", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(ulong.MaxValue)]
    [InlineData(1UL << 63)]
    [InlineData(100_000_001UL)]
    [InlineData(90_000_000UL)]
    [InlineData(3UL)]
    public void AbsurdHeaderLength_IsRefused(ulong length)
    {
        var error = Assert.Throws<SafetensorsFormatException>(() => Open([.. BitConverter.GetBytes(length), .. "{}"u8]).Dispose());
        Assert.Null(error.TensorName);
    }

    [Fact]
    public void FileCutAnywhere_IsRefused()
    {
        var file = SafetensorsBytes.Create($"{{{A}}}", Floats(1, 2));
        for (var length = 0; length < file.Length; length++)
        {
            var cut = file[..length];
            Assert.Throws<SafetensorsFormatException>(() => Open(cut).Dispose());
        }

        Open(file).Dispose();
    }

    [Fact]
    public void AnyDamagedByte_LoadsOrIsRefusedAsDamage()
    {
        var file = SafetensorsBytes.Create($$$"""{"__metadata__":{"x":"é"},{{{A}}},"b":{"dtype":"F16","shape":[1,2],"data_offsets":[8,12]}}""", new byte[12]);
        var path = _folder["damaged"];
        var refused = 0;
        for (var i = 0; i < file.Length - 12; i++)
        {
            foreach (var value in new byte[] { 0, 0x22, 0x2C, 0x30, 0x39, 0x5B, 0x7B, 0x80, 0xFF })
            {
                var damaged = (byte[])file.Clone();
                damaged[i] = value;
                File.WriteAllBytes(path, damaged);
                try
                {
                    using var reader = SafetensorsReader.Open(path);
                    foreach (var tensor in reader.Tensors) Read(reader, tensor.Name);
                }
                catch (SafetensorsFormatException)
                {
                    refused++;
                }
            }
        }

        Assert.InRange(refused, file.Length, file.Length * 9);
    }

    [Fact]
    public void TensorsBeyondTwoGigabytes_AreRead()
    {
        // The file has a hole, so that it takes no room on the disk; the second tensor is read in several pieces.
        const long Hole = 550_000_000;
        const int Count = 10_000_001;
        var header = $$"""
            {"hole":{"dtype":"F32","shape":[{{Hole}}],"data_offsets":[0,{{4 * Hole}}] },
             "end":{"dtype":"F32","shape":[{{Count}}],"data_offsets":[{{4 * Hole}},{{4 * (Hole + Count)}}] } }
            """;
        var path = Write(SafetensorsBytes.Create(header, []));
        var values = new float[Count];
        for (var i = 0; i < Count; i++) values[i] = i;
        using (var stream = new FileStream(path, FileMode.Open))
        {
            stream.Seek(4 * Hole, SeekOrigin.End);
            stream.Write(MemoryMarshal.AsBytes<float>(values));
        }

        using var reader = SafetensorsReader.Open(path);
        Assert.Equal(Hole, reader.Tensors[0].Count);
        Assert.True(Read(reader, "end").AsSpan().SequenceEqual(values));
    }

    [Fact]
    public void FileCutWhileItIsOpen_IsRefused()
    {
        var path = Write(SafetensorsBytes.Create($"{{{A}}}", Floats(1, 2)));
        using var reader = SafetensorsReader.Open(path);
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Windows does not let an open file be cut.");
        using (var stream = new FileStream(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite)) stream.SetLength(stream.Length - 4);
        Assert.Throws<SafetensorsFormatException>(() => Read(reader, "a"));
    }

    [Fact]
    public void MissingFile_IsTheSystemsException() =>
        Assert.Throws<FileNotFoundException>(() => SafetensorsReader.Open(_folder["none"]));

    private static float[] Read(SafetensorsReader reader, string name)
    {
        Assert.True(reader.TryGetTensor(name, out var tensor));
        var values = new float[tensor.Count];
        reader.Read(tensor, values);
        return values;
    }

    private static byte[] Floats(params float[] values) => MemoryMarshal.AsBytes<float>(values).ToArray();

    private static void WriteHeader(string path, string start, string item, int count, string end) => WriteHeader(path, start, _ => item, count, end);

    private static void WriteHeader(string path, string start, Func<int, string> item, int count, string end)
    {
        using var stream = new FileStream(path, FileMode.Create);
        stream.Write(new byte[8]);
        using (var writer = new StreamWriter(stream, leaveOpen: true))
        {
            writer.Write(start);
            for (var i = 0; i < count; i++) writer.Write(item(i));
            writer.Write(end);
        }

        stream.Position = 0;
        stream.Write(BitConverter.GetBytes(stream.Length - 8));
    }

    private SafetensorsReader Open(byte[] bytes) => SafetensorsReader.Open(Write(bytes));

    private string Write(byte[] bytes)
    {
        var path = _folder[$"{Guid.NewGuid():N}.safetensors"];
        File.WriteAllBytes(path, bytes);
        return path;
    }
}
