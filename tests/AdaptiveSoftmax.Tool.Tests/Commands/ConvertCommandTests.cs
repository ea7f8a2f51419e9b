using System.Runtime.InteropServices;
using AdaptiveSoftmax.Tests.PyTorch;
using AdaptiveSoftmax.Tool.Files;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tool.Tests.Commands;

/// <summary>
/// Weights of other libraries' structure, with the log-probs that their layouts define, computed by PyTorch in float64: see
/// tests/fixtures/pytorch/layouts.py.
/// </summary>
public sealed class ConvertCommandTests
{
    [Theory]
    [InlineData("fairseq", "", 6, 3, false)]
    [InlineData("fairseq", "--from fairseq --prefix decoder.adaptive_softmax.", 6, 3, false)]
    [InlineData("fairseq-tied", "", 6, 3, false)]
    [InlineData("fairseq-tied-projections", "", 4, 2, false)]
    [InlineData("fairseq-tied-square", "", 12, 12, false)]
    [InlineData("transformer-xl", "--from transformer-xl", 4, 2, true)]
    [InlineData("transfo-xl", "--from transfo-xl --prefix crit.", 5, 2, true)]
    [InlineData("transformer-xl-div-1", "--from transformer-xl --cutoffs 8,20", 8, 8, true)]
    public async Task ConvertedWeights_GiveTheLogProbsOfTheirOwnLayout(string name, string options, int width0, int width1, bool headBias)
    {
        using var run = new ToolRun();
        await ConvertAsync(run, name, options);
        AssertLogProbs(run.Path("out.safetensors"), name, SoftmaxLayout.Create(12, 40, [8, 20], [width0, width1], headBias));
    }

    [Theory]
    [InlineData("transformer-xl-biased", 12, "", 4, 2)]
    [InlineData("transformer-xl-unprojected", 8, "--cutoffs 8,20", 8, 8)]
    public async Task BiasesOfTails_AreKeptExactlyAsAnInputOfOne(string name, int hidden, string options, int width0, int width1)
    {
        using var run = new ToolRun();
        await ConvertAsync(run, name, $"--from transformer-xl --tail-bias input {options}");
        Assert.Contains($"grows by one to {hidden + 1}", run.Output, StringComparison.Ordinal);
        AssertLogProbs(run.Path("out.safetensors"), name, SoftmaxLayout.Create(hidden + 1, 40, [8, 20], [width0 + 1, width1 + 1], hasHeadBias: true), appended: 1);
    }

    [Theory]
    [InlineData("transformer-xl", "--from transformer-xl", false)]
    [InlineData("transformer-xl", "--from transformer-xl", true)]
    [InlineData("transfo-xl", "--from transfo-xl", false)]
    [InlineData("transformer-xl-div-1", "--from transformer-xl --cutoffs 8,20", true)]
    [InlineData("transformer-xl-unprojected", "--from transformer-xl --cutoffs 8,20", false)]
    public async Task TiedMatrices_AreReadUnderTheEmbeddingsNames(string name, string options, bool keepsFirstProjection)
    {
        using var run = new ToolRun();
        var parameters = new List<Parameter>();
        using (var file = WeightsFile.Open(Layout(name)))
        {
            foreach (var tensor in file.Tensors.Where(tensor => tensor.Type == "F32"))
            {
                var own = tensor.Name[(tensor.Name.IndexOf("crit.", StringComparison.Ordinal) + 5)..];
                var tied = own.StartsWith("out_projs.", StringComparison.Ordinal) ? $"transformer.word_emb.{own.Replace("out_projs", "emb_projs", StringComparison.Ordinal)}"
                    : own.StartsWith("out_layers.", StringComparison.Ordinal) && own.EndsWith("weight", StringComparison.Ordinal) ? $"transformer.word_emb.{own.Replace("out_layers", "emb_layers", StringComparison.Ordinal)}"
                    : $"crit.{own}";
                var isFirst = own == "out_projs.0";

                // With one matrix there is one projection to share, so that of each cluster is its own.
                if (isFirst && keepsFirstProjection || own.StartsWith("out_projs.", StringComparison.Ordinal) && name.EndsWith("div-1", StringComparison.Ordinal)) tied = $"crit.{own}";
                var parameter = tensor.Shape.Count == 1 ? Parameter.CreateVector(tied, (int)tensor.Shape[0]) : new Parameter(tied, (int)tensor.Shape[0], (int)tensor.Shape[1]);
                file.Read(tensor, parameter);
                parameters.Add(parameter);
            }
        }

        SafetensorsWriter.Write(run.Path("tied.safetensors"), parameters);
        foreach (var parameter in parameters) parameter.Dispose();
        Assert.Equal(0, await run.RunAsync(["convert", Layout(name), "--tail-bias", "drop", .. options.Split(' '), "-o", run.Path("own.safetensors")]));
        Assert.Equal(0, await run.RunAsync(["convert", run.Path("tied.safetensors"), "--tail-bias", "drop", .. options.Split(' '), "-o", run.Path("tied-out.safetensors")]));
        Assert.Equal(File.ReadAllBytes(run.Path("own.safetensors")), File.ReadAllBytes(run.Path("tied-out.safetensors")));
        Assert.Equal(0, await run.RunAsync("inspect", run.Path("tied.safetensors")));
        Assert.Contains("Transformer-XL's ProjectedAdaptiveLogSoftmax, prefix 'crit.'", run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task BiasesOfTails_AreRefusedOrLeftOutWithTheSizeOfWhatThatChanges()
    {
        const string Name = "transformer-xl-biased";
        using var run = new ToolRun();
        Assert.Equal(1, await run.RunAsync(["convert", Layout(Name), "--from", "transformer-xl", "-o", run.Path("out.safetensors")]));
        Assert.Contains("'crit.out_layers.1.bias' gives the tokens of tail cluster 0 biases from ", run.Error, StringComparison.Ordinal);
        Assert.Empty(run.Files);

        await ConvertAsync(run, Name, "--from transformer-xl --tail-bias drop");
        var stated = run.Output.Split("log-probs by up to ")[1..].Select(part => double.Parse(part.Split(' ', '\n')[0].TrimEnd('.'), System.Globalization.CultureInfo.InvariantCulture)).ToArray();
        var (expected, actual, vocabulary) = LogProbs(run.Path("out.safetensors"), Name, SoftmaxLayout.Create(12, 40, [8, 20], [4, 2], hasHeadBias: true), appended: 0);
        var changes = new double[2];
        for (var i = 0; i < expected.Length; i++)
        {
            var (slot, change) = (i % vocabulary, Math.Abs(expected[i] - actual[i]));
            if (slot < 8) Assert.Equal(expected[i], actual[i], 2e-5);
            else changes[slot < 20 ? 0 : 1] = Math.Max(changes[slot < 20 ? 0 : 1], change);
        }

        Assert.InRange(changes[0], stated[0] / 10, stated[0]);
        Assert.InRange(changes[1], stated[1] / 10, stated[1]);
    }

    [Fact]
    public async Task OrderOfTransformerXlsRows_MustBeSaid()
    {
        using var run = new ToolRun();
        Assert.Equal(1, await run.RunAsync("convert", Layout("transformer-xl"), "-o", run.Path("out.safetensors")));
        Assert.Contains("--from transformer-xl", run.Error, StringComparison.Ordinal);
        Assert.Contains("--from transfo-xl", run.Error, StringComparison.Ordinal);

        // Said wrongly, the clusters are exchanged, and the test above would see it.
        await ConvertAsync(run, "transformer-xl", "--from transfo-xl");
        var (expected, actual, _) = LogProbs(run.Path("out.safetensors"), "transformer-xl", SoftmaxLayout.Create(12, 40, [8, 20], [4, 2], hasHeadBias: true), appended: 0);
        Assert.Contains(expected.Zip(actual), pair => Math.Abs(pair.First - pair.Second) > 0.1);
    }

    [Fact]
    public async Task Spec_MarksTheWeights_AndGivesCutoffsAndBias()
    {
        using var run = new ToolRun();
        var spec = WriteSpec(run, hidden: 12, "[8, 8]", headBias: true);
        await ConvertAsync(run, "transformer-xl-div-1", $"--from transformer-xl --spec {spec}");
        var definition = SpecFile.Read(spec, TestContext.Current.CancellationToken);
        using (var file = WeightsFile.Open(run.Path("out.safetensors"))) Assert.Contains(definition.Fingerprint, file.Metadata["adaptive_softmax"], StringComparison.Ordinal);
        Assert.Contains(definition.Fingerprint, run.Output, StringComparison.Ordinal);

        var unbiased = WriteSpec(run, hidden: 12, "[8, 8]", headBias: false);
        Assert.Equal(1, await run.RunAsync("convert", Layout("transformer-xl-div-1"), "--from", "transformer-xl", "--spec", unbiased, "-o", run.Path("out.safetensors")));
        Assert.Contains("\"headBias\": true", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task SpecOfOtherSizes_IsRefusedWithAllDifferences_AndNothingIsWritten()
    {
        using var run = new ToolRun();
        var spec = WriteSpec(run, hidden: 16, "[6, 2]", headBias: true);
        Assert.Equal(1, await run.RunAsync("convert", Layout("fairseq"), "--spec", spec, "-o", run.Path("out.safetensors")));
        Assert.Contains("hidden size: 12 in the file, 16 in the spec", run.Error, StringComparison.Ordinal);
        Assert.Contains("projections: [6, 3] in the file, [6, 2] in the spec", run.Error, StringComparison.Ordinal);
        Assert.Contains("head bias: absent in the file, present in the spec", run.Error, StringComparison.Ordinal);
        Assert.Equal(["x.softmax.json"], run.Files);
    }

    [Fact]
    public async Task PyTorchsWeights_KeepEveryBitInEitherFormat_UnderAnotherPrefix_AndTheirFingerprint()
    {
        using var run = new ToolRun();
        var fixture = Fixture.Find("two-cutoffs-bias");
        var spec = WriteSpec(run, hidden: 12, "[6, 3]", headBias: true);
        Assert.Equal(0, await run.RunAsync("convert", fixture.WeightsFile, "--spec", spec, "--format", "pytorch", "--output-prefix", "decoder.softmax.", "-o", run.Path("a.pt")));
        // The mark stays without a spec, and is compared with one.
        Assert.Equal(0, await run.RunAsync("convert", run.Path("a.pt"), "-o", run.Path("b.safetensors")));
        Assert.Equal(0, await run.RunAsync("convert", run.Path("b.safetensors"), "--spec", spec, "-o", run.Path("c.safetensors")));
        Assert.Equal(File.ReadAllBytes(run.Path("b.safetensors")), File.ReadAllBytes(run.Path("c.safetensors")));
        using (var file = WeightsFile.Open(run.Path("a.pt"))) Assert.All(file.Tensors, tensor => Assert.StartsWith("decoder.softmax.", tensor.Name, StringComparison.Ordinal));

        using var source = new DynamicAdaptiveSoftmax(fixture.Layout, seed: 1);
        source.Restore(fixture.WeightsFile, acceptUnmarked: true);
        using var converted = WeightsFile.Open(run.Path("b.safetensors"));
        foreach (var parameter in source.Parameters)
        {
            Assert.True(converted.TryGetTensor(parameter.Name, out var tensor));
            var values = new float[tensor.Count];
            converted.Read(tensor, values);
            Assert.True(MemoryMarshal.AsBytes(parameter.Values).SequenceEqual(MemoryMarshal.AsBytes(values.AsSpan())), parameter.Name);
        }

        run.Write("other.softmax.json", File.ReadAllText(spec).Replace("\"t39\"", "\"u39\"", StringComparison.Ordinal));
        Assert.Equal(1, await run.RunAsync("convert", run.Path("b.safetensors"), "--spec", run.Path("other.softmax.json"), "-o", run.Path("d.safetensors")));
        Assert.Contains("vocabulary (ids or tokens, by slot)", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task FairseqsFirstLayout_IsRefused()
    {
        // Without the buffer that fairseq added when it moved the clusters' rows.
        using var run = new ToolRun();
        using (var file = WeightsFile.Open(Layout("fairseq")))
        {
            var parameters = file.Tensors.Where(tensor => !tensor.Name.EndsWith("version", StringComparison.Ordinal)).Select(tensor =>
            {
                var parameter = new Parameter(tensor.Name, (int)tensor.Shape[0], (int)tensor.Shape[1]);
                file.Read(tensor, parameter);
                return parameter;
            }).ToArray();
            PyTorchWriter.Write(run.Path("old.pt"), parameters);
            foreach (var parameter in parameters) parameter.Dispose();
        }

        Assert.Equal(1, await run.RunAsync("convert", run.Path("old.pt"), "-o", run.Path("out.safetensors")));
        Assert.Contains("'decoder.adaptive_softmax.version'", run.Error, StringComparison.Ordinal);
        Assert.Equal(["old.pt"], run.Files);
    }

    [Fact]
    public async Task ShapesThatDoNotFitTogether_NameTheTensor()
    {
        using var run = new ToolRun();
        using var head = new Parameter("head.weight", 9, 12);
        using var projection = new Parameter("tail.0.0.weight", 3, 11);
        using var output = new Parameter("tail.0.1.weight", 20, 3);
        SafetensorsWriter.Write(run.Path("a.safetensors"), [head, projection, output]);
        Assert.Equal(1, await run.RunAsync("convert", run.Path("a.safetensors"), "-o", run.Path("out.safetensors")));
        Assert.Contains("'tail.0.0.weight' is [3, 11], and [3, 12] follows", run.Error, StringComparison.Ordinal);

        using var few = new Parameter("head.weight", 1, 12);
        SafetensorsWriter.Write(run.Path("a.safetensors"), [few, projection, output]);
        Assert.Equal(1, await run.RunAsync("convert", run.Path("a.safetensors"), "-o", run.Path("out.safetensors")));
        Assert.Contains("'head.weight' has 1 rows", run.Error, StringComparison.Ordinal);

        SafetensorsWriter.Write(run.Path("a.safetensors"), [head, output]);
        Assert.Equal(1, await run.RunAsync("convert", run.Path("a.safetensors"), "-o", run.Path("out.safetensors")));
        Assert.Contains("'tail.0.0.weight' is missing", run.Error, StringComparison.Ordinal);
        Assert.Equal(["a.safetensors"], run.Files);
    }

    [Theory]
    [InlineData("files/lightning.pt", "--from fairseq", "no adaptive softmax of fairseq; it has")]
    [InlineData("files/lightning.pt", "--prefix decoder.", "has no adaptive softmax at 'decoder.'; it has 'state_dict.model.softmax.'")]
    [InlineData("files/float64.pt", "", "none of its 1 tensors")]
    [InlineData("files/module.pt", "", "AdaptiveLogSoftmaxWithLoss")]
    [InlineData("files/nothing.pt", "", "nothing.pt")]
    [InlineData("layouts/transformer-xl-div-1.pt", "--from transformer-xl", "give --cutoffs or --spec")]
    [InlineData("layouts/transformer-xl-div-1.pt", "--from transformer-xl --cutoffs 8", "has 2 tail clusters, and 1 cutoffs")]
    [InlineData("layouts/transformer-xl-div-1.pt", "--from transformer-xl --cutoffs 20,8", "Cutoff 1 is 8")]
    [InlineData("layouts/transformer-xl-div-1.pt", "--from transformer-xl --cutoffs x", "--cutoffs is x")]
    [InlineData("layouts/fairseq.pt", "--from keras", "keras")]
    public async Task WhatCannotBeConverted_SaysWhy(string file, string options, string expected)
    {
        using var run = new ToolRun();
        Assert.Equal(1, await run.RunAsync([.. new[] { "convert", Fixture.GetPath(file), "-o", run.Path("out.safetensors") }, .. options.Split(' ', StringSplitOptions.RemoveEmptyEntries)]));
        Assert.Contains(expected, run.Error, StringComparison.Ordinal);
        Assert.Empty(run.Files);
    }

    [Fact]
    public async Task SeveralInOneFile_NeedAPrefix()
    {
        using var run = new ToolRun();
        using var layer = new DynamicAdaptiveSoftmax(SoftmaxLayout.Create(4, 6, [3]));
        using var a = new Parameter("a.head.weight", 4, 4);
        var parameters = new List<Parameter> { a };
        foreach (var name in new[] { "b.", "c." }) parameters.AddRange(layer.Parameters.Select(parameter => new Parameter(name + parameter.Name, parameter.Rows, parameter.Columns)));
        SafetensorsWriter.Write(run.Path("two.safetensors"), parameters);
        foreach (var parameter in parameters) parameter.Dispose();
        Assert.Equal(1, await run.RunAsync("convert", run.Path("two.safetensors"), "-o", run.Path("out.safetensors")));
        Assert.Contains("2 adaptive softmaxes, at 'b.'", run.Error, StringComparison.Ordinal);
        Assert.Equal(0, await run.RunAsync("convert", run.Path("two.safetensors"), "--prefix", "c.", "-o", run.Path("out.safetensors")));
    }

    [Fact]
    public async Task Cancellation_LeavesNoFile()
    {
        using var run = new ToolRun();
        Assert.Equal(130, await run.RunAsync(new CancellationToken(canceled: true), "convert", Layout("fairseq"), "-o", run.Path("out.safetensors")));
        Assert.Empty(run.Files);
    }

    internal static string WriteSpec(ToolRun run, int hidden, string projections, bool headBias) => run.Write(
        "x.softmax.json",
        $$"""{"hiddenSize": {{hidden}}, "vocabulary": [{{string.Join(", ", Enumerable.Range(0, 40).Select(slot => $"\"t{slot}\""))}}], "cutoffs": [8, 20], "projections": {{projections}}, "headBias": {{(headBias ? "true" : "false")}}}""");

    private static string Layout(string name) => Fixture.GetPath($"layouts/{name}.pt");

    private static async Task ConvertAsync(ToolRun run, string name, string options)
    {
        var code = await run.RunAsync([.. new[] { "convert", Layout(name), "-o", run.Path("out.safetensors") }, .. options.Split(' ', StringSplitOptions.RemoveEmptyEntries)]);
        Assert.True(code == 0, run.Error);
    }

    private static void AssertLogProbs(string file, string name, SoftmaxLayout layout, int appended = 0)
    {
        var (expected, actual, _) = LogProbs(file, name, layout, appended);
        for (var i = 0; i < expected.Length; i++) Assert.Equal(expected[i], actual[i], 3e-5);
    }

    private static (double[] Expected, float[] Actual, int Vocabulary) LogProbs(string file, string name, SoftmaxLayout layout, int appended)
    {
        using var layer = new DynamicAdaptiveSoftmax(layout, seed: 9);
        layer.Restore(file, acceptUnmarked: true);
        var arrays = Fixture.ReadArrays(Fixture.GetPath($"layouts/{name}.safetensors"));
        var hidden = arrays["input"].Values.Chunk((int)arrays["input"].Shape[1]).SelectMany(row => row.Select(value => (float)value).Concat(Enumerable.Repeat(1f, appended))).ToArray();
        var actual = new float[arrays["log_prob"].Values.Length];
        layer.LogProb(hidden, actual);
        return (arrays["log_prob"].Values, actual, layout.VocabularySize);
    }
}
