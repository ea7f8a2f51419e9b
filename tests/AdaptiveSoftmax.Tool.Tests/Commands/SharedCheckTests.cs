using System.Text;

namespace AdaptiveSoftmax.Tool.Tests.Commands;

/// <summary>What <c>inspect</c> says fits, <c>convert</c> takes, and the other way round.</summary>
public sealed class SharedCheckTests
{
    // Of hidden size 4, 6 tokens, cutoffs 2 and 4, widths 2 and 1.
    private const string Whole = "head.weight F32 4,4;tail.0.0.weight F32 2,4;tail.0.1.weight F32 2,2;tail.1.0.weight F32 1,4;tail.1.1.weight F32 2,1";
    private const string Fairseq = "head.weight F32 4,4;tail.0.0.weight F32 2,4;tail.0.2.weight F32 2,2;tail.1.0.weight F32 1,4;tail.1.2.weight F32 2,1;version I64 1";
    private const string Xl = "cluster_weight F32 2,4;cluster_bias F32 2;out_layers.0.weight F32 2,4;out_layers.0.bias F32 2;out_layers.1.weight F32 2,2;out_layers.1.bias F32 2;out_layers.2.weight F32 2,1;out_layers.2.bias F32 2;out_projs.0 F32 4,4;out_projs.1 F32 4,2;out_projs.2 F32 4,1";

    [Theory]
    [InlineData(Whole, "", "", null)]
    [InlineData(Whole, "head.weight F32 4,4", "head.weight BF16 4,4", null)]
    [InlineData(Whole, "tail.0.0.weight F32 2,4;", "", "'tail.0.0.weight' is missing")]
    [InlineData(Whole, "tail.1.0.weight F32 1,4;", "", "'tail.1.0.weight' is missing")]
    [InlineData(Whole, "tail.0.0.weight F32", "tail.0.0.weight I64", "'tail.0.0.weight' is of type I64; only F32")]
    [InlineData(Whole, "tail.1.1.weight F32", "tail.1.1.weight F8_E4M3", "'tail.1.1.weight' is of type F8_E4M3")]
    [InlineData(Whole, "head.weight F32", "head.weight I32", "'head.weight' is of type I32")]
    [InlineData(Whole, "tail.0.0", "head.bias F32 4,1;tail.0.0", "'head.bias' is [4, 1], and [4] follows")]
    [InlineData(Whole, "tail.0.0", "tail.0.1.bias F32 2;tail.0.0", "'tail.0.1.bias' is a bias in a tail cluster")]
    [InlineData(Whole, "tail.1.0", "tail.0.0.bias F32 2;tail.1.0", "'tail.0.0.bias' is a bias in a tail cluster")]
    [InlineData(Whole, "tail.1.", "tail.2.", "is there, and those of clusters before it are missing")]
    [InlineData(Whole, "tail.1.1.weight F32 2,1", "tail.2.0.weight F32 1,4", "missing")]
    [InlineData(Whole, "tail.1.0", "head.scale F32 2;tail.1.0", "'head.scale' is no tensor of PyTorch's AdaptiveLogSoftmaxWithLoss")]
    [InlineData(Fairseq, "", "", null)]
    [InlineData(Fairseq, "tail.0.0.weight F32 2,4", "tail.0.0.weight F32 4,2", null)]
    [InlineData(Fairseq, "tail.1.0.weight F32 1,4;", "", "'tail.1.0.weight' is missing")]
    [InlineData(Fairseq, ";version I64 1", "", "there is no tensor 'version'")]
    [InlineData(Fairseq, "tail.1.0.weight F32 1,4", "tail.1.0.weight F32 1,5", "'tail.1.0.weight' is [1, 5], and [1, 4] or [4, 1] follows")]
    [InlineData(Fairseq, "tail.1.", "tail.3.", "those of clusters before it are missing")]
    [InlineData(Fairseq, "tail.1.2.weight F32", "tail.1.2.weight U8", "'tail.1.2.weight' is of type U8")]
    [InlineData(Xl, "", "", null)]
    [InlineData(Xl, "out_layers.1.bias F32 2;", "", "'out_layers.1.bias' is missing")]
    [InlineData(Xl, "out_layers.1.weight F32 2,2;", "", "'out_layers.1.weight' is missing")]
    [InlineData(Xl, "out_projs.2 F32 4,1", "out_projs.2 F32 1,4", "'out_projs.2' is [1, 4], and [4, 1] follows")]
    [InlineData(Xl, "cluster_bias F32 2", "cluster_bias F32 3", "'cluster_bias' is [3], and [2] follows")]
    [InlineData(Xl, "out_layers.2.bias F32 2", "out_layers.2.bias F32 2;out_layers.3.bias F32 2", "'out_layers.3.bias' is no tensor of Transformer-XL's")]
    [InlineData(Xl, "cluster_weight F32 2,4", "cluster_weight F32 2,3", "'cluster_weight' is [2, 3], and [2, 4] follows")]
    public async Task BothCommands_SayTheSame(string tensors, string from, string to, string? fault)
    {
        using var run = new ToolRun();
        Write(run.Path("a.safetensors"), from.Length > 0 ? tensors.Replace(from, to, StringComparison.Ordinal) : tensors);
        var isXl = tensors == Xl;
        var spec = run.Write("x.softmax.json", $$"""{ "hiddenSize": 4, "vocabulary": ["a", "b", "c", "d", "e", "f"], "cutoffs": [2, 4], "projections": [2, 1], "headBias": {{(isXl ? "true" : "false")}} }""");

        var inspected = await run.RunAsync("inspect", run.Path("a.safetensors"), "--spec", spec);
        if (fault is null) Assert.Contains("Has the sizes of", run.Output, StringComparison.Ordinal);
        else Assert.Contains(fault, run.Output, StringComparison.Ordinal);
        Assert.Equal(fault is null ? 0 : 1, inspected);
        Assert.Equal(inspected, await run.RunAsync(["convert", run.Path("a.safetensors"), "--spec", spec, "--from", isXl ? "transfo-xl" : tensors == Fairseq ? "fairseq" : "pytorch", "-o", run.Path("out.safetensors")]));
        if (fault is not null) Assert.Contains(fault, run.Error, StringComparison.Ordinal);
        Assert.Equal(fault is null, File.Exists(run.Path("out.safetensors")));
    }

    [Fact]
    public async Task BiasesOfTails_AreLeftOutOnRequestAlone()
    {
        using var run = new ToolRun();
        Write(run.Path("a.safetensors"), $"{Whole};tail.0.1.bias F32 2");
        Assert.Equal(0, await run.RunAsync("convert", run.Path("a.safetensors"), "--tail-bias", "drop", "-o", run.Path("out.safetensors")));
        Assert.Contains("'tail.0.1.bias' is left out", run.Output, StringComparison.Ordinal);
        Assert.Equal(1, await run.RunAsync("convert", run.Path("a.safetensors"), "--tail-bias", "input", "-o", run.Path("other.safetensors")));
    }

    [Theory]
    [InlineData("2,4", null)]
    [InlineData("2,3", "--cutoffs is 2,3, and the tensors of")]
    [InlineData("2", "have 2,4; leave --cutoffs out")]
    [InlineData("", "--cutoffs is empty; give numbers with commas between them, such as 20000,40000.")]
    public async Task Cutoffs_MustBeTheFiles(string cutoffs, string? fault)
    {
        using var run = new ToolRun();
        Write(run.Path("a.safetensors"), Whole);
        Assert.Equal(fault is null ? 0 : 1, await run.RunAsync("convert", run.Path("a.safetensors"), "--cutoffs", cutoffs, "-o", run.Path("out.safetensors")));
        if (fault is not null) Assert.Contains(fault, run.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("safetensors")]
    [InlineData("pytorch")]
    public async Task AnOutputPrefix_IsAsLongAsCanBeReadAgain(string format)
    {
        using var run = new ToolRun();
        Write(run.Path("a.safetensors"), Whole);
        var longest = new string('p', 1024 - "tail.0.0.weight".Length);
        Assert.Equal(0, await run.RunAsync("convert", run.Path("a.safetensors"), "--format", format, "--output-prefix", longest, "-o", run.Path("out.pt")));
        using (var file = WeightsFile.Open(run.Path("out.pt"))) Assert.Equal(5, file.Tensors.Count);
        foreach (var length in new[] { longest.Length + 1, 2000 })
        {
            Assert.Equal(1, await run.RunAsync("convert", run.Path("a.safetensors"), "--format", format, "--output-prefix", new string('p', length), "-o", run.Path("other.pt")));
            Assert.Contains($"--output-prefix has {length} characters; give at most {longest.Length}", run.Error, StringComparison.Ordinal);
            Assert.False(File.Exists(run.Path("other.pt")));
        }
    }

    // A file of zeros with such tensors: name, type and shape.
    private static void Write(string path, string tensors)
    {
        var (header, length) = (new StringBuilder(), 0);
        foreach (var tensor in tensors.Split(';'))
        {
            var parts = tensor.Split(' ');
            var size = parts[1] switch { "I64" => 8, "BF16" => 2, "U8" or "F8_E4M3" => 1, _ => 4 };
            foreach (var dimension in parts[2].Split(',')) size *= int.Parse(dimension, System.Globalization.CultureInfo.InvariantCulture);
            header.Append(header.Length == 0 ? "{" : ",").Append(System.Globalization.CultureInfo.InvariantCulture, $"\"{parts[0]}\":{{\"dtype\":\"{parts[1]}\",\"shape\":[{parts[2]}],\"data_offsets\":[{length},{length + size}]}}");
            length += size;
        }

        header.Append('}');
        File.WriteAllBytes(path, [.. BitConverter.GetBytes((long)header.Length), .. Encoding.ASCII.GetBytes(header.ToString()), .. new byte[length]]);
    }
}
