using System.Text;
using System.Text.Json;
using AdaptiveSoftmax.Vocabulary;
using CsCheck;

namespace AdaptiveSoftmax.Tests.Checkpoints;

/// <summary>Small weights in files and streams.</summary>
public sealed class QuantizedFileTests : IDisposable
{
    private static readonly SoftmaxLayout s_layout = SoftmaxLayout.Create(48, 300, [40, 120], [32, 7], hasHeadBias: true);

    private readonly TemporaryFolder _folder = new();
    private readonly DynamicAdaptiveSoftmax _layer = new(s_layout, seed: 1);

    public void Dispose()
    {
        _folder.Dispose();
        _layer.Dispose();
    }

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private static Gen<WeightPrecision> AnyPrecision => Gen.OneOf([.. Enum.GetValues<WeightPrecision>().Select(precision => Gen.Const(precision))]);

    [Fact]
    public void WhatIsLoaded_HasTheBitsOfWhatWasSaved() => Gen.Select(LayerCase.Any, AnyPrecision, AnyPrecision.Array[6], Gen.Bool, Gen.OneOf(Gen.Const(""), Gen.Const("decoder.softmax."))).Sample(
        (@case, head, tails, isMapped, prefix) =>
        {
            using var layer = @case.CreateLayer();
            using var saved = layer.Quantize(new QuantizationOptions { Head = head, TailOverrides = [.. tails[..@case.Layout.TailCount]] });
            layer.Dispose();
            var path = _folder[Guid.NewGuid().ToString()];
            saved.Save(path, prefix);
            using var loaded = DynamicAdaptiveSoftmax.LoadQuantized(path, @case.Layout, isMapped ? MemoryMapping.On : MemoryMapping.Off, prefix: prefix);
            AssertSame(saved, loaded, @case.Hidden());
            Assert.Equal(saved.WeightBytes, loaded.WeightBytes);
            Assert.Equal(Enumerable.Range(0, @case.Layout.TailCount).Select(saved.Precision.OfTail), Enumerable.Range(0, @case.Layout.TailCount).Select(loaded.Precision.OfTail));

            // What it was made of is not asked for again.
            loaded.Save(path + "2", prefix);
            Assert.Equal(File.ReadAllBytes(path), File.ReadAllBytes(path + "2"));
        },
        iter: 60);

    [Fact]
    public void File_HoldsWhatTheDocumentationSays()
    {
        using var small = _layer.Quantize(new QuantizationOptions { Head = WeightPrecision.Int8, TailOverrides = [WeightPrecision.BFloat16, WeightPrecision.Float32] });
        small.Save(_folder["file"], "a.");
        using var file = SafetensorsReader.Open(_folder["file"]);
        Assert.Equal(
            [
                "a.head.bias F32 [42]", "a.head.weight I8 [42, 48]", "a.head.weight_scale F32 [42]",
                "a.tail.0.0.weight BF16 [32, 48]", "a.tail.0.1.weight BF16 [80, 32]", "a.tail.1.0.weight F32 [7, 48]", "a.tail.1.1.weight F32 [180, 7]",
            ],
            file.Tensors.Select(tensor => $"{tensor.Name} {tensor.Type} {WeightsText.Shape(tensor.Shape)}").Order(StringComparer.Ordinal));
        using var json = JsonDocument.Parse(file.Metadata["adaptive_softmax_quantized"]);
        Assert.Equal("int8", json.RootElement.GetProperty("head").GetString());
        Assert.Equal(["bfloat16", "float32"], json.RootElement.GetProperty("tails").EnumerateArray().Select(tail => tail.GetString()));

        var (weight, scales) = (TensorData.Bytes(file, "a.head.weight").Select(value => (sbyte)value).ToArray(), TensorData.Floats(file, "a.head.weight_scale"));
        var head = _layer.Parameters[0];
        for (var row = 0; row < head.Rows; row++)
        {
            var largest = head.Row(row).ToArray().Max(Math.Abs);
            Assert.Equal(largest / 127, scales[row], 1e-9);
            for (var k = 0; k < head.Columns; k++) Assert.Equal(Math.Round(head.Row(row)[k] / (largest / 127.0)), weight[(row * head.Columns) + k], 1.0 + 1e-3);
        }

        Assert.Equal(_layer.Parameters[1].Values.ToArray(), TensorData.Floats(file, "a.head.bias"));
        foreach (var tensor in file.Tensors)
        {
            var checksum = json.RootElement.GetProperty("crc32c").GetProperty(tensor.Name[2..]).GetString();
            Assert.Equal(BitByBit(TensorData.Bytes(file, tensor.Name)).ToString("x8", System.Globalization.CultureInfo.InvariantCulture), checksum);
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(9)]
    [InlineData(67)]
    public void Checksum_IsCastagnolis(int count)
    {
        Assert.Equal(0xE3069283, Crc32C.Append(0, "123456789"u8));
        var bytes = new byte[count];
        new Random(count).NextBytes(bytes);
        Assert.Equal(BitByBit(bytes), Crc32C.Append(Crc32C.Append(0, bytes.AsSpan(0, count / 3)), bytes.AsSpan(count / 3)));
    }

    [Fact]
    public async Task Streams_NeedNotSeek()
    {
        using var small = _layer.Quantize();
        small.Save(_folder["file"]);
        var expected = File.ReadAllBytes(_folder["file"]);
        var (plain, alone) = (new MemoryStream(), new MemoryStream());
        small.Save(new PlainStream(plain));
        await small.SaveAsync(new PlainStream(alone) { IsAsynchronousAlone = true }, cancellationToken: Token);
        await small.SaveAsync(_folder["other"], cancellationToken: Token);
        Assert.Equal(expected, plain.ToArray());
        Assert.Equal(expected, alone.ToArray());
        Assert.Equal(expected, File.ReadAllBytes(_folder["other"]));

        var hidden = Hidden(5);
        using (var loaded = DynamicAdaptiveSoftmax.LoadQuantized(new PlainStream(new MemoryStream(expected)), s_layout)) AssertSame(small, loaded, hidden);
        using (var loaded = await DynamicAdaptiveSoftmax.LoadQuantizedAsync(new PlainStream(new MemoryStream(expected)) { IsAsynchronousAlone = true }, s_layout, cancellationToken: Token)) AssertSame(small, loaded, hidden);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => small.SaveAsync(_folder["other"], cancellationToken: new CancellationToken(canceled: true)));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => DynamicAdaptiveSoftmax.LoadQuantizedAsync(new MemoryStream(expected), s_layout, cancellationToken: new CancellationToken(canceled: true)));
        Assert.Equal(expected, File.ReadAllBytes(_folder["other"]));
    }

    [Fact]
    public void EveryTensorThatIsDamaged_IsNamed()
    {
        using var small = _layer.Quantize();
        small.Save(_folder["file"]);
        var bytes = File.ReadAllBytes(_folder["file"]);
        using var file = SafetensorsReader.Open(_folder["file"]);
        var start = 8 + BitConverter.ToInt32(bytes);
        foreach (var tensor in file.Tensors.Cast<SafetensorsTensor>())
        {
            var damaged = bytes.ToArray();
            damaged[start + tensor.End - 1] ^= 1;
            var error = Assert.Throws<SafetensorsFormatException>(() => DynamicAdaptiveSoftmax.LoadQuantized(new MemoryStream(damaged), s_layout));
            Assert.Equal(tensor.Name, error.TensorName);
            Assert.Contains("checksum", error.Message, StringComparison.Ordinal);
            Assert.Contains("copy or save it again", error.Message, StringComparison.Ordinal);
        }

        Assert.Throws<SafetensorsFormatException>(() => DynamicAdaptiveSoftmax.LoadQuantized(new MemoryStream(bytes[..^1]), s_layout));
    }

    public static TheoryData<string, string, string> Strangers => new()
    {
        { "version\\\":1,\\\"head\\\":\\\"int8", "version\\\":2,\\\"head\\\":\\\"int8", "its small weights have version 2" },
        { "head\\\":\\\"int8", "head\\\":\\\"int3", "its precision 'int3' is none of" },
        { "head\\\":\\\"int8\\\"", "head\\\":8       ", "adaptive_softmax_quantized" },
        { "tails\\\":[\\\"int8\\\",\\\"int8\\\"]", "tails\\\":[\\\"int8\\\"]         ", "precisions of 1 tails, and there are 2" },
        { "\\\"head.weight\\\":\\\"", "\\\"head.weighs\\\":\\\"", "no checksum of 'head.weight'" },
        { "\"head.weight_scale\":", "\"head.weight_scala\":", "no tensor 'head.weight_scale'" },
        { "\"head.weight\":{\"dtype\":\"I8\"", "\"head.weight\":{\"dtype\":\"U8\"", "'head.weight' is U8 in the file, and I8 in int8" },
        { "\"tail.0.1.weight\":{\"dtype\":\"I8\",\"shape\":[80,32]", "\"tail.0.1.weight\":{\"dtype\":\"I8\",\"shape\":[32,80]", "'tail.0.1.weight' is [32, 80] in the file, and [80, 32] is needed" },
        { "adaptive_softmax_quantized", "adaptive_softmax_quantizes", "it holds no quantised softmax" },
    };

    [Theory]
    [MemberData(nameof(Strangers))]
    public void StrangeFile_IsRefused(string text, string other, string message)
    {
        using var small = _layer.Quantize();
        var stream = new MemoryStream();
        small.Save(stream);
        var latin = Encoding.Latin1.GetString(stream.ToArray());
        Assert.Contains(text, latin, StringComparison.Ordinal);
        Assert.Equal(text.Length, other.Length);
        var strange = new MemoryStream(Encoding.Latin1.GetBytes(latin.Replace(text, other, StringComparison.Ordinal)));
        var error = Assert.ThrowsAny<Exception>(() => DynamicAdaptiveSoftmax.LoadQuantized(strange, s_layout));
        Assert.True(error is CheckpointMismatchException or WeightsFormatException, error.ToString());
        Assert.Contains(message, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void ChecksumOfMoreThan32Bits_IsRefused()
    {
        using var small = _layer.Quantize();
        var stream = new MemoryStream();
        small.Save(stream);
        var (bytes, length) = (stream.ToArray(), BitConverter.ToInt32(stream.GetBuffer()));
        var header = Encoding.UTF8.GetString(bytes.AsSpan(8, length)).Replace("\\\"head.weight\\\":\\\"", "\\\"head.weight\\\":\\\"f", StringComparison.Ordinal);
        Assert.Equal(length + 1, header.Length);
        var error = Assert.Throws<SafetensorsFormatException>(() => DynamicAdaptiveSoftmax.LoadQuantized(new MemoryStream(SafetensorsBytes.Create(header, bytes.AsSpan(8 + length))), s_layout));
        Assert.Contains("adaptive_softmax_quantized", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void FileOfOtherSizesOrOfALayer_IsRefused_WithWhatToDo()
    {
        using var small = _layer.Quantize();
        small.Save(_folder["small"], "a.");
        Assert.Contains("cutoffs: [40, 120] in the file, [40, 121] in the class", Assert.Throws<CheckpointMismatchException>(() => DynamicAdaptiveSoftmax.LoadQuantized(_folder["small"], SoftmaxLayout.Create(48, 300, [40, 121], [32, 7], hasHeadBias: true), prefix: "a.")).Message, StringComparison.Ordinal);
        Assert.Contains("load with prefix: \"a.\"", Assert.Throws<CheckpointMismatchException>(() => DynamicAdaptiveSoftmax.LoadQuantized(_folder["small"], s_layout)).Message, StringComparison.Ordinal);
        _layer.Save(_folder["layer"]);
        Assert.Contains("call Quantize()", Assert.Throws<CheckpointMismatchException>(() => DynamicAdaptiveSoftmax.LoadQuantized(_folder["layer"], s_layout)).Message, StringComparison.Ordinal);

        // And the other way round: the layer keeps its weights.
        using var other = new DynamicAdaptiveSoftmax(s_layout, seed: 2);
        var before = other.Parameters.Select(parameter => parameter.Values.ToArray()).ToArray();
        Assert.Contains("LoadQuantized", Assert.Throws<CheckpointMismatchException>(() => other.Restore(_folder["small"], prefix: "a.")).Message, StringComparison.Ordinal);
        Assert.Equal(before, other.Parameters.Select(parameter => parameter.Values.ToArray()));
    }

    [Fact]
    public void WeightsOfBFloat16_AreALayersTooWhereTheyAreRestored()
    {
        using var small = _layer.Quantize(new QuantizationOptions { Head = WeightPrecision.BFloat16, Tails = WeightPrecision.BFloat16 });
        small.Save(_folder["file"]);
        using var layer = DynamicAdaptiveSoftmax.Load(_folder["file"], s_layout);
        foreach (var (restored, original) in layer.Parameters.Zip(_layer.Parameters).Where(pair => !pair.First.IsVector))
        {
            for (var i = 0; i < restored.Count; i++) Assert.Equal(original.Values[i], restored.Values[i], Math.Abs(original.Values[i]) / 256);
        }
    }

    private static float[] Hidden(int tokens)
    {
        var random = new Random(5);
        return [.. Enumerable.Range(0, tokens * s_layout.HiddenSize).Select(_ => (float)(random.NextDouble() - 0.5))];
    }

    private static void AssertSame(SoftmaxDecoder expected, SoftmaxDecoder actual, float[] hidden)
    {
        var tokens = hidden.Length / expected.Layout.HiddenSize;
        foreach (var count in new[] { Math.Min(tokens, 1), tokens })
        {
            var vectors = hidden.AsSpan(0, count * expected.Layout.HiddenSize);
            var (left, right) = (new float[count * expected.Layout.VocabularySize], new float[count * expected.Layout.VocabularySize]);
            expected.LogProb(vectors, left);
            actual.LogProb(vectors, right);
            Assert.Equal(left, right);
        }
    }

    private static uint BitByBit(byte[] bytes)
    {
        var crc = uint.MaxValue;
        foreach (var value in bytes)
        {
            crc ^= value;
            for (var bit = 0; bit < 8; bit++) crc = (crc & 1) == 0 ? crc >> 1 : (crc >> 1) ^ 0x82F63B78;
        }

        return ~crc;
    }
}
