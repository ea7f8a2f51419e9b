using AdaptiveSoftmax.Tests.Checkpoints;
using ILGPU.Runtime;

namespace AdaptiveSoftmax.Gpu.Tests.Generated;

/// <summary>What a generated class offers on a device.</summary>
public abstract class GeneratedLayerTests
{
    private protected abstract Accelerator Accelerator { get; }

    [Fact]
    public void Create_GivesTheBitsOfTheCpu()
    {
        using var host = Shop.Create(seed: 3);
        using var layer = Shop.Create(Accelerator, seed: 3);
        AssertSameBits(host, layer);
        using var unseeded = Shop.Create(Accelerator);
        using var unseededHost = Shop.Create();
        AssertSameBits(unseededHost, unseeded);
        Assert.Equal(Shop.HiddenSize, layer.Head.Weight.Columns);
        Assert.Equal(Shop.VocabularySize - Shop.Cutoffs[1], layer.Tail1.Output.Rows);
    }

    [Fact]
    public void ToGpuAndToCpu_KeepEveryBit()
    {
        using var host = Shop.Create(seed: 9);
        host.Head.Weight.WritableValues[3] = BitConverter.Int32BitsToSingle(1);
        host.Tail0.Output.WritableValues[1] = -0f;
        using var layer = host.ToGpu(Accelerator);
        using var back = layer.ToCpu();
        Assert.Equal(host.Parameters.Select(Bits), back.Parameters.Select(Bits));
    }

    [Fact]
    public void Files_GoBothWays()
    {
        using var folder = new TemporaryFolder();
        using var host = Shop.Create(seed: 4);
        host.Save(folder["host.safetensors"]);
        using var layer = Shop.Load(folder["host.safetensors"], Accelerator);
        AssertSameBits(host, layer);
        layer.Save(folder["device.safetensors"]);
        Assert.Equal(File.ReadAllBytes(folder["host.safetensors"]), File.ReadAllBytes(folder["device.safetensors"]));
        host.Save(folder["host.pt"], "decoder.", WeightsFormat.PyTorch);
        layer.Save(folder["device.pt"], "decoder.", WeightsFormat.PyTorch);
        Assert.Equal(File.ReadAllBytes(folder["host.pt"]), File.ReadAllBytes(folder["device.pt"]));
        using var other = Shop.Create(Accelerator, seed: 9);
        other.Restore(folder["host.pt"], prefix: "decoder.");
        AssertSameBits(host, other);
    }

    [Fact]
    public async Task Streams_GoBothWays_WithPrefixAndWithoutFingerprint()
    {
        var token = TestContext.Current.CancellationToken;
        using var host = Shop.Create(seed: 4);
        var (stream, unmarked) = (new MemoryStream(), new MemoryStream());
        host.Save(stream, "decoder.");
        SafetensorsWriter.Write(unmarked, host.Parameters);

        stream.Position = 0;
        using var layer = Shop.Load(stream, Accelerator, prefix: "decoder.");
        AssertSameBits(host, layer);
        stream.Position = 0;
        using (var read = await Shop.LoadAsync(stream, Accelerator, prefix: "decoder.", cancellationToken: token)) AssertSameBits(host, read);
        unmarked.Position = 0;
        Assert.Throws<CheckpointMismatchException>(() => Shop.Load(unmarked, Accelerator));
        unmarked.Position = 0;
        await Assert.ThrowsAsync<CheckpointMismatchException>(() => Shop.LoadAsync(unmarked, Accelerator, cancellationToken: token));
        unmarked.Position = 0;
        using var taken = Shop.Load(unmarked, Accelerator, acceptUnmarked: true);
        AssertSameBits(host, taken);

        var later = new MemoryStream();
        await layer.SaveAsync(later, "decoder.", cancellationToken: token);
        Assert.Equal(stream.ToArray(), later.ToArray());
        later.Position = 0;
        using var onHost = await Shop.LoadAsync(later, prefix: "decoder.", cancellationToken: token);
        AssertSameBits(onHost, layer);
        unmarked.Position = 0;
        using var again = Shop.Load(unmarked, acceptUnmarked: true);
        AssertSameBits(again, layer);
    }

    [Fact]
    public void LayerWithoutAVocabulary_TakesTheWeightsOfAClass_AndNotTheOtherWayRound()
    {
        using var layer = Shop.Create(Accelerator, seed: 4);
        using var plain = new DynamicAdaptiveSoftmax(layer.Layout, seed: 5);
        Assert.Throws<ArgumentException>(() => layer.CopyFrom(plain));
        layer.CopyTo(plain);
        AssertSameBits(plain, layer);
    }

    [Fact]
    public void Restore_OfAnotherVocabulary_LeavesTheWeights()
    {
        using var folder = new TemporaryFolder();
        var path = folder["other.safetensors"];
        using (var other = new DynamicAdaptiveSoftmax(Vocabulary.SoftmaxLayout.Create(20, 40, [5, 12], [10, 5], hasHeadBias: true))) other.Save(path);
        using var host = Shop.Create(seed: 4);
        using var layer = host.ToGpu(Accelerator);
        Assert.Throws<CheckpointMismatchException>(() => layer.Restore(path));
        File.WriteAllText(path, "no tensors");
        Assert.Throws<SafetensorsFormatException>(() => layer.Restore(path));
        AssertSameBits(host, layer);
    }

    [Fact]
    public void TokensAreIds_NotSlots()
    {
        using var host = Shop.Create(seed: 5);
        using var layer = host.ToGpu(Accelerator);
        var random = new Random(2);
        var hidden = new float[30 * Shop.HiddenSize];
        foreach (ref var value in hidden.AsSpan()) value = (random.NextSingle() * 20) - 10;
        int[] expected = new int[30], actual = new int[30];
        host.Predict(hidden, expected);
        layer.Predict(hidden, actual);
        Assert.Equal(expected, actual);
        Assert.Contains(actual, token => Shop.Vocabulary.GetSlot(token).Cluster > 0);
        Assert.Equal(expected[0], layer.Predict(hidden.AsSpan(0, Shop.HiddenSize)));
        Assert.Equal(host.Loss(hidden, expected), layer.Loss(hidden, expected), 1e-4f);
    }

    internal static void AssertSameBits(AdaptiveSoftmaxLayer host, GpuAdaptiveSoftmax layer)
    {
        Assert.Equal(host.Parameters.Select(parameter => parameter.Name), layer.Parameters.Select(parameter => parameter.Name));
        for (var i = 0; i < host.Parameters.Count; i++)
        {
            using var copy = new Parameter("copy", host.Parameters[i].Rows, host.Parameters[i].Columns);
            layer.Parameters[i].CopyTo(copy);
            Assert.Equal(Bits(host.Parameters[i]), Bits(copy));
        }
    }

    private static int[] Bits(Parameter parameter) => [.. parameter.Values.ToArray().Select(BitConverter.SingleToInt32Bits)];
}

[Collection(Backend.Collection)]
public sealed class OpenClGeneratedLayerTests : GeneratedLayerTests
{
    private protected override Accelerator Accelerator => Backend.OpenCl;
}

[Collection(Backend.Collection)]
public sealed class CudaGeneratedLayerTests : GeneratedLayerTests
{
    private protected override Accelerator Accelerator => Backend.Cuda;
}
