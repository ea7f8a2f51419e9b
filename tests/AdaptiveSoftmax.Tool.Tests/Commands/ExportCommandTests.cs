using JsonNode = System.Text.Json.Nodes.JsonNode;

namespace AdaptiveSoftmax.Tool.Tests.Commands;

/// <summary><c>export</c> writes what the library does; that a runtime computes it is the library's test.</summary>
public sealed class ExportCommandTests : IDisposable
{
    private readonly ToolRun _run = new();
    private readonly EvaluationFiles _files;

    public ExportCommandTests() => _files = new EvaluationFiles(_run);

    public void Dispose() => _run.Dispose();

    [Theory]
    [InlineData("greedy", OnnxOutput.Greedy)]
    [InlineData("log-probs", OnnxOutput.LogProbs)]
    public async Task Export_WritesTheModelOfTheWeights(string name, OnnxOutput output)
    {
        Assert.Equal(0, await ExportAsync(_files.Weights, "--onnx", name));
        Assert.Contains($"news.onnx: {name} of hidden size 16, vocabulary 90, cutoffs 20, 50, projections 8, 4, no head bias.", _run.Output, StringComparison.Ordinal);
        using var layer = DynamicAdaptiveSoftmax.Load(_files.Weights, _files.Definition);
        Assert.Equal(Expected(layer, output), File.ReadAllBytes(_run.Path("news.onnx")));

        // What this command wrote it may write over.
        Assert.Equal(0, await ExportAsync(_files.Weights, "--onnx", "greedy"));
    }

    [Fact]
    public async Task Export_FindsADenseHead_WhoseRowsAreTokenIds()
    {
        using var head = new Parameter("lm_head.weight", 1001 + 23, EvaluationFiles.HiddenSize);
        head.Set([.. Enumerable.Range(0, (int)head.Count).Select(value => value / 1000f)]);
        SafetensorsWriter.Write(_run.Path("model.safetensors"), [head]);
        var spec = _run.Write("full.softmax.json", """{ "hiddenSize": 16, "vocabulary": "news.tokens", "softmax": "full" }""");
        Assert.Equal(0, await _run.RunAsync("export", _run.Path("model.safetensors"), "--spec", spec, "--onnx", "greedy", "--output", _run.Path("news.onnx")));
        Assert.Contains("greedy of hidden size 16, vocabulary 90, full, no head bias.", _run.Output, StringComparison.Ordinal);
        Assert.Contains("934 rows of 'lm_head.weight' are no token", _run.Error, StringComparison.Ordinal);
        using var layer = new DynamicAdaptiveSoftmax(AdaptiveSoftmax.Tool.Files.SpecFile.Read(spec, TestContext.Current.CancellationToken));
        layer.RestoreHead(_run.Path("model.safetensors"), cancellationToken: TestContext.Current.CancellationToken);
        Assert.Equal(Expected(layer, OnnxOutput.Greedy), File.ReadAllBytes(_run.Path("news.onnx")));

        Assert.Equal(1, await ExportAsync(_run.Path("model.safetensors"), "--onnx", "greedy"));
        Assert.Contains("\"softmax\": \"full\"", _run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Json_NamesBothFiles()
    {
        Assert.Equal(0, await ExportAsync(_files.Weights, "--onnx", "greedy", "--external-data", "--json"));
        var result = JsonNode.Parse(_run.Output)!;
        Assert.Equal(_run.Path("news.onnx"), (string?)result["model"]);
        Assert.True(File.Exists((string?)result["data"]));
        Assert.Equal(2, (int)result["tails"]!);
    }

    // The input lies under the name that the weights would get.
    [Fact]
    public async Task WeightsBesideTheModel_ReplaceNothingElse()
    {
        Assert.Equal(0, await ExportAsync(_files.Weights, "--onnx", "greedy", "--external-data", "--json"));
        var data = (string)JsonNode.Parse(_run.Output)!["data"]!;
        File.Delete(data);
        File.CreateSymbolicLink(data, _files.Weights);
        var before = File.ReadAllBytes(_files.Weights);
        Assert.Equal(1, await ExportAsync(_files.Weights, "--onnx", "greedy", "--external-data"));
        Assert.Contains("holds something else", _run.Error, StringComparison.Ordinal);
        Assert.Equal(before, File.ReadAllBytes(_files.Weights));
    }

    [Fact]
    public async Task BadInput_IsNamed_AndWritesNothing()
    {
        _run.Write("news.onnx", "not a model");
        Assert.Equal(1, await ExportAsync(_files.Weights, "--onnx", "greedy"));
        Assert.Contains("--force", _run.Error, StringComparison.Ordinal);
        Assert.Equal("not a model", File.ReadAllText(_run.Path("news.onnx")));
        File.Delete(_run.Path("news.onnx"));

        using (var layer = DynamicAdaptiveSoftmax.Load(_files.Weights, _files.Definition))
        {
            using (var small = layer.Quantize()) small.Save(_run.Path("small.safetensors"));
            layer.Parameters[0].EditRow(4, row => row[2] = float.NaN);
            layer.Save(_run.Path("damaged.safetensors"));
        }

        Assert.Equal(1, await ExportAsync(_run.Path("small.safetensors"), "--onnx", "greedy"));
        Assert.Contains("export the float32 weights", _run.Error, StringComparison.Ordinal);
        Assert.Equal(1, await ExportAsync(_run.Path("damaged.safetensors"), "--onnx", "greedy"));
        Assert.Contains("damaged.safetensors: ", _run.Error, StringComparison.Ordinal);
        Assert.Equal(1, await _run.RunAsync("export", _files.Weights, "--spec", _files.Spec, "--onnx", "greedy", "--output", _files.Weights, "--force"));
        Assert.Contains("would be lost", _run.Error, StringComparison.Ordinal);
        _files.WriteSpec("other", [30]);
        Assert.Equal(1, await _run.RunAsync("export", _files.Weights, "--spec", _run.Path("other.softmax.json"), "--onnx", "greedy", "--output", _run.Path("news.onnx")));
        Assert.Contains("cutoffs: [20, 50]", _run.Error, StringComparison.Ordinal);
        Assert.False(File.Exists(_run.Path("news.onnx")));
    }

    private Task<int> ExportAsync(string weights, params string[] options) => _run.RunAsync(["export", weights, "--spec", _files.Spec, "--output", _run.Path("news.onnx"), .. options]);

    private byte[] Expected(AdaptiveSoftmaxLayer layer, OnnxOutput output)
    {
        layer.ExportOnnx(_run.Path("expected.onnx"), output, cancellationToken: TestContext.Current.CancellationToken);
        return File.ReadAllBytes(_run.Path("expected.onnx"));
    }
}
