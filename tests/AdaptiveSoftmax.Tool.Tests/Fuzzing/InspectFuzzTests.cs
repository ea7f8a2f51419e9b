using AdaptiveSoftmax.Testing;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tool.Tests.Fuzzing;

/// <summary>Damaged weights of every layout are shown and converted, or refused in a line that names the file.</summary>
[MoreAtNight]
public sealed class InspectFuzzTests : IDisposable
{
    private readonly ToolRun _run = new();

    public void Dispose() => _run.Dispose();

    [Theory]
    [InlineData("ours")]
    [InlineData("small")]
    [InlineData("fairseq")]
    [InlineData("transformer-xl")]
    [InlineData("dense")]
    public async Task Weights(string layout)
    {
        var spec = _run.Write("news.softmax.json", """{ "hiddenSize": 8, "vocabulary": ["the", "of", "market", "bank", "river", "otter"], "cutoffs": [2, 4], "divValue": 2 }""");
        var path = _run.Path("model.safetensors");
        Write(layout, path, SoftmaxDefinitionReader.Read(spec, File.ReadAllText(spec)).Definition!);
        var sound = File.ReadAllBytes(path);
        var codes = new HashSet<int>();
        for (var seed = 0; seed < Nightly.Count(250, 20_000); seed++)
        {
            var bytes = DamagedWeights.Of(new Mutator(seed), sound);
            await File.WriteAllBytesAsync(path, bytes, TestContext.Current.CancellationToken);
            foreach (var arguments in new[] { new[] { "inspect", path, "--spec", spec }, ["convert", path, "--force", "--from", layout is "ours" or "small" or "dense" ? "pytorch" : layout, "--output", _run.Path("out.safetensors")] })
            {
                var code = await Record(seed, arguments);
                codes.Add(code);
                Assert.True(code is 0 or 1, $"seed {seed}: {arguments[0]} ended with {code}.");
                Assert.True(code == 0 || arguments[0] == "inspect" || _run.Error.Contains(path, StringComparison.Ordinal), $"seed {seed}: {_run.Error}");
                Assert.True(_run.Output.Length + _run.Error.Length < 100_000, $"seed {seed}: {arguments[0]} wrote {_run.Output.Length} characters.");
            }
        }

        Assert.Contains(1, codes);
    }

    private async Task<int> Record(int seed, string[] arguments)
    {
        try
        {
            return await _run.RunAsync(arguments);
        }
        catch (Exception exception) when (exception is not OperationCanceledException)
        {
            throw new InvalidOperationException($"seed {seed}: {arguments[0]}: {exception}", exception);
        }
    }

    private static void Write(string layout, string path, SoftmaxDefinition definition)
    {
        using var layer = new DynamicAdaptiveSoftmax(definition);
        if (layout == "ours") layer.Save(path, "decoder.");
        if (layout == "small")
        {
            using var small = layer.Quantize(new QuantizationOptions { Head = WeightPrecision.Int4 });
            small.Save(path);
        }

        (string Name, int Rows, int Columns)[] matrices = layout switch
        {
            "fairseq" => [("head.weight", 4, 8), ("tail.0.0.weight", 4, 8), ("tail.0.2.weight", 2, 4), ("tail.1.0.weight", 2, 8), ("tail.1.2.weight", 2, 2)],
            "transformer-xl" => [("crit.cluster_weight", 2, 8), ("crit.out_layers.0.weight", 2, 8), ("crit.out_layers.1.weight", 2, 4), ("crit.out_layers.2.weight", 2, 2), ("crit.out_projs.0", 8, 8), ("crit.out_projs.1", 8, 4), ("crit.out_projs.2", 8, 2)],
            "dense" => [("lm_head.weight", 6, 8), ("model.embed_tokens.weight", 6, 8)],
            _ => [],
        };
        (string Name, int Count)[] vectors = layout switch
        {
            "fairseq" => [("version", 1)],
            "transformer-xl" => [("crit.cluster_bias", 2), ("crit.out_layers.0.bias", 2), ("crit.out_layers.1.bias", 2), ("crit.out_layers.2.bias", 2)],
            "dense" => [("lm_head.bias", 6)],
            _ => [],
        };
        if (matrices.Length == 0) return;
        Parameter[] parameters = [.. matrices.Select(matrix => new Parameter(matrix.Name, matrix.Rows, matrix.Columns)), .. vectors.Select(vector => Parameter.CreateVector(vector.Name, vector.Count))];
        SafetensorsWriter.Write(path, parameters, new Dictionary<string, string> { ["format"] = "pt" });
        foreach (var parameter in parameters) parameter.Dispose();
    }
}
