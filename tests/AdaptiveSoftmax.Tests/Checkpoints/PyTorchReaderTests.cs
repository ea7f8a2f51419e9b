using System.IO.Compression;
using System.Runtime.InteropServices;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tests.Checkpoints;

/// <summary>State dicts as torch.save writes them, sound, damaged and hostile.</summary>
public sealed class PyTorchReaderTests : IDisposable
{
    private static readonly float[] s_values = [1, 2, 3, 4, 5, 6];

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Views_FollowOffsetAndStridesOfASharedStorage()
    {
        var pickle = new PickleBytes().OrderedDict().Op("(");
        pickle.Text("whole").Tensor("FloatStorage", 0, 6, 0, [2, 3], [3, 1]);
        pickle.Text("transposed").Tensor("FloatStorage", 0, 6, 0, [3, 2], [1, 3]);
        pickle.Text("row").Tensor("FloatStorage", 0, 6, 3, [3], [1]);
        pickle.Text("column").Tensor("FloatStorage", 0, 6, 1, [2], [3]);
        pickle.Text("expanded").Tensor("FloatStorage", 0, 6, 4, [2, 2], [0, 0]);
        pickle.Text("empty").Tensor("FloatStorage", 0, 6, 6, [0, 3], [3, 1]);
        pickle.Text("scalar").Tensor("FloatStorage", 0, 6, 5, [], []);
        using var file = Open(pickle.Op("u.").Zip(Floats()));
        Assert.Equal(["whole", "transposed", "row", "column", "expanded", "empty", "scalar"], file.Tensors.Select(tensor => tensor.Name));
        Assert.Equal([1, 2, 3, 4, 5, 6], Read(file, "whole"));
        Assert.Equal([1, 4, 2, 5, 3, 6], Read(file, "transposed"));
        Assert.Equal([4, 5, 6], Read(file, "row"));
        Assert.Equal([2, 5], Read(file, "column"));
        Assert.Equal([5, 5, 5, 5], Read(file, "expanded"));
        Assert.Empty(Read(file, "empty"));
        Assert.Equal([6], Read(file, "scalar"));
    }

    [Fact]
    public void OtherFloats_AreConvertedAndIntegersAreListed()
    {
        var pickle = new PickleBytes().Op("}(");
        pickle.Text("d").Tensor("DoubleStorage", 0, 1, 0, [1], [1]);
        pickle.Text("h").Tensor("HalfStorage", 1, 1, 0, [1], [1]);
        pickle.Text("b").Tensor("BFloat16Storage", 2, 1, 0, [1], [1]);
        pickle.Text("steps").Tensor("LongStorage", 3, 1, 0, [], []);
        using var file = Open(pickle.Op("u.").Zip(BitConverter.GetBytes(0.1), BitConverter.GetBytes((Half)(-2.5f)), [0xC0, 0x3F], new byte[8]));
        Assert.Equal([0.1f], Read(file, "d"));
        Assert.Equal([-2.5f], Read(file, "h"));
        Assert.Equal([1.5f], Read(file, "b"));
        Assert.True(file.TryGetTensor("steps", out var steps));
        Assert.Equal("I64", steps.Type);
        Assert.Throws<PyTorchFormatException>(() => Read(file, "steps"));
    }

    [Fact]
    public void NestedContainers_GiveNamesJoinedByDots()
    {
        var pickle = new PickleBytes().Op("}q").Raw(0).Op("(");
        pickle.Text("epoch").Number(3).Text("lr").Op("G").Raw(0, 0, 0, 0, 0, 0, 0, 0);
        pickle.Text("model").OrderedDict().Op("(").Text("head.weight").Tensor("FloatStorage", 0, 6, 0, [6], [1]).Op("u");
        pickle.Op("}(").Text("_metadata").OrderedDict().Op("ub");
        pickle.Text("list").Op("](N").Global("torch._utils", "_rebuild_parameter").Op("(").Tensor("FloatStorage", 0, 6, 0, [2], [1]).Raw(0x88).OrderedDict().Op("tRe");
        using var file = Open(pickle.Op("u.").Zip(Floats()));
        Assert.Equal(["model.head.weight", "list.1"], file.Tensors.Select(tensor => tensor.Name));
    }

    [Fact]
    public void PickleThatCallsASystemCommand_RunsNothingAndIsNamed()
    {
        var victim = _folder["victim"];
        var error = Refuse(new PickleBytes().Global("posix", "system").Op("(").Text($"touch {victim}").Op("tR.").Zip());
        Assert.Contains("'posix.system'", error.Message, StringComparison.Ordinal);
        Assert.Contains("Nothing of it was run", error.Remedy, StringComparison.Ordinal);
        Assert.Contains(".state_dict()", error.Remedy, StringComparison.Ordinal);
        Assert.False(File.Exists(victim));
    }

    [Fact]
    public void FileCutShortAnywhere_IsRefused()
    {
        var file = Sound().Zip(Floats());
        for (var length = 0; length < file.Length; length++)
        {
            File.WriteAllBytes(_folder["cut"], file[..length]);
            Assert.ThrowsAny<WeightsFormatException>(() => WeightsFile.Open(_folder["cut"]).Dispose());
        }
    }

    [Fact]
    public void PickleCutShortAnywhere_IsRefused()
    {
        var pickle = Sound().Bytes;
        for (var length = 0; length < pickle.Length; length++)
            Assert.Throws<IOException>(() => new Unpickler(pickle[..length], (problem, _) => new IOException(problem)).Read());
    }

    [Fact]
    public void DamagedByte_IsRefusedOrHarmless()
    {
        var file = Sound().Zip(Floats());
        var refused = 0;
        for (var i = 0; i < file.Length; i++)
        {
            foreach (var flip in new byte[] { 0x01, 0x80, 0xFF })
            {
                var damaged = (byte[])file.Clone();
                damaged[i] ^= flip;
                File.WriteAllBytes(_folder["damaged"], damaged);
                try
                {
                    using var reader = WeightsFile.Open(_folder["damaged"]);
                    Assert.Equal(s_values, Read(reader, reader.Tensors[0].Name));
                }
                catch (WeightsFormatException)
                {
                    refused++;
                }
            }
        }

        Assert.InRange(refused, file.Length, file.Length * 3);
    }

    [Theory]
    [InlineData(7, 0, 6, 1)]
    [InlineData(5, 0, 5, 1)]
    [InlineData(6, 1, 6, 1)]
    [InlineData(6, 0, 6, 2)]
    [InlineData(6, 0, int.MaxValue, int.MaxValue)]
    [InlineData(6, -1, 6, 1)]
    [InlineData(6, 0, 6, -1)]
    [InlineData(6, 0, -6, 1)]
    [InlineData(int.MaxValue, 0, 6, 1)]
    public void SizesThatLie_AreRefused(int count, int offset, int size, int stride) =>
        Refuse(new PickleBytes().Op("}(").Text("a").Tensor("FloatStorage", 0, count, offset, [size], [stride]).Op("u.").Zip(Floats()));

    [Theory]
    [InlineData(6, 0, 3, 1, "uint16")]
    [InlineData(7, 0, 3, 1, null)]
    [InlineData(6, 1, 3, 1, null)]
    [InlineData(int.MaxValue, 0, 3, 1, null)]
    [InlineData(6, 0, 3, 1, "nn.Linear")]
    public void UntypedStorageWhoseSizesLie_IsRefused(int bytes, int offset, int size, int stride, string? type)
    {
        var pickle = new PickleBytes().Op("}(").Text("a").Global("torch._utils", "_rebuild_tensor_v3").Op("((").Text("storage").Global("torch.storage", "UntypedStorage");
        pickle.Text("0").Text("cpu").Number(bytes).Op("tQ").Number(offset).Numbers(size).Numbers(stride).Raw(0x89).OrderedDict();
        var file = pickle.Global("torch", type ?? "uint16").Op("tRu.").Zip(new byte[6]);
        if (type == "uint16") Open(file).Dispose();
        else Refuse(file);
    }

    // What stands for a type must not stand for a function, nor the other way round.
    [Theory]
    [InlineData("torch", "float32")]
    [InlineData("torch", "FloatStorage")]
    [InlineData("torch.storage", "UntypedStorage")]
    [InlineData("torch._utils", "_rebuild_tensor_v3")]
    [InlineData("torch", "Size")]
    [InlineData("builtins", "set")]
    [InlineData("builtins", "eval")]
    [InlineData("torch", "load")]
    public void CallsOfOtherNames_AreRefused(string module, string name) =>
        Refuse(new PickleBytes().Op("}(").Text("a").Global(module, name).Op("(").Text("1+1").Op("tRu.").Zip());

    [Fact]
    public void ShapeThatOverflows_IsRefused() =>
        Refuse(new PickleBytes().Op("}(").Text("a").Tensor("FloatStorage", 0, 6, 0, [int.MaxValue, int.MaxValue, int.MaxValue], [0, 0, 0]).Op("u.").Zip(Floats()));

    [Fact]
    public void CompressedRecords_AreRead()
    {
        // More than one part of what is read at a time, as it stands and turned.
        const int Rows = 700;
        const int Columns = 1000;
        var values = Enumerable.Range(0, Rows * Columns).Select(i => (float)(i % 977)).ToArray();
        var pickle = new PickleBytes().Op("}(");
        pickle.Text("a").Tensor("FloatStorage", 0, Rows * Columns, 0, [Rows, Columns], [Columns, 1]);
        pickle.Text("turned").Tensor("FloatStorage", 0, Rows * Columns, 0, [Columns, Rows], [1, Columns]);
        pickle.Text("columns").Tensor("FloatStorage", 0, Rows * Columns, 3, [Rows, 2], [Columns, 1]);
        var bytes = pickle.Op("u.").Zip(CompressionLevel.Optimal, "little", MemoryMarshal.AsBytes<float>(values).ToArray());
        Assert.InRange(bytes.Length, 1, 4 * values.Length / 2);
        using var file = Open(bytes);
        Assert.Equal(values, Read(file, "a"));
        Assert.Equal(Enumerable.Range(0, Rows * Columns).Select(i => values[(i % Rows * Columns) + (i / Rows)]), Read(file, "turned"));
        Assert.Equal(Enumerable.Range(0, Rows * 2).Select(i => values[(i / 2 * Columns) + (i % 2) + 3]), Read(file, "columns"));
    }

    [Fact]
    public void CompressedRecordThatIsDamaged_IsRefused()
    {
        var bytes = new PickleBytes().Op("}(").Text("a").Tensor("FloatStorage", 0, 1000, 0, [1000], [1]).Op("u.").Zip(CompressionLevel.Optimal, "little", new byte[4000]);
        var crc = BitConverter.GetBytes(Crc32.Append(0, new byte[4000]));
        for (int at; (at = bytes.AsSpan().IndexOf(crc)) >= 0;) bytes[at] ^= 1;
        using var file = Open(bytes);
        Assert.Throws<PyTorchFormatException>(() => Read(file, "a"));
    }

    [Fact]
    public void RecordThatPromisesMoreThanItsBytesCanHold_IsRefused()
    {
        var bytes = new PickleBytes().Op("}(").Text("a").Tensor("FloatStorage", 0, 1 << 28, 0, [1 << 28], [1]).Op("u.").Zip(CompressionLevel.Optimal, "little", new byte[4000]);
        var length = BitConverter.GetBytes(4000);
        for (int at; (at = bytes.AsSpan().IndexOf(length)) >= 0;) BitConverter.GetBytes(1 << 30).CopyTo(bytes.AsSpan(at));
        Assert.Contains("should have", Refuse(bytes).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void OverlappingWindows_AreFollowed()
    {
        using var file = Open(new PickleBytes().Op("}(").Text("a").Tensor("FloatStorage", 0, 6, 1, [3, 3], [1, 1]).Op("u.").Zip(Floats()));
        Assert.Equal([2, 3, 4, 3, 4, 5, 4, 5, 6], Read(file, "a"));
        Assert.Equal([1, 4, 2, 5, 3, 6, 4, 7], Read(Open(new PickleBytes().Op("}(").Text("b").Tensor("FloatStorage", 0, 7, 0, [2, 2, 2], [2, 1, 3]).Op("u.").Zip(MemoryMarshal.AsBytes<float>([1, 2, 3, 4, 5, 6, 7]).ToArray())), "b"));
    }

    [Fact]
    public void RepeatedAndOverlappingValues_AreCountedWithoutBeingThere()
    {
        var storage = MemoryMarshal.AsBytes<float>([1, float.NaN, 3, float.PositiveInfinity, float.NegativeInfinity, float.NaN, 7]).ToArray();
        var pickle = new PickleBytes().Op("}(");
        pickle.Text("repeated").Tensor("FloatStorage", 0, 7, 1, [int.MaxValue, 1000, 3], [0, 0, 1]).Text("empty").Tensor("FloatStorage", 0, 7, 0, [0, 3], [0, 1]);
        pickle.Text("windows").Tensor("FloatStorage", 0, 7, 0, [2, 2, 2], [2, 1, 3], "neg").Text("repeated windows").Tensor("FloatStorage", 0, 7, 0, [2, 1 << 30, 2, 2], [2, 0, 1, 3]);
        using var file = Open(pickle.Op("u.").Zip(storage));
        Assert.Equal((1000L * int.MaxValue, 1000L * int.MaxValue), Count("repeated"));
        Assert.Equal((0, 0), Count("empty"));
        var windows = Read(file, "windows");
        var expected = (NaN: windows.LongCount(float.IsNaN), Infinite: windows.LongCount(float.IsInfinity));
        Assert.Equal((2, 3), expected);
        Assert.Equal(expected, Count("windows"));
        Assert.Equal((expected.NaN << 30, expected.Infinite << 30), Count("repeated windows"));

        (long NaN, long Infinite) Count(string name) => file.CountNotFinite(file.Tensors.Single(tensor => tensor.Name == name));
    }

    [Fact]
    public void NegatedView_HasTheOtherSign_AndOtherMarksAreNamed()
    {
        var pickle = new PickleBytes().Op("}(");
        pickle.Text("a").Tensor("FloatStorage", 0, 6, 0, [6], [1], "neg");
        pickle.Text("turned").Tensor("FloatStorage", 0, 6, 0, [3, 2], [1, 3], "neg");
        pickle.Text("other").Tensor("FloatStorage", 0, 6, 0, [6], [1], "zero");
        using var file = Open(pickle.Op("u.").Zip(Floats()));
        Assert.Equal([-1, -2, -3, -4, -5, -6], Read(file, "a"));
        Assert.Equal([-1, -4, -2, -5, -3, -6], Read(file, "turned"));
        Assert.Contains("the mark 'zero'", Assert.Throws<PyTorchFormatException>(() => Read(file, "other")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void OrderedDictOfPairs_IsADict()
    {
        var empty = new PickleBytes().Global("collections", "OrderedDict").Op(")").Raw(0x85).Op("R(").Text("a").Tensor("FloatStorage", 0, 6, 0, [6], [1]).Op("u.");
        Assert.Equal(s_values, Read(Open(empty.Zip(Floats())), "a"));
        var pairs = new PickleBytes().Global("collections", "OrderedDict").Op("(](").Text("a").Tensor("FloatStorage", 0, 6, 0, [6], [1]).Raw(0x86).Op("etR.");
        Assert.Equal(s_values, Read(Open(pairs.Zip(Floats())), "a"));
    }

    [Fact]
    public void TypesThatNobodyKnows_AreListedAndRefusedOnlyWhenAskedFor()
    {
        var pickle = new PickleBytes().Op("}(").Text("a").Tensor("FloatStorage", 0, 6, 0, [6], [1]);
        pickle.Text("b").Untyped(1, 6, "float8_e8m0fnu", [6]).Text("c").Untyped(2, 6, "float8_e4m3fnuz", [6]).Text("d").Untyped(3, 6, "bits8", [6]);
        using var file = Open(pickle.Op("u.").Zip(Floats(), new byte[6], new byte[6], new byte[6]));
        Assert.Equal(["F32", "F8_E8M0", "F8_E4M3FNUZ", "bits8"], file.Tensors.Select(tensor => tensor.Type));
        Assert.Equal(s_values, Read(file, "a"));
        Assert.Contains("bits8", Assert.Throws<PyTorchFormatException>(() => Read(file, "d")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Remedy_NamesTheStateDictThatTheFileHas()
    {
        static PickleBytes Object(PickleBytes pickle) => pickle.Text("args").Global("argparse", "Namespace").Op(")").Raw(0x81).Op("}(").Text("lr").Number(1).Op("ub");
        PickleBytes Dict(string name) => Object(new PickleBytes().Op("}(")).Text(name).OrderedDict().Op("(").Text("a").Tensor("FloatStorage", 0, 6, 0, [6], [1]).Op("u");
        Assert.Contains("weights_only=False)['net']['ema']", Refuse(Object(new PickleBytes().Op("}(")).Text("net").Op("}").Text("ema").OrderedDict().Op("(").Text("a").Tensor("FloatStorage", 0, 6, 0, [6], [1]).Op("usu.").Zip(Floats())).Remedy, StringComparison.Ordinal);
        Assert.Contains("weights_only=False)['state_dict']", Refuse(Dict("state_dict").Op("u.").Zip(Floats())).Remedy, StringComparison.Ordinal);

        // What could not be typed as it is, and tensors beside the object.
        Assert.Contains("torch.save(model.state_dict()", Refuse(Dict("a'] or ['").Op("u.").Zip(Floats())).Remedy, StringComparison.Ordinal);
        Assert.Contains("torch.is_tensor(v)", Refuse(Object(new PickleBytes().Op("}(")).Text("a").Tensor("FloatStorage", 0, 6, 0, [6], [1]).Op("u.").Zip(Floats())).Remedy, StringComparison.Ordinal);
    }

    [Fact]
    public void NamesWithEscapeSequences_AreEscapedInMessages()
    {
        var error = Refuse(new PickleBytes().Op("}(").Text("a\u001b[2Jb").Tensor("FloatStorage", 9, 6, 0, [6], [1]).Op("u.").Zip(Floats()));
        Assert.Contains("a\\u001b[2Jb", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("\u001b", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("\u001b", Refuse(new PickleBytes().Global("a\u001b", "b").Op(".").Zip()).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void BigEndianFile_IsRefused() =>
        Assert.Contains("'big'", Refuse(Sound().Zip(CompressionLevel.NoCompression, "big", Floats())).Message, StringComparison.Ordinal);

    [Fact]
    public void RecordsOfOneName_AreRefused()
    {
        var stream = new MemoryStream();
        stream.Write(Sound().Zip(Floats()));
        using (var zip = new ZipArchive(stream, ZipArchiveMode.Update, leaveOpen: true)) PickleBytes.Add(zip, "model/data/0", Floats(), CompressionLevel.NoCompression);
        Assert.Contains("two records", Refuse(stream.ToArray()).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void TensorsOfOneName_AreRefused() =>
        Assert.Contains("two of this name", Refuse(new PickleBytes().Op("}(").Text("a").Tensor("FloatStorage", 0, 6, 0, [6], [1]).Text("a").Tensor("FloatStorage", 0, 6, 0, [6], [1]).Op("u.").Zip(Floats())).Message, StringComparison.Ordinal);

    [Fact]
    public void ChecksumOfZero_IsTakenAsNone()
    {
        var file = Sound().Zip(Floats());
        var crc = BitConverter.GetBytes(Crc32.Append(0, Floats()));
        for (int at; (at = file.AsSpan().IndexOf(crc)) >= 0;) file.AsSpan(at, 4).Clear();
        using var reader = Open(file);
        Assert.Equal(s_values, Read(reader, "a"));
        Assert.Equal(0xCBF43926u, Crc32.Append(0, "123456789"u8));
    }

    [Fact]
    public void Bombs_EndAtALimit()
    {
        // Nesting by groups, by lists in lists, a container that holds itself, and doubling by references.
        Refuse(new PickleBytes().Op(new string('(', 100_000)).Op(".").Zip());
        Refuse(new PickleBytes().Op("}").Text("a").Op(new string(']', 1000)).Op(new string('a', 999)).Op("s.").Zip());
        Refuse(new PickleBytes().Op("}q").Raw(0).Text("a").Op("h").Raw(0).Op("s.").Zip());
        var doubling = new PickleBytes().Op("]q").Raw(0);
        for (byte i = 1; i < 60; i++) doubling.Op("](h").Raw((byte)(i - 1)).Op("h").Raw((byte)(i - 1)).Op("eq").Raw(i);
        Refuse(new PickleBytes().Op("}").Text("a").Raw(doubling.Bytes[2..]).Op("s.").Zip());
        Refuse(new PickleBytes().Op("Nr").Raw(0xFF, 0xFF, 0xFF, 0x7F).Op(".").Zip());
        Refuse(new PickleBytes().Op("X").Raw(0xFF, 0xFF, 0xFF, 0xFF).Op(".").Zip());
    }

    [Fact]
    public void OldFormatWithoutZip_IsNamed()
    {
        byte[] old = [0x80, 2, 0x8A, 0x0A, 0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19, (byte)'.', 0x80, 2];
        Assert.Contains("old format", Refuse(old).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Layer_TakesAStateDictOnlyWhenToldAndKeepsItsWeightsOtherwise()
    {
        using var layer = new DynamicAdaptiveSoftmax(SoftmaxLayout.Create(4, 6, [3], hasHeadBias: false), seed: 1);
        var pickle = new PickleBytes().OrderedDict().Op("(");
        var storages = new List<byte[]>();
        foreach (var parameter in layer.Parameters)
        {
            var values = Enumerable.Range(0, (int)parameter.Count).Select(i => i + (100f * storages.Count)).ToArray();
            pickle.Text("softmax." + parameter.Name).Tensor("FloatStorage", storages.Count, values.Length, 0, [parameter.Rows, parameter.Columns], [parameter.Columns, 1]);
            storages.Add(MemoryMarshal.AsBytes<float>(values).ToArray());
        }

        var file = pickle.Op("u.").Zip([.. storages]);
        File.WriteAllBytes(_folder["weights.pt"], file);
        var before = layer.Parameters[0].Values.ToArray();
        Assert.Throws<CheckpointMismatchException>(() => new Checkpoint(layer.Parameters, [], layer.Identity with { Fingerprint = "f00d" }) { Prefix = "softmax." }.Restore(_folder["weights.pt"]));
        var broken = (byte[])file.Clone();
        broken[broken.AsSpan().IndexOf(storages[^1]) + 4] ^= 1;
        File.WriteAllBytes(_folder["broken.pt"], broken);
        Assert.Throws<PyTorchFormatException>(() => layer.Restore(_folder["broken.pt"], acceptUnmarked: true, prefix: "softmax."));
        Assert.Equal(before, layer.Parameters[0].Values.ToArray());
        layer.Restore(_folder["weights.pt"], acceptUnmarked: true, prefix: "softmax.");
        for (var i = 0; i < layer.Parameters.Count; i++)
            Assert.Equal(storages[i], MemoryMarshal.AsBytes(layer.Parameters[i].Values).ToArray());
    }

    private static PickleBytes Sound() => new PickleBytes().OrderedDict().Op("(").Text("a").Tensor("FloatStorage", 0, 6, 0, [6], [1]).Op("u.");

    private static byte[] Floats() => MemoryMarshal.AsBytes<float>(s_values).ToArray();

    private static float[] Read(WeightsFile file, string name)
    {
        Assert.True(file.TryGetTensor(name, out var tensor));
        var values = new float[tensor.Count];
        file.Read(tensor, values);
        return values;
    }

    private WeightsFile Open(byte[] bytes)
    {
        File.WriteAllBytes(_folder["file.pt"], bytes);
        var file = WeightsFile.Open(_folder["file.pt"]);
        Assert.Equal("PyTorch", file.Format);
        return file;
    }

    private PyTorchFormatException Refuse(byte[] bytes) => Assert.Throws<PyTorchFormatException>(() => Open(bytes).Dispose());
}
