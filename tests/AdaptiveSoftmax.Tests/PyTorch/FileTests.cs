using System.IO.Compression;
using AdaptiveSoftmax.Tests.Checkpoints;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tests.PyTorch;

/// <summary>Files that PyTorch wrote: what our reader takes of them, and how it refuses the rest.</summary>
public sealed class FileTests
{
    [Theory]
    [InlineData("float16", "F16")]
    [InlineData("bfloat16", "BF16")]
    [InlineData("float64", "F64")]
    public void OtherFloats_AreRead(string name, string type)
    {
        using var file = Open($"files/{name}.pt");
        var tensor = Assert.Single(file.Tensors);
        Assert.Equal(("a", type), (tensor.Name, tensor.Type));
        Assert.Equal([0, 1, 2, 3, 4, 5], Read(file, "a"));
    }

    [Theory]
    [InlineData("int32", "I32")]
    [InlineData("bool", "BOOL")]
    public void OtherTypes_AreListedAndNotReadAsWeights(string name, string type)
    {
        using var file = Open($"files/{name}.pt");
        Assert.Equal(type, Assert.Single(file.Tensors).Type);
        var error = Assert.Throws<PyTorchFormatException>(() => Read(file, "a"));
        Assert.Contains(type, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Views_ShareOneStorage()
    {
        using var file = Open("files/views.pt");
        Assert.Equal([0, 1, 2, 3, 4, 5], Read(file, "whole"));
        Assert.Equal([0, 3, 1, 4, 2, 5], Read(file, "transposed"));
        Assert.Equal([3, 4, 5], Read(file, "row"));
        Assert.Equal([1, 4], Read(file, "column"));
        Assert.Equal([0, 0, 0, 0], Read(file, "expanded"));
    }

    [Fact]
    public void SizesDevicesAndTypes_AreReadOver()
    {
        using var file = Open("files/values.pt");
        Assert.Equal(["parameter"], file.Tensors.Select(tensor => tensor.Name));
        Assert.Equal([0, 1, 2, 3, 4, 5], Read(file, "parameter"));
    }

    [Fact]
    public void WhatIsNoDenseFloat_IsPassedOverOrListed_BesideASoftmax()
    {
        using var file = Open("files/passed-over.pt");
        Assert.Equal(
            [
                ("7", "F32"), ("sparse", "sparse"), ("csr", "sparse"), ("quantized", "qint8"), ("quantized_rows", "quint8"), ("meta", "meta"),
                ("complex128", "complex128"), ("conj", "C64"), ("model.head.weight", "F32"), ("model.tail.0.0.weight", "F32"), ("model.tail.0.1.weight", "F32"),
            ],
            file.Tensors.Select(tensor => (tensor.Name, tensor.Type)));
        Assert.All(file.Tensors.Take(8), tensor => Assert.Equal([2L, 3L], tensor.Shape));
        Assert.Equal([0, 1, 2, 3, 4, 5], Read(file, "7"));
        Assert.Contains("sparse", Assert.Throws<PyTorchFormatException>(() => Read(file, "sparse")).Message, StringComparison.Ordinal);

        using var layer = new DynamicAdaptiveSoftmax(SoftmaxLayout.Create(4, 6, [3], hasHeadBias: false), seed: 1);
        layer.Restore(Fixture.GetPath("files/passed-over.pt"), acceptUnmarked: true, prefix: "model.");
        Assert.Equal(Read(file, "model.head.weight"), layer.Parameters[0].Values.ToArray());
    }

    [Fact]
    public void ListOrTensorAsTheWholeFile_IsRead()
    {
        using (var list = Open("files/list.pt"))
        {
            Assert.Equal(["0", "1.a"], list.Tensors.Select(tensor => tensor.Name));
            Assert.Equal([3, 4, 5], Read(list, "1.a"));
        }

        using var tensor = Open("files/tensor.pt");
        Assert.Equal("", Assert.Single(tensor.Tensors).Name);
        Assert.Equal([0, 1, 2, 3, 4, 5], Read(tensor, ""));
    }

    [Fact]
    public void NewerVersion_IsReadAlike()
    {
        using (var file = Open("files/newer/state-dict.pt")) Assert.Equal(["head.weight", "tail.0.0.weight", "tail.0.1.weight"], file.Tensors.Select(tensor => tensor.Name));
        using (var file = Open("files/newer/tagged-parameter.pt")) Assert.Equal([0, 1, 2, 3, 4, 5], Read(file, "tagged"));
        using (var file = Open("files/newer/protocol-4.pt")) Assert.Equal([0, 1, 2, 3, 4, 5], Read(file, "a"));
    }

    [Fact]
    public void UntypedStorages_HaveTheTypesThatTheirTensorsName()
    {
        using var file = Open("files/newer/untyped.pt");
        Assert.Equal(
            [("uint16", "U16", 3L), ("row", "U16", 2L), ("float8", "F8_E4M3", 6L), ("float32", "F32", 6L)],
            file.Tensors.Select(tensor => (tensor.Name, tensor.Type, tensor.Count)));
        Assert.Equal([0, 1, 2, 3, 4, 5], Read(file, "float32"));
        Assert.Throws<PyTorchFormatException>(() => Read(file, "float8"));
    }

    [Theory]
    [InlineData("files/legacy.pt", "old format", "torch.save(torch.load('old.pt'), 'weights.pt')")]
    [InlineData("files/module.pt", "'torch.nn.modules.adaptive.AdaptiveLogSoftmaxWithLoss'", "torch.save(model.state_dict(), 'weights.pt')")]
    [InlineData("files/namespace.pt", "'argparse.Namespace'", "torch.load('checkpoint.pt', weights_only=False)['model']")]
    [InlineData("files/lightning-namespace.pt", "'argparse.Namespace'", "torch.load('checkpoint.pt', weights_only=False)['state_dict']")]
    [InlineData("files/torchscript.pt", "TorchScript", "torch.save(module.state_dict(), 'weights.pt')")]
    public void WhatIsNoStateDict_IsRefusedWithTheRemedy(string name, string problem, string remedy)
    {
        var error = Assert.Throws<PyTorchFormatException>(() => Open(name));
        Assert.Contains(problem, error.Message, StringComparison.Ordinal);
        Assert.Contains(remedy, error.Remedy, StringComparison.Ordinal);
    }

    [Fact]
    public void CheckpointOfARun_GivesItsWeightsUnderAPrefixThatTheErrorNames()
    {
        const string Prefix = "state_dict.model.softmax.";
        using var layer = new DynamicAdaptiveSoftmax(SoftmaxLayout.Create(4, 6, [3]), seed: 1);
        var path = Fixture.GetPath("files/lightning.pt");
        var error = Assert.Throws<CheckpointMismatchException>(() => layer.Restore(path, acceptUnmarked: true));
        Assert.Contains($"prefix: \"{Prefix}\"", error.Remedy, StringComparison.Ordinal);
        layer.Restore(path, acceptUnmarked: true, Prefix);
        var expected = Fixture.ReadArrays(Fixture.GetPath("files/lightning.safetensors"));
        foreach (var parameter in layer.Parameters) Assert.Equal(expected[parameter.Name].Values, parameter.Values.ToArray().Select(value => (double)value));
    }

    [Theory]
    [InlineData("fairseq", "decoder.adaptive_softmax.")]
    [InlineData("transformer-xl", "crit.")]
    public void OtherLibrarysLayout_IsSentToTheTool(string name, string prefix)
    {
        using var layer = new DynamicAdaptiveSoftmax(SoftmaxLayout.Create(12, 40, [8, 20], 2), seed: 1);
        var before = layer.Parameters[0].Values.ToArray();
        var error = Assert.Throws<CheckpointMismatchException>(() => layer.Restore(Fixture.GetPath($"layouts/{name}.pt"), acceptUnmarked: true, prefix));
        Assert.Contains("adaptive-softmax convert", error.Remedy, StringComparison.Ordinal);
        Assert.Equal(before, layer.Parameters[0].Values.ToArray());
    }

    [Fact]
    public void Tensor_IsReadIntoAParameterOfItsShapeAlone()
    {
        using var file = Open("files/float16.pt");
        using var parameter = new Parameter("a", 2, 3);
        file.Read(file.Tensors[0], parameter);
        Assert.Equal([0, 1, 2, 3, 4, 5], parameter.Values.ToArray());
        using var turned = new Parameter("a", 3, 2);
        Assert.Contains("[2, 3]", Assert.Throws<ArgumentException>(() => file.Read(file.Tensors[0], turned)).Message, StringComparison.Ordinal);
        using var other = Open("files/float64.pt");
        Assert.Throws<ArgumentException>(() => other.Read(file.Tensors[0], parameter));
    }

    [Fact]
    public void IndexOfShards_IsNamed()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder["pytorch_model.bin.index.json"], """{"metadata": {}, "weight_map": {}}""");
        var error = Assert.Throws<WeightsFormatException>(() => WeightsFile.Open(folder["pytorch_model.bin.index.json"]));
        Assert.Contains("weight_map", error.Message, StringComparison.Ordinal);
    }

    // Whole storages, parts of shared ones, transposed and negated views: what can be copied as it stands is what is read.
    [Fact]
    public void StoredBytes_AreTheValues_OfEveryTensorThatIsARunOfItsStorage()
    {
        var (copied, others) = (0, 0);
        foreach (var path in Directory.GetFiles(Fixture.GetPath(""), "*.pt", SearchOption.AllDirectories))
        {
            using var file = TryOpen(path);
            foreach (var tensor in (file?.Tensors ?? []).Where(tensor => tensor.Count > 0 && FloatConversion.GetSize(tensor.Type) > 0))
            {
                if (!file!.CanCopyBytes(tensor))
                {
                    others++;
                    continue;
                }

                var bytes = new List<byte>();
                file.CopyBytes(tensor, chunk => bytes.AddRange(chunk), TestContext.Current.CancellationToken);
                var (values, expected) = (new float[tensor.Count], new float[tensor.Count]);
                FloatConversion.Convert(file, tensor, bytes.ToArray(), values);
                file.Read(tensor, expected.AsSpan());
                Assert.Equal((path, tensor.Name, BitConverter.ToString([.. expected.SelectMany(BitConverter.GetBytes)])), (path, tensor.Name, BitConverter.ToString([.. values.SelectMany(BitConverter.GetBytes)])));
                copied++;
            }
        }

        Assert.True(copied > 50 && others > 0, $"{copied} of {copied + others}");
    }

    // Of a storage whose values count with the other sign, the bytes are those of other numbers.
    [Theory]
    [InlineData(false, 3, 1, true)]
    [InlineData(true, 3, 1, false)]
    [InlineData(false, 1, 2, false)]
    public void Views_AreCopiedAsTheyStand_WhereTheyAreTheirStorage(bool isNegated, long first, long second, bool isCopied)
    {
        using var archive = new ZipArchive(new MemoryStream(), ZipArchiveMode.Create);
        var view = new PickleTensor(SafetensorsTypes.BFloat16, new PickleStorage(SafetensorsTypes.BFloat16, "0", 6), 0, [2, 3], [first, second]) { IsNegated = isNegated };
        Assert.Equal(isCopied, new PyTorchTensor("weight", view, 6, archive.CreateEntry("data/0")).IsContiguous);
    }

    private static WeightsFile? TryOpen(string path)
    {
        try
        {
            return WeightsFile.Open(path);
        }
        catch (WeightsFormatException)
        {
            return null;
        }
    }

    private static WeightsFile Open(string name) => WeightsFile.Open(Fixture.GetPath(name));

    private static float[] Read(WeightsFile file, string name)
    {
        Assert.True(file.TryGetTensor(name, out var tensor));
        var values = new float[tensor.Count];
        file.Read(tensor, values);
        return values;
    }
}
