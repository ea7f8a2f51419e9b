using System.Text;
using System.Text.Json;
using AdaptiveSoftmax.Tests.Quantization;
using AdaptiveSoftmax.Vocabulary;
using CsCheck;

namespace AdaptiveSoftmax.Tests.Checkpoints;

/// <summary>The copies and bounds of certified decoders in files, beside the weights that they were made of.</summary>
public sealed class CertifiedFileTests : IDisposable
{
    private static readonly SoftmaxLayout s_full = SoftmaxLayout.CreateFull(40, 300);
    private static readonly CertifyOptions s_both = new() { Stages = ScreeningStages.Int4ThenInt8 };

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public void WhatIsLoaded_PredictsWhatTheStoredWeightsDo_AndIsSavedToTheSameBytes() => Gen.Select(
        CertifiedCase.Any,
        Gen.OneOf(Gen.Const(WeightPrecision.Float32), Gen.Const(WeightPrecision.BFloat16)),
        Gen.Enum<ScreeningStages>(),
        Gen.Bool,
        Gen.OneOf(Gen.Const(""), Gen.Const("decoder.softmax."))).Sample(
        (@case, precision, stages, isMapped, prefix) =>
        {
            using var layer = @case.CreateLayer();
            using var stored = layer.Quantize(new QuantizationOptions { Head = precision, Tails = precision });
            using var certified = precision == WeightPrecision.Float32 ? layer.Certify(new CertifyOptions { Stages = stages }) : stored.Certify(new CertifyOptions { Stages = stages });
            var path = _folder[Guid.NewGuid().ToString()];
            certified.Save(path, prefix);
            using var loaded = DynamicAdaptiveSoftmax.LoadQuantized(path, layer.Layout, isMapped ? MemoryMapping.On : MemoryMapping.Off, prefix: prefix);
            using var again = loaded.Certify();
            Assert.Equal(certified.ScreeningBytes, again.ScreeningBytes);
            var hidden = @case.Hidden();
            var size = layer.Layout.HiddenSize;
            for (var i = 0; i < hidden.Length; i += size) Assert.Equal(Predict(stored, hidden[i..(i + size)]), Predict(again, hidden[i..(i + size)]));
            again.Save(path + "2", prefix);
            Assert.Equal(File.ReadAllBytes(path), File.ReadAllBytes(path + "2"));
        },
        iter: 100);

    [Theory]
    [InlineData(MemoryMapping.On)]
    [InlineData(MemoryMapping.Off)]
    public void LoadedBounds_AreTheOnesThatDecide(MemoryMapping mapping)
    {
        // Bounds so wide that every row may win: only who takes them from the file leaves its predictions to the stored weights.
        using var layer = new DynamicAdaptiveSoftmax(s_full, seed: 3);
        using (var certified = layer.Certify(s_both)) certified.Save(_folder["file"]);
        Change(_folder["file"], "head.weight_int4_error", 1e3f);
        Change(_folder["file"], "head.weight_int8_error", 1e3f);
        if (mapping == MemoryMapping.Off)
        {
            var error = Assert.Throws<SafetensorsFormatException>(() => DynamicAdaptiveSoftmax.LoadQuantized(_folder["file"], s_full));
            Assert.Contains("checksum", error.Message, StringComparison.Ordinal);
            return;
        }

        using var loaded = DynamicAdaptiveSoftmax.LoadQuantized(_folder["file"], s_full, mapping);
        using var wide = loaded.Certify();
        using var narrow = loaded.Certify(new CertifyOptions { Stages = ScreeningStages.Int8 });
        using var asSaved = loaded.Certify(s_both);
        var hidden = Hidden();
        Assert.Equal(loaded.Predict(hidden), wide.Predict(hidden));
        Assert.Equal(loaded.Predict(hidden), narrow.Predict(hidden));
        Assert.Equal(loaded.Predict(hidden), asSaved.Predict(hidden));
        Assert.Equal(1, wide.Statistics.StoredPredictions);
        Assert.Equal(1, asSaved.Statistics.StoredPredictions);
        Assert.Equal(0, narrow.Statistics.StoredPredictions);
    }

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(-1f)]
    [InlineData(float.PositiveInfinity)]
    public void BoundThatIsNone_IsRefusedWhereItIsMapped(float bound)
    {
        using var layer = new DynamicAdaptiveSoftmax(s_full, seed: 3);
        using (var certified = layer.Certify(s_both)) certified.Save(_folder["file"]);
        Change(_folder["file"], "head.weight_int8_error", bound);
        var error = Assert.Throws<SafetensorsFormatException>(() => DynamicAdaptiveSoftmax.LoadQuantized(_folder["file"], s_full, MemoryMapping.On));
        Assert.Equal("head.weight_int8_error", error.TensorName);
        Assert.Contains("The bound of row 0", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void File_HoldsWhatTheDocumentationSays()
    {
        var layout = SoftmaxLayout.Create(48, 300, [40, 120], [32, 7], hasHeadBias: true);
        using var layer = new DynamicAdaptiveSoftmax(layout, seed: 1);
        using var certified = layer.Certify(s_both);
        certified.Save(_folder["file"], "a.");
        using var file = SafetensorsReader.Open(_folder["file"]);
        Assert.Equal(
            [
                "a.head.bias F32 [42]", "a.head.weight F32 [42, 48]",
                "a.head.weight_int4 U8 [42, 2, 16]", "a.head.weight_int4_error F32 [42]", "a.head.weight_int4_group_scale F16 [42, 2]", "a.head.weight_int4_scale F32 [42]",
                "a.head.weight_int8 I8 [42, 48]", "a.head.weight_int8_error F32 [42]", "a.head.weight_int8_scale F32 [42]",
                "a.tail.0.0.weight F32 [32, 48]", "a.tail.0.1.weight F32 [80, 32]", "a.tail.0.1.weight_int8 I8 [80, 32]", "a.tail.0.1.weight_int8_error F32 [80]", "a.tail.0.1.weight_int8_scale F32 [80]",
                "a.tail.1.0.weight F32 [7, 48]", "a.tail.1.1.weight F32 [180, 7]", "a.tail.1.1.weight_int8 I8 [180, 7]", "a.tail.1.1.weight_int8_error F32 [180]", "a.tail.1.1.weight_int8_scale F32 [180]",
            ],
            file.Tensors.Select(tensor => $"{tensor.Name} {tensor.Type} {WeightsText.Shape(tensor.Shape)}").Order(StringComparer.Ordinal));
        using var json = JsonDocument.Parse(file.Metadata["adaptive_softmax_quantized"]);
        var screens = json.RootElement.GetProperty("screens");
        Assert.Equal(["int4", "int8"], screens.GetProperty("head").EnumerateArray().Select(precision => precision.GetString()));
        Assert.Equal(
            ["head.weight_int4", "head.weight_int8", "tail.0.1.weight_int8", "tail.1.1.weight_int8"],
            screens.GetProperty("largest_norm").EnumerateObject().Select(norm => norm.Name));

        // No bound is below the residual of its row, and the largest norm not below that of a row.
        var weight = layer.Parameters[0];
        var (values, scales, errors) = (TensorData.Bytes(file, "a.head.weight_int8"), TensorData.Floats(file, "a.head.weight_int8_scale"), TensorData.Floats(file, "a.head.weight_int8_error"));
        for (var row = 0; row < weight.Rows; row++)
        {
            double residual = 0, norm = 0;
            for (var k = 0; k < weight.Columns; k++)
            {
                residual += Math.Pow(weight.Row(row)[k] - ((double)scales[row] * (sbyte)values[(row * weight.Columns) + k]), 2);
                norm += Math.Pow(weight.Row(row)[k], 2);
            }

            Assert.InRange(errors[row], Math.Sqrt(residual), 0.05 * Math.Sqrt(norm));
            Assert.True(screens.GetProperty("largest_norm").GetProperty("head.weight_int8").GetDouble() >= Math.Sqrt(norm));
        }
    }

    [Fact]
    public void FileOfALayersCopies_IsALayersFileToo()
    {
        using var layer = new DynamicAdaptiveSoftmax(s_full, seed: 3);
        using (var certified = layer.Certify()) certified.Save(_folder["file"]);
        using var loaded = DynamicAdaptiveSoftmax.Load(_folder["file"], s_full);
        Assert.Equal(layer.Parameters.Select(parameter => parameter.Values.ToArray()), loaded.Parameters.Select(parameter => parameter.Values.ToArray()));
    }

    [Fact]
    public async Task Streams_NeedNotSeek()
    {
        using var layer = new DynamicAdaptiveSoftmax(s_full, seed: 3);
        using var certified = layer.Certify(s_both);
        certified.Save(_folder["file"]);
        var expected = File.ReadAllBytes(_folder["file"]);
        var (plain, alone) = (new MemoryStream(), new MemoryStream());
        certified.Save(new PlainStream(plain));
        await certified.SaveAsync(new PlainStream(alone) { IsAsynchronousAlone = true }, cancellationToken: Token);
        await certified.SaveAsync(_folder["other"], cancellationToken: Token);
        Assert.Equal(expected, plain.ToArray());
        Assert.Equal(expected, alone.ToArray());
        Assert.Equal(expected, File.ReadAllBytes(_folder["other"]));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => certified.SaveAsync(_folder["other"], cancellationToken: new CancellationToken(canceled: true)));
        Assert.Equal(expected, File.ReadAllBytes(_folder["other"]));
    }

    public static TheoryData<string, string, string> Strangers => new()
    {
        { "\"head.weight_int8_error\":", "\"head.weight_int8_errar\":", "no tensor 'head.weight_int8_error'" },
        { "\\\"head.weight_int4\\\":", "\\\"head.weight_int3\\\":", "no largest norm of 'head.weight_int4'" },
        { "screens\\\":{\\\"head\\\":[\\\"int4\\\",\\\"int8\\\"]", "screens\\\":{\\\"head\\\":[\\\"int8\\\",\\\"int8\\\"]", "int4, int8 or both" },
        { "\"head.weight_int4_scale\":{\"dtype\":\"F32\",\"shape\":[300]", "\"head.weight_int4_scale\":{\"dtype\":\"I32\",\"shape\":[300]", "is I32 in the file, and F32 in int4" },
    };

    [Theory]
    [MemberData(nameof(Strangers))]
    public void StrangeFile_IsRefused(string text, string other, string message)
    {
        using var layer = new DynamicAdaptiveSoftmax(s_full, seed: 3);
        using var certified = layer.Certify(s_both);
        var stream = new MemoryStream();
        certified.Save(stream);
        var latin = Encoding.Latin1.GetString(stream.ToArray());
        Assert.Contains(text, latin, StringComparison.Ordinal);
        var at = latin.IndexOf(text, StringComparison.Ordinal);
        var strange = new MemoryStream(Encoding.Latin1.GetBytes(latin[..at] + other + latin[(at + text.Length)..]));
        var error = Assert.ThrowsAny<Exception>(() => DynamicAdaptiveSoftmax.LoadQuantized(strange, s_full));
        Assert.True(error is CheckpointMismatchException or WeightsFormatException, error.ToString());
        Assert.Contains(message, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void ChangedOrDisposedWeights_AreNotSaved()
    {
        using var layer = new DynamicAdaptiveSoftmax(s_full, seed: 3);
        var certified = layer.Certify();
        layer.Parameters[0].Set(new float[layer.Parameters[0].Count]);
        Assert.Contains("call Certify() again", Assert.Throws<InvalidOperationException>(() => certified.Save(_folder["file"])).Message, StringComparison.Ordinal);
        certified.Dispose();
        Assert.Throws<ObjectDisposedException>(() => certified.Save(_folder["file"]));
        Assert.False(File.Exists(_folder["file"]));
    }

    [Fact]
    public void LoadedWeights_OutliveTheDecoderThatTookTheirCopies()
    {
        using var layer = new DynamicAdaptiveSoftmax(s_full, seed: 3);
        using (var certified = layer.Certify(s_both)) certified.Save(_folder["file"]);
        using var loaded = DynamicAdaptiveSoftmax.LoadQuantized(_folder["file"], s_full);
        var hidden = Hidden();
        using (var first = loaded.Certify()) Assert.Equal(layer.Predict(hidden), first.Predict(hidden));
        using var second = loaded.Certify();
        Assert.Equal(layer.Predict(hidden), second.Predict(hidden));
        Assert.Equal(0, second.Statistics.StoredPredictions);
    }

    // Weights so large that logits overflow are refused, by both in the same words.
    private static (int Token, string? Fault) Predict(SoftmaxDecoder decoder, float[] hidden)
    {
        try
        {
            return (decoder.Predict(hidden), null);
        }
        catch (DecodeException exception)
        {
            return (-1, exception.Message);
        }
    }

    private static float[] Hidden()
    {
        var random = new Random(5);
        return [.. Enumerable.Range(0, s_full.HiddenSize).Select(_ => (float)(random.NextDouble() - 0.5))];
    }

    private static void Change(string path, string tensor, float value)
    {
        long start;
        int rows;
        using (var file = SafetensorsReader.Open(path))
        {
            Assert.True(file.TryGetTensor(tensor, out var found));
            (start, rows) = (((SafetensorsTensor)found).Start, (int)found.Shape[0]);
        }

        using var stream = new FileStream(path, FileMode.Open);
        var header = new byte[8];
        stream.ReadExactly(header);
        stream.Position = 8 + BitConverter.ToInt64(header) + start;
        for (var row = 0; row < rows; row++) stream.Write(BitConverter.GetBytes(value));
    }
}
