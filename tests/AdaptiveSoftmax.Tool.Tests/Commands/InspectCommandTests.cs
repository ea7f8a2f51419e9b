using AdaptiveSoftmax.Tests.PyTorch;
using AdaptiveSoftmax.Tool.Files;

namespace AdaptiveSoftmax.Tool.Tests.Commands;

public sealed class InspectCommandTests
{
    [Theory]
    [InlineData("two-cutoffs-bias.pt", "Format: PyTorch")]
    [InlineData("two-cutoffs-bias.pt", "tail.1.1.weight | F32  | [20, 3]")]
    [InlineData("two-cutoffs-bias.pt", "PyTorch's AdaptiveLogSoftmaxWithLoss, prefix ''")]
    [InlineData("two-cutoffs-bias.pt", "hidden size 12, vocabulary 40, cutoffs 8, 20, projections 6, 3, a head bias")]
    [InlineData("two-cutoffs-bias.pt", "Fingerprint: none")]
    [InlineData("double.pt", "| F64")]
    [InlineData("double.safetensors", "Format: safetensors")]
    [InlineData("files/float64.pt", "none is known by the names")]
    [InlineData("files/lightning.pt", "prefix 'state_dict.model.softmax.'")]
    [InlineData("layouts/fairseq.pt", "fairseq's AdaptiveSoftmax, prefix 'decoder.adaptive_softmax.'")]
    [InlineData("layouts/fairseq-tied.pt", "fairseq's AdaptiveSoftmax, with a tied head")]
    [InlineData("layouts/fairseq-tied.pt", "hidden size 12, vocabulary 40, cutoffs 8, 20, projections 6, 3, no head bias")]
    [InlineData("layouts/transformer-xl.pt", "Transformer-XL's ProjectedAdaptiveLogSoftmax, prefix 'crit.'")]
    [InlineData("layouts/transformer-xl.pt", "cutoffs 8, 20, projections 4, 2, a head bias")]
    [InlineData("layouts/transformer-xl-div-1.pt", "give --cutoffs or --spec")]
    [InlineData("files/passed-over.pt", "prefix 'model.'")]
    [InlineData("files/passed-over.pt", "| sparse (unknown)")]
    public async Task File_IsDescribed(string file, string expected)
    {
        using var run = new ToolRun();
        Assert.Equal(0, await run.RunAsync("inspect", Fixture.GetPath(file)));
        Assert.Contains(expected, run.Output, StringComparison.Ordinal);
        Assert.Empty(run.Error);
    }

    [Fact]
    public async Task Spec_IsComparedBySizesAndByFingerprint()
    {
        using var run = new ToolRun();
        var weights = Fixture.GetPath("two-cutoffs-bias.pt");
        var spec = ConvertCommandTests.WriteSpec(run, hidden: 12, "[6, 3]", headBias: true);
        Assert.Equal(0, await run.RunAsync("inspect", weights, "--spec", spec));
        Assert.Contains($"Has the sizes of {spec}; nothing says", run.Output, StringComparison.Ordinal);

        Assert.Equal(0, await run.RunAsync("convert", weights, "--spec", spec, "-o", run.Path("marked.pt"), "--format", "pytorch"));
        Assert.Equal(0, await run.RunAsync("inspect", run.Path("marked.pt"), "--spec", spec));
        Assert.Contains($"Fits {spec}, of the same fingerprint", run.Output, StringComparison.Ordinal);
        Assert.Contains($"Fingerprint: {SpecFile.Read(spec, TestContext.Current.CancellationToken).Fingerprint}", run.Output, StringComparison.Ordinal);

        var other = run.Write("other.softmax.json", File.ReadAllText(spec).Replace("\"t39\"", "\"u39\"", StringComparison.Ordinal));
        Assert.Equal(1, await run.RunAsync("inspect", run.Path("marked.pt"), "--spec", other));
        Assert.Contains("vocabulary (ids or tokens, by slot)", run.Output, StringComparison.Ordinal);

        var narrower = ConvertCommandTests.WriteSpec(run, hidden: 12, "[6, 2]", headBias: true);
        Assert.Equal(1, await run.RunAsync("inspect", weights, "--spec", narrower));
        Assert.Contains("projections: [6, 3] in the file, [6, 2] in the spec", run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task SpecWithATable_IsReadFromItsFolder()
    {
        using var run = new ToolRun();
        run.Write("specs/x.tokens", string.Concat(Enumerable.Range(0, 40).Select(slot => $"{slot}\t{100 - slot}\tt{slot}\n")));
        run.Write("specs/x.softmax.json", """{"hiddenSize": 12, "vocabulary": "x.tokens", "cutoffs": [8, 20], "divValue": 2, "headBias": true}""");
        Assert.Equal(0, await run.RunAsync("inspect", Fixture.GetPath("two-cutoffs-bias.pt"), "--spec", run.Path("specs/x.softmax.json")));
        File.Delete(run.Path("specs/x.tokens"));
        Assert.Equal(1, await run.RunAsync("inspect", Fixture.GetPath("two-cutoffs-bias.pt"), "--spec", run.Path("specs/x.softmax.json")));
        Assert.Contains("x.tokens", run.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("model.language_model.lm_head.weight", "untied; 64 rows of 12, F32, no bias, prefix 'model.language_model.'")]
    [InlineData("transformer.wte.weight", "tied to the embeddings, since there is no output layer of its own; 64 rows of 12")]
    public async Task DenseHead_IsDescribed_AndComparedWithASpec(string name, string expected)
    {
        using var run = new ToolRun();
        using (var head = new Parameter(name, 64, 12)) SafetensorsWriter.Write(run.Path("model.safetensors"), [head]);
        Assert.Equal(0, await run.RunAsync("inspect", run.Folder));
        Assert.Contains($"Dense head: '{name}', {expected}", run.Output, StringComparison.Ordinal);
        Assert.Contains("\"softmax\": \"full\", \"hiddenSize\": 12", run.Output, StringComparison.Ordinal);

        run.Write("config.json", """{ "final_logit_softcapping": 30.0 }""");
        Assert.Equal(0, await run.RunAsync("inspect", run.Folder));
        Assert.Contains("\"hiddenSize\": 12, \"logitSoftCap\": 30, and the vocabulary", run.Output, StringComparison.Ordinal);
        File.Delete(run.Path("config.json"));

        foreach (var (count, hidden, code, says) in new[] { (40, 12, 0, "a row for each of its 40 tokens; 24 rows more are no token's and are never chosen"), (64, 12, 0, "no row is left over"), (65, 12, 1, "has 64 rows, which are token ids, and 1 of the vocabulary's 65 tokens have larger ids, up to 64"), (40, 16, 1, "hidden size: 12 of") })
        {
            run.Write("x.tokens", string.Concat(Enumerable.Range(0, count).Select(slot => $"{slot}\t{100 - slot}\tt{slot}\n")));
            run.Write("x.softmax.json", $$"""{"hiddenSize": {{hidden}}, "vocabulary": "x.tokens", "softmax": "full"}""");
            Assert.Equal(code, await run.RunAsync("inspect", run.Path("model.safetensors"), "--spec", run.Path("x.softmax.json")));
            Assert.Contains(says, run.Output, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task NameWithAnEscape_DoesNotReachTheTerminal()
    {
        using var run = new ToolRun();
        using var parameter = new Parameter("a\u001b[31m[red]x", 1, 1);
        SafetensorsWriter.Write(run.Path("a.safetensors"), [parameter]);
        Assert.Equal(0, await run.RunAsync("inspect", run.Path("a.safetensors")));
        Assert.Contains("a\\u001b[31m[red]x", run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task PrefixWithAnEscape_DoesNotReachTheTerminal()
    {
        using var run = new ToolRun();
        using var head = new Parameter("\u001b[2J.head.weight", 4, 2);
        using var projection = new Parameter("\u001b[2J.tail.0.0.weight", 1, 2);
        using var output = new Parameter("\u001b[2J.tail.0.1.weight", 2, 1);
        SafetensorsWriter.Write(run.Path("a.safetensors"), [head, projection, output]);
        Assert.Equal(0, await run.RunAsync("inspect", run.Path("a.safetensors")));
        Assert.Contains("prefix '\\u001b[2J.'", run.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("\u001b[2J", run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task IndexAndFolder_AreInspectedAndConvertedAsOneFile()
    {
        using var run = new ToolRun();
        using (var layer = new DynamicAdaptiveSoftmax(Vocabulary.SoftmaxLayout.Create(4, 6, [3], hasHeadBias: false), seed: 1))
        {
            SafetensorsWriter.Write(run.Path("1.safetensors"), [layer.Parameters[0]]);
            SafetensorsWriter.Write(run.Path("2.safetensors"), layer.Parameters.Skip(1));
        }

        var index = run.Write("model.safetensors.index.json", """{"weight_map":{"head.weight":"1.safetensors","tail.0.0.weight":"2.safetensors","tail.0.1.weight":"2.safetensors"}}""");
        Assert.Equal(0, await run.RunAsync("inspect", index));
        Assert.Contains("PyTorch's AdaptiveLogSoftmaxWithLoss, prefix ''", run.Output, StringComparison.Ordinal);
        Assert.Contains("in 2 files", run.Output, StringComparison.Ordinal);
        Assert.Equal(0, await run.RunAsync("convert", Path.GetDirectoryName(index)!, "-o", run.Path("one.pt")));
    }

    [Theory]
    [InlineData(WeightsFormat.Safetensors)]
    [InlineData(WeightsFormat.PyTorch)]
    public async Task ValuesThatAreNotFinite_AreCountedByTensor(WeightsFormat format)
    {
        using var run = new ToolRun();
        float[] some = [1, float.NaN, -float.NaN, float.PositiveInfinity, float.NegativeInfinity, 2];
        using var bad = FromFile(run, "bad", some);
        using var good = FromFile(run, "good", [0, -0f, float.MaxValue, float.Epsilon]);
        if (format == WeightsFormat.PyTorch) PyTorchWriter.Write(run.Path("a"), [bad, good]);
        else SafetensorsWriter.Write(run.Path("a"), [bad, good]);
        Assert.Equal(0, await run.RunAsync("inspect", run.Path("a")));
        Assert.Contains("Not finite: 'bad' holds 2 NaN and 2 infinite of 6 values.", run.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("'good' holds", run.Output, StringComparison.Ordinal);

        SafetensorsWriter.Write(run.Path("b"), [good]);
        Assert.Equal(0, await run.RunAsync("inspect", run.Path("b"), "--values"));
        Assert.Contains("All floating-point values are finite.", run.Output, StringComparison.Ordinal);
    }

    // By way of a file, which holds every bit as it is.
    private static Parameter FromFile(ToolRun run, string name, float[] values)
    {
        var header = $"{{\"{name}\":{{\"dtype\":\"F32\",\"shape\":[{values.Length}],\"data_offsets\":[0,{4 * values.Length}]}}}}";
        File.WriteAllBytes(run.Path(name), [.. BitConverter.GetBytes((long)header.Length), .. System.Text.Encoding.ASCII.GetBytes(header), .. System.Runtime.InteropServices.MemoryMarshal.AsBytes<float>(values)]);
        using var file = WeightsFile.Open(run.Path(name));
        var parameter = Parameter.CreateVector(name, values.Length);
        file.Read(file.Tensors[0], parameter);
        return parameter;
    }

    [Fact]
    public async Task DamagedFile_IsAnErrorOfOneLine()
    {
        using var run = new ToolRun();
        File.WriteAllBytes(run.Path("cut.pt"), File.ReadAllBytes(Fixture.GetPath("double.pt"))[..900]);
        Assert.Equal(1, await run.RunAsync("inspect", run.Path("cut.pt")));
        Assert.Contains("not a sound zip file", run.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{ \"hiddenSize\": 64, \"vocabulary\": \"x.tokens\", \"cutoffs\": [2] }", "is a spec, not a file of weights")]
    [InlineData("0\t5\ta\n1\t4\tb\n", "is a token table")]
    [InlineData("IQ== 0\nIg== 1\n", "is a tokenizer's rank file")]
    [InlineData("{ \"architectures\": [] }", "is JSON")]
    [InlineData("<!DOCTYPE html><html>", "is a web page")]
    [InlineData("version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "is a pointer of Git LFS, without the content")]
    [InlineData("Some notes.", "is plain text")]
    [InlineData("", "is an empty file")]
    public async Task WhatIsNoWeights_IsToldWhatItIs(string content, string expected)
    {
        using var run = new ToolRun();
        run.Write("x", content);
        foreach (var arguments in new string[][] { ["inspect", run.Path("x")], ["convert", run.Path("x"), "-o", run.Path("y.safetensors")] })
        {
            Assert.Equal(1, await run.RunAsync(arguments));
            Assert.StartsWith($"error: {run.Path("x")} {expected}", run.Error, StringComparison.Ordinal);
            Assert.Single(run.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries));
        }
    }
}
