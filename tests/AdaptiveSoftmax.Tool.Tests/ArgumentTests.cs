namespace AdaptiveSoftmax.Tool.Tests;

/// <summary>What stands on a command line is taken as it stands there.</summary>
public sealed class ArgumentTests
{
    [Theory]
    [InlineData("count -o @ a.txt", "--output")]
    [InlineData("count -o x.tokens @", "PATH")]
    [InlineData("count --include @ -o x.tokens a.txt", "--include")]
    [InlineData("count --encoding @ -o x.tokens a.txt", "--encoding")]
    [InlineData("count --split @ -o x.tokens a.txt", "--split")]
    [InlineData("count --end-of-text @ -o x.tokens a.txt", "--end-of-text")]
    [InlineData("count --sdk-packs @ -o x.tokens", "--sdk-packs")]
    [InlineData("plan @ -H 64", "TABLE")]
    [InlineData("plan x.tokens -H 64 -o @", "--output")]
    [InlineData("drift @ --observed x.tokens", "TABLE")]
    [InlineData("drift x.tokens --observed @", "--observed")]
    [InlineData("drift x.tokens --observed x.tokens --spec @", "--spec")]
    [InlineData("inspect @", "FILE")]
    [InlineData("inspect model.pt --spec @", "--spec")]
    [InlineData("convert @ -o x.safetensors", "FILE")]
    [InlineData("convert model.pt -o @", "--output")]
    [InlineData("convert model.pt -o x.safetensors --spec @", "--spec")]
    [InlineData("export model.pt --spec x.softmax.json --onnx greedy -o @", "--output")]
    [InlineData("export model.pt --spec @ --onnx greedy -o x.onnx", "--spec")]
    [InlineData("check @", "SPEC")]
    [InlineData("adopt @ --to x.softmax.json -o x.safetensors", "MODEL")]
    [InlineData("draft x.tokens --size 8 --token-map @", "--token-map")]
    [InlineData("plan x.tokens -H 64 --report @", "--report")]
    [InlineData("evaluate @ --weights x.safetensors --spec x.softmax.json", "STATES")]
    [InlineData("adopt model.pt --to x.softmax.json -o x.safetensors --head @", "--head")]
    [InlineData("count -o x.tokens --domain @", "--domain")]
    public async Task AnEmptyName_IsAnErrorInOneLine(string line, string name)
    {
        foreach (var empty in new[] { "", " " })
        {
            using var run = new ToolRun();
            Assert.Equal(1, await run.RunAsync([.. line.Split(' ').Select(word => word == "@" ? empty : word)]));
            Assert.Contains($"{name} is empty; give a name.", run.Error, StringComparison.Ordinal);
            Assert.Single(run.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries));
        }
    }

    [Theory]
    [InlineData("count a.txt -o x.tokens --format @", "--format", "text, xmldoc, jsonl, csv, tsv or parquet")]
    [InlineData("count import a.csv -o x.tokens --from @", "--from", "or transformer-xl.")]
    [InlineData("convert model.pt -o x.pt --format @", "--format", "safetensors or pytorch")]
    [InlineData("convert model.pt -o x.pt --tail-bias @", "--tail-bias", "refuse, drop or input")]
    [InlineData("export model.pt --spec x.softmax.json -o x.onnx --onnx @", "--onnx", "greedy or log-probs")]
    [InlineData("evaluate a --weights b --spec c --quantize int8 @", "--quantize", "int4, ")]
    [InlineData("completion @", "SHELL", "bash")]
    public async Task WhatIsNoChoice_IsAnErrorInOneLine_WithTheChoices(string line, string name, string choices)
    {
        foreach (var wrong in new[] { "", "xyz", "x\ny" })
        {
            using var run = new ToolRun();
            Assert.Equal(1, await run.RunAsync([.. line.Split(' ').Select(word => word == "@" ? wrong : word)]));
            var error = Assert.Single(run.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries));
            Assert.StartsWith($"{name} is '{wrong.Replace("\n", "\\u000a", StringComparison.Ordinal)}'; give ", error, StringComparison.Ordinal);
            Assert.Contains(choices, error, StringComparison.Ordinal);
            Assert.DoesNotContain("\\u0009", error, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("0")]
    [InlineData("-3")]
    public async Task FewerThreadsThanOne_AreRefused_AsTheLibraryRefusesThem(string threads)
    {
        using var run = new ToolRun();
        run.Write("a.txt", "a");
        Assert.Equal(1, await run.RunAsync("count", run.Path("a.txt"), "--threads", threads, "-o", run.Path("x.tokens")));
        Assert.Contains($"--threads is {threads}. The number of threads must be at least 1.", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task AName_MayBeginWithAnAt()
    {
        using var run = new ToolRun();
        run.Write("@x.tokens", "0\t5\ta\n1\t4\tb\n2\t3\tc\n");
        var (code, output, error) = await ToolProcess.RunAsync(["plan", "@x.tokens", "-H", "64", "-o", "@x.softmax.json"], folder: run.Folder);
        Assert.Equal((0, ""), (code, error));
        Assert.Contains("Wrote @x.softmax.json", output, StringComparison.Ordinal);
        Assert.Equal(["@x.softmax.json", "@x.tokens"], run.Files);
    }
}
