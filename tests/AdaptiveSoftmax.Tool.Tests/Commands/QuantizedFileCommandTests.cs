using AdaptiveSoftmax.Vocabulary;
using JsonNode = System.Text.Json.Nodes.JsonNode;

namespace AdaptiveSoftmax.Tool.Tests;

/// <summary>What <c>inspect</c> and <c>evaluate</c> say of small weights.</summary>
public sealed class QuantizedFileCommandTests
{
    [Fact]
    public async Task Inspect_ShowsPrecisions_AndWhetherTheFileIsWhole_AndFits()
    {
        using var run = new ToolRun();
        var files = new EvaluationFiles(run);
        var small = Save(run, files, "small.safetensors", "decoder.");
        Assert.Equal(0, await run.RunAsync("inspect", small, "--spec", files.Spec));
        Assert.Contains("Quantised softmax: prefix 'decoder.', head int8, tail 0 int4, tail 1 bfloat16", run.Output, StringComparison.Ordinal);
        Assert.Contains("decoder.tail.0.1.weight_group_scale | F16", run.Output, StringComparison.Ordinal);
        Assert.Contains("hidden size 16, vocabulary 90, cutoffs 20, 50, projections 8, 4, no head bias", run.Output, StringComparison.Ordinal);
        Assert.Contains("All bytes have their checksums.", run.Output, StringComparison.Ordinal);
        Assert.Contains($"Fits {files.Spec}, of the same fingerprint.", run.Output, StringComparison.Ordinal);

        files.WriteSpec("other", [30]);
        Assert.Equal(1, await run.RunAsync("inspect", small, "--spec", run.Path("other.softmax.json")));
        Assert.Contains("cutoffs: [20, 50] in the file, [30] in the spec", run.Output, StringComparison.Ordinal);

        var bytes = File.ReadAllBytes(small);
        bytes[^1] ^= 1;
        File.WriteAllBytes(small, bytes);
        Assert.Equal(1, await run.RunAsync("inspect", small));
        Assert.Contains("Damaged, by their checksums: 'decoder.tail.0.1.weight'.", run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Inspect_TakesTheFactorsOfLogitsIntoAccount()
    {
        using var run = new ToolRun();
        using (var layer = new DynamicAdaptiveSoftmax(SoftmaxLayout.CreateFull(16, 90, logitScale: 0.5, logitSoftCap: 30), seed: 1))
        {
            using var small = layer.Quantize();
            small.Save(run.Path("small.safetensors"));
        }

        Assert.Equal(0, await run.RunAsync("inspect", run.Path("small.safetensors")));
        Assert.Contains("All bytes have their checksums.", run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Evaluate_ReadsThem_AndRefusesWhatIsDamagedOrOfAnotherSpec()
    {
        using var run = new ToolRun();
        var files = new EvaluationFiles(run);
        var small = Save(run, files, "small.safetensors", "decoder.");
        Assert.Equal(0, await run.RunAsync("evaluate", files.States1, "--weights", files.Weights, small, "--spec", files.Spec, "--json"));
        var results = JsonNode.Parse(run.Output)!["results"]!.AsArray();
        using var loaded = DynamicAdaptiveSoftmax.LoadQuantized(small, files.Definition, prefix: "decoder.");
        int[] targets = [.. files.Slots.Select(files.Definition.Table.GetId)];
        Assert.Equal(loaded.Perplexity(files.Hidden, targets), (double)results[1]!["report"]!["whole"]!["perplexity"]!, 1e-3);
        Assert.NotEqual((double)results[0]!["report"]!["whole"]!["perplexity"]!, (double)results[1]!["report"]!["whole"]!["perplexity"]!);

        Assert.NotEqual(0, await run.RunAsync("evaluate", files.States1, "--weights", small, "--spec", files.Spec, "--quantize", "int8"));
        Assert.Contains("is quantised already", run.Error, StringComparison.Ordinal);
        files.WriteSpec("other", [30]);
        Assert.NotEqual(0, await run.RunAsync("evaluate", files.States1, "--weights", small, "--spec", run.Path("other.softmax.json")));
        Assert.Contains("cutoffs: [20, 50] in the file, [30] in the class", run.Error, StringComparison.Ordinal);
        var bytes = File.ReadAllBytes(small);
        bytes[^1] ^= 1;
        File.WriteAllBytes(small, bytes);
        Assert.NotEqual(0, await run.RunAsync("evaluate", files.States1, "--weights", small, "--spec", files.Spec));
        Assert.Contains("checksum", run.Error, StringComparison.Ordinal);
    }

    private static string Save(ToolRun run, EvaluationFiles files, string name, string prefix)
    {
        using var layer = DynamicAdaptiveSoftmax.Load(files.Weights, files.Definition);
        using var small = layer.Quantize(new QuantizationOptions { Head = WeightPrecision.Int8, TailOverrides = [WeightPrecision.Int4, WeightPrecision.BFloat16] });
        small.Save(run.Path(name), prefix);
        return run.Path(name);
    }
}
