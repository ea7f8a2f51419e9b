using System.Globalization;
using AdaptiveSoftmax.Tests.Checkpoints;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tests.Quantization;

/// <summary>The output layers of other people's models.</summary>
public sealed class DenseHeadTests : IDisposable
{
    private const int Hidden = 24;
    private const int Rows = 128;

    // 100 tokens whose ids are spread over 0 to 118, in another order than their counts.
    private static readonly int[] s_ids = [.. Enumerable.Range(0, 100).Select(slot => slot * 37 % 119)];

    private readonly TemporaryFolder _folder = new();

    private string Folder => Path.GetDirectoryName(_folder["x"])!;

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("lm_head.weight", "BF16", false)]
    [InlineData("model.language_model.lm_head.weight", "F16", false)]
    [InlineData("gpt_neox.embed_out.weight", "F32", false)]
    [InlineData("output.weight", "F64", false)]
    [InlineData("transformer.output_layer.weight", "BF16", false)]
    [InlineData("model.embed_tokens.weight", "BF16", true)]
    [InlineData("model.language_model.embed_tokens.weight", "F16", true)]
    [InlineData("transformer.wte.weight", "F32", true)]
    public void HeadOfACheckpoint_DecodesTheStoredRows_ByTokenId(string name, string type, bool isTied)
    {
        var weight = Tensor(name, type);
        HuggingFaceFiles.Write(file => _folder[file], [Tensor("model.layers.0.attention.output.weight", type)], [weight, Tensor("model.layers.1.lm_head.weight", type)]);
        using var head = Load(Folder, Definition());
        Assert.Equal((name, isTied, Rows, Hidden, Rows - s_ids.Length), (head.DenseHead!.Weight.Name, head.DenseHead.IsTied, head.DenseHead.Rows, head.DenseHead.HiddenSize, head.UnusedRows));
        Assert.StartsWith(head.DenseHead.Prefix, name, StringComparison.Ordinal);
        var bytes = type is "BF16" or "F16" ? 2 : 4;
        Assert.Equal((long)s_ids.Length * Hidden * bytes, head.WeightBytes);
        AssertDecodes(head, weight.Stored, bias: null);
        using var certified = head.Certify();
        for (var seed = 0; seed < 20; seed++) Assert.Equal(head.Predict(Values(Hidden, seed)), certified.Predict(Values(Hidden, seed)));
    }

    [Theory]
    [InlineData("BF16")]
    [InlineData("F32")]
    public void RestoreHead_FillsATrainableLayer_AndLeavesItAsItWasWhereItFails(string type)
    {
        var (weight, bias) = (Tensor("lm_head.weight", type), new CheckpointTensor("lm_head.bias", type, [Rows], Values(Rows, 8)));
        HuggingFaceFiles.WriteFile(_folder["model.safetensors"], weight, bias);
        using var layer = new DynamicAdaptiveSoftmax(Definition(hasBias: true), seed: 3);
        var version = layer.WeightsVersion;
        var found = layer.RestoreHead(Folder, cancellationToken: TestContext.Current.CancellationToken);
        Assert.Equal("lm_head.bias", found.Bias!.Name);
        Assert.True(layer.WeightsVersion > version);
        AssertDecodes(layer, weight.Stored, bias.Stored);

        foreach (var precision in Enum.GetValues<WeightPrecision>())
        {
            using var small = Load(Folder, Definition(hasBias: true), precision: precision);
            using var quantized = layer.Quantize(new QuantizationOptions { Head = precision });
            Assert.Equal(quantized.WeightBytes, small.WeightBytes);
            Assert.Equal(LogProbs(quantized, 4), LogProbs(small, 4));
        }

        using var stream = File.OpenRead(_folder["model.safetensors"]);
        using var ofStream = new DynamicAdaptiveSoftmax(Definition(hasBias: true), seed: 4);
        Assert.Equal("lm_head.bias", ofStream.RestoreHead(new PlainStream(stream), cancellationToken: TestContext.Current.CancellationToken).Bias!.Name);
        Assert.Equal(LogProbs(layer, 4), LogProbs(ofStream, 4));
        stream.Position = 0;
        using (var small = DynamicAdaptiveSoftmax.LoadHead(stream, Definition(hasBias: true), cancellationToken: TestContext.Current.CancellationToken))
        using (var ofFile = Load(Folder, Definition(hasBias: true)))
            Assert.Equal(LogProbs(ofFile, 4), LogProbs(small, 4));
        stream.Dispose();

        var before = layer.Parameters.Select(parameter => parameter.Values.ToArray()).ToArray();
        bias.Values[s_ids[7]] = float.PositiveInfinity;
        HuggingFaceFiles.WriteFile(_folder["model.safetensors"], weight, bias);
        var fault = Assert.Throws<SafetensorsFormatException>(() => layer.RestoreHead(Folder, cancellationToken: TestContext.Current.CancellationToken));
        Assert.Contains(string.Create(CultureInfo.InvariantCulture, $"Row {s_ids[7]}"), fault.Message, StringComparison.Ordinal);
        Assert.Equal(before, layer.Parameters.Select(parameter => parameter.Values.ToArray()));
    }

    [Fact]
    public void RowsOfNoToken_MayHoldAnything()
    {
        var weight = Tensor("lm_head.weight", "BF16");
        foreach (var row in Enumerable.Range(0, Rows).Except(s_ids)) weight.Values.AsSpan(row * Hidden, Hidden).Fill(float.NaN);
        HuggingFaceFiles.WriteFile(_folder["model.safetensors"], weight);
        using var head = Load(Folder, Definition());
        AssertDecodes(head, weight.Stored, bias: null);
        weight.Values[(s_ids[99] * Hidden) + 5] = float.NaN;
        HuggingFaceFiles.WriteFile(_folder["model.safetensors"], weight);
        Assert.Throws<SafetensorsFormatException>(() => Load(Folder, Definition()));
    }

    [Fact]
    public void StateDict_IsReadToo()
    {
        var weight = Tensor("lm_head.weight", "BF16");
        using var parameter = new Parameter("lm_head.weight", Rows, Hidden);
        parameter.Set(weight.Values);
        new Checkpoint([parameter]).Save(_folder["model.pt"], WeightsFormat.PyTorch);
        using var head = Load(_folder["model.pt"], Definition());
        Assert.Equal(WeightPrecision.Float32, head.Precision.Head);
        AssertDecodes(head, [.. weight.Values.Select(value => (double)value)], bias: null);
    }

    // The bits of the file, and no more memory than they take: as safetensors of the same values are read.
    [Theory]
    [InlineData("BF16", WeightPrecision.BFloat16)]
    [InlineData("F16", WeightPrecision.Float16)]
    public unsafe void StateDictOfHalfPrecision_IsKeptAsItIsStored(string type, WeightPrecision precision)
    {
        var weight = Tensor("lm_head.weight", type);
        using (var content = new WeightsContent())
        {
            fixed (byte* bytes = weight.Bytes)
            {
                content.Add(weight.Name, type, weight.Shape, bytes, weight.Values.Length);
                content.Write(_folder["model.pt"], WeightsFormat.PyTorch, TestContext.Current.CancellationToken);
            }
        }

        using (var head = Load(_folder["model.pt"], Definition()))
        {
            Assert.Equal((precision, (long)s_ids.Length * Hidden * 2), (head.Precision.Head, head.WeightBytes));
            AssertDecodes(head, weight.Stored, bias: null);
            using var certified = head.Certify();
            for (var seed = 0; seed < 20; seed++) Assert.Equal(head.Predict(Values(Hidden, seed)), certified.Predict(Values(Hidden, seed)));
        }

        // Rows of a draft keep their bits too.
        using var file = WeightsFile.Open(_folder["model.pt"]);
        var vocabulary = DraftVocabulary.Create(DraftChoice.Create(Definition().Table), 40, Rows);
        DraftFile.Write(_folder["draft.safetensors"], vocabulary, file, DenseHead.Find(file), cancellationToken: TestContext.Current.CancellationToken);
        using var draft = WeightsFile.Open(_folder["draft.safetensors"]);
        Assert.True(draft.TryGetTensor("lm_head.weight", out var rows));
        Assert.Equal(type, rows.Type);
        var written = new List<byte>();
        draft.CopyBytes(rows, chunk => written.AddRange(chunk), TestContext.Current.CancellationToken);
        Assert.Equal(vocabulary.Tokens.ToArray().SelectMany(id => weight.Bytes[(id * Hidden * 2)..((id + 1) * Hidden * 2)]), written);
    }

    [Fact]
    public void WhatDoesNotFit_IsNamed()
    {
        var few = Tensor("lm_head.weight", "BF16") with { Shape = [118, Hidden], Values = Values(118 * Hidden, 1) };
        HuggingFaceFiles.WriteFile(_folder["model.safetensors"], few);
        var largest = s_ids.Max();
        var beyond = s_ids.Count(id => id >= 118);
        Assert.Contains(
            string.Create(CultureInfo.InvariantCulture, $"'lm_head.weight' has 118 rows, which are token ids, and {beyond} of the vocabulary's 100 tokens have larger ids, up to {largest}"),
            Assert.Throws<CheckpointMismatchException>(() => Load(Folder, Definition())).Message,
            StringComparison.Ordinal);

        HuggingFaceFiles.WriteFile(_folder["model.safetensors"], Tensor("lm_head.weight", "BF16"), new CheckpointTensor("lm_head.bias", "BF16", [Rows], Values(Rows, 2)));
        var mismatch = Assert.Throws<CheckpointMismatchException>(() => Load(Folder, Definition()));
        Assert.Contains("\"headBias\": true", mismatch.Remedy, StringComparison.Ordinal);
        mismatch = Assert.Throws<CheckpointMismatchException>(() => Load(Folder, Definition(hasBias: true, hidden: 32)));
        Assert.Contains("\"hiddenSize\" of the spec to 24", mismatch.Remedy, StringComparison.Ordinal);
        using (var adaptive = new DynamicAdaptiveSoftmax(SoftmaxLayout.Create(Hidden, 100, [50])))
            Assert.Contains("\"softmax\": \"full\"", Assert.Throws<CheckpointMismatchException>(() => adaptive.RestoreHead(Folder, cancellationToken: TestContext.Current.CancellationToken)).Remedy, StringComparison.Ordinal);

        HuggingFaceFiles.WriteFile(_folder["model.safetensors"], Tensor("thinker.lm_head.weight", "BF16"), Tensor("talker.lm_head.weight", "F16"));
        Assert.Contains("thinker.lm_head.weight, talker.lm_head.weight", Assert.Throws<SafetensorsFormatException>(() => Load(Folder, Definition())).Message, StringComparison.Ordinal);
        using (var head = Load(Folder, Definition(), tensorName: "talker.lm_head.weight"))
            Assert.Equal(WeightPrecision.Float16, head.Precision.Head);

        HuggingFaceFiles.WriteFile(_folder["model.safetensors"], Tensor("model.layers.0.attention.output.weight", "BF16"));
        Assert.Contains("no output layer under a known name", Assert.Throws<SafetensorsFormatException>(() => Load(Folder, Definition())).Message, StringComparison.Ordinal);
        Assert.Throws<SafetensorsFormatException>(() => Load(Folder, Definition(), tensorName: "lm_head.weight"));
    }

    [Theory]
    [InlineData("""{ "final_logit_softcapping": 30.0, "attn_logit_softcapping": 50.0 }""", null, 30.0, "caps logits at 30, and the spec nowhere", "\"logitSoftCap\": 30")]
    [InlineData("""{ "logit_scale": 0.0625, "final_logit_softcapping": null }""", 0.0625, null, "scales logits by 0.0625, and the spec by 1", "\"logitScale\": 0.0625")]
    [InlineData("""{ "logits_scaling": 16, "text_config": { "logits_scaling": 8 } }""", 0.125, null, "scales logits by 0.125", "\"logitScale\": 0.125")]
    [InlineData("""{ "time_step_limit": [0.0, Infinity], "a": [-Infinity, NaN], "Infinity \" NaN": "-Infinity", "logits_scaling": 8 }""", 0.125, null, "scales logits by 0.125", "\"logitScale\": 0.125")]
    [InlineData("""{ "text_config": { "tie_word_embeddings": false }, "tie_word_embeddings": true }""", null, null, "are not tied to one", "with its output layer")]
    public void ConfigurationBesideIt_MustBeTheSpecs(string config, double? scale, double? cap, string difference, string remedy)
    {
        HuggingFaceFiles.WriteFile(_folder["model.safetensors"], Tensor("model.embed_tokens.weight", "BF16"));
        File.WriteAllText(_folder["config.json"], config);
        var mismatch = Assert.Throws<CheckpointMismatchException>(() => Load(Folder, Definition()));
        Assert.Contains(difference, Assert.Single(mismatch.Differences), StringComparison.Ordinal);
        Assert.Contains(remedy, mismatch.Remedy, StringComparison.Ordinal);
        using var file = WeightsFile.Open(Folder);
        var head = DenseHead.Find(file);
        Assert.Equal((scale, cap), (head.LogitScale, head.LogitSoftCap));
        if (scale is null && cap is null) return;
        using var layer = new DynamicAdaptiveSoftmax(SoftmaxLayout.CreateFull(Hidden, 100, logitScale: scale ?? 1, logitSoftCap: cap ?? double.PositiveInfinity));
        layer.RestoreHead(Folder, cancellationToken: TestContext.Current.CancellationToken);
    }

    [Theory]
    [InlineData("""{ "logit_scale": 1e-300 }""", "says a logit scale of 1E-300")]
    [InlineData("""{ "logits_scaling": 1e300 }""", "says a logit scale of 1E-300")]
    [InlineData("""{ "final_logit_softcapping": 1e7 }""", "says a soft cap of logits of 10000000, and those from 1E-06 to 1000000 are known")]
    public void FactorBeyondWhatALayerHas_IsRefused(string config, string says)
    {
        HuggingFaceFiles.WriteFile(_folder["model.safetensors"], Tensor("lm_head.weight", "BF16"));
        File.WriteAllText(_folder["config.json"], config);
        using var file = WeightsFile.Open(Folder);
        Assert.Contains(says, Assert.Throws<SafetensorsFormatException>(() => DenseHead.Find(file)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{ \"final_logit_softcapping\": 30")]
    [InlineData("{ \"final_logit_softcapping\": Infinit }")]
    [InlineData("{ \"\\ud800, a name without its other half\": 30 }")]
    public void DamagedConfiguration_IsNotPassedOver(string config)
    {
        HuggingFaceFiles.WriteFile(_folder["model.safetensors"], Tensor("lm_head.weight", "BF16"));
        File.WriteAllText(_folder["config.json"], config);
        Assert.Contains("config.json beside it is no valid JSON", Assert.Throws<SafetensorsFormatException>(() => Load(Folder, Definition())).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("lm_head.weight", "lm_head.bias")]
    [InlineData("language_model.model.embed_tokens.weight", "language_model.lm_head.bias")]
    public void Bias_IsNeverLeftOutUnnoticed(string weight, string bias)
    {
        // Another model's in the same file does not belong to the head.
        var other = new CheckpointTensor("talker.lm_head.bias", "F32", [3], Values(3, 1));
        foreach (var shape in (long[][])[[Rows - 1], [1, Rows]])
        {
            HuggingFaceFiles.WriteFile(_folder["model.safetensors"], Tensor(weight, "BF16"), other, new CheckpointTensor(bias, "F32", shape, Values((int)shape[^1], 2)));
            Assert.Contains($"'{bias}': Its shape is", Assert.Throws<SafetensorsFormatException>(() => Load(Folder, Definition())).Message, StringComparison.Ordinal);
        }

        var (rows, numbers) = (Tensor(weight, "BF16"), new CheckpointTensor(bias, "F32", [Rows], Values(Rows, 2)));
        HuggingFaceFiles.WriteFile(_folder["model.safetensors"], rows, other, numbers);
        Assert.Throws<CheckpointMismatchException>(() => Load(Folder, Definition()));
        using var head = Load(Folder, Definition(hasBias: true));
        AssertDecodes(head, rows.Stored, numbers.Stored);
    }

    // o200k_base, in a model that pads its rows to a multiple of 64; two files, of which the head is in the second.
    [Fact]
    public void HeadOfRealSize_IsReadInTheOrderOfTheVocabulary()
    {
        const int Tokens = 200_019;
        const int Padded = 200_064;
        const int Width = 64;
        var ids = Enumerable.Range(0, Tokens).ToArray();
        new Random(5).Shuffle(ids);
        var weight = new CheckpointTensor("lm_head.weight", "BF16", [Padded, Width], Values(Padded * Width, 6));
        // The padding would win against every token.
        weight.Values.AsSpan(Tokens * Width).Fill(3);
        HuggingFaceFiles.Write(file => _folder[file], [new CheckpointTensor("model.norm.weight", "BF16", [Width], Values(Width, 7))], [weight]);
        using var head = Load(_folder["model.safetensors.index.json"], Definition(ids, Width));
        Assert.Equal((Padded - Tokens, (long)Tokens * Width * 2), (head.UnusedRows, head.WeightBytes));

        var hidden = Enumerable.Repeat(1f, Width).ToArray();
        var stored = weight.Stored;
        var best = Enumerable.Range(0, Tokens).MaxBy(token => stored.AsSpan(token * Width, Width).ToArray().Sum());
        Assert.Equal(best, head.Predict(hidden));
        foreach (var token in (int[])[0, 777, 150_000, Tokens - 1])
        {
            hidden = [.. stored.AsSpan(token * Width, Width).ToArray().Select(value => (float)value)];
            Assert.Equal(token, head.Predict(hidden));
        }
    }

    private static QuantizedSoftmax Load(string path, SoftmaxDefinition definition, string? tensorName = null, WeightPrecision? precision = null) =>
        DynamicAdaptiveSoftmax.LoadHead(path, definition, tensorName: tensorName, precision: precision, cancellationToken: TestContext.Current.CancellationToken);

    private static void AssertDecodes(SoftmaxDecoder decoder, double[] rows, double[]? bias)
    {
        var logProbs = LogProbs(decoder, 4);
        for (var seed = 0; seed < 4; seed++)
        {
            var hidden = Values(Hidden, 100 + seed);
            double[] logits = [.. s_ids.Select(id => rows.AsSpan(id * Hidden, Hidden).ToArray().Zip(hidden, (weight, value) => weight * value).Sum() + (bias?[id] ?? 0))];
            var logSumExp = Math.Log(logits.Sum(Math.Exp));
            for (var slot = 0; slot < s_ids.Length; slot++) Assert.Equal(logits[slot] - logSumExp, logProbs[seed][slot], 1e-5);
            Assert.Equal(s_ids[Array.IndexOf(logits, logits.Max())], decoder.Predict(hidden));
        }
    }

    private static float[][] LogProbs(SoftmaxDecoder decoder, int count) => [.. Enumerable.Range(0, count).Select(seed =>
    {
        var output = new float[s_ids.Length];
        decoder.LogProb(Values(Hidden, 100 + seed), output);
        return output;
    })];

    private static CheckpointTensor Tensor(string name, string type) => new(name, type, [Rows, Hidden], Values(Rows * Hidden, name.Length));

    private static float[] Values(int count, int seed)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(_ => random.NextSingle() - 0.5f)];
    }

    private static SoftmaxDefinition Definition(bool hasBias = false, int hidden = Hidden) => Definition(s_ids, hidden, hasBias);

    private static SoftmaxDefinition Definition(int[] ids, int hidden, bool hasBias = false)
    {
        var lines = ids.Select((id, slot) => string.Create(CultureInfo.InvariantCulture, $"{id}\t{1_000_000 - slot}\tt{id}\n"));
        var spec = string.Create(CultureInfo.InvariantCulture, $$"""{ "hiddenSize": {{hidden}}, "vocabulary": "x.tokens", "softmax": "full", "headBias": {{(hasBias ? "true" : "false")}} }""");
        return SoftmaxDefinitionReader.Read("x.softmax.json", spec, "x.tokens", string.Concat(lines)).Definition!;
    }
}
