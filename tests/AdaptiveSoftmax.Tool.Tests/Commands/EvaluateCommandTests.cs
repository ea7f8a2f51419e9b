using System.Text.Json.Nodes;

namespace AdaptiveSoftmax.Tool.Tests;

public sealed class EvaluateCommandTests
{
    [Fact]
    public async Task Json_HoldsWhatTheDefinitionGives()
    {
        using var run = new ToolRun();
        var files = new EvaluationFiles(run);
        Assert.Equal(0, await run.RunAsync("evaluate", files.States1, "--weights", files.Weights, "--spec", files.Spec, "--json", "--top-k", "3"));
        Assert.Empty(run.Error);
        var report = JsonNode.Parse(run.Output)!["results"]![0]!["report"]!;

        double[][] logProbs = [.. Enumerable.Range(0, EvaluationFiles.States).Select(row => files.Layer.LogProb(files.HiddenOf(row)))];
        var losses = logProbs.Zip(files.Slots, (row, slot) => -row[slot]).ToArray();
        Assert.Equal(Math.Exp(losses.Average()), (double)report["whole"]!["perplexity"]!, 1e-3);
        Assert.Equal(losses.Sum() / Math.Log(2) / files.Slots.Sum(slot => slot < 10 ? 2 : 3), (double)report["whole"]!["bitsPerByte"]!, 1e-4);
        Assert.Equal(logProbs.Zip(files.Slots, (row, slot) => row[slot] >= row.Max() - 1e-6 ? 1 : 0).Average(), (double)report["whole"]!["accuracy"]!, 1e-9);
        Assert.Equal(logProbs.Zip(files.Slots, (row, slot) => row[slot] >= row.OrderDescending().ElementAt(2) - 1e-6 ? 1 : 0).Average(), (double)report["whole"]!["topKAccuracy"]!, 1e-9);
        Assert.Equal(3, (int)report["topK"]!);

        Assert.Equal(["head", "tail0", "tail1"], report["clusters"]!.AsArray().Select(cluster => (string)cluster!["name"]!));
        Assert.Equal(Math.Exp(losses.Where((_, row) => files.Slots[row] is >= 20 and < 50).Average()), (double)report["clusters"]![1]!["perplexity"]!, 1e-2);
        Assert.Equal("unseen", (string)report["deciles"]!.AsArray()[^1]!["name"]!);
        Assert.Equal(Math.Exp(losses.Where((_, row) => row % 4 == 0).Average()), (double)report["domains"]![1]!["perplexity"]!, 1e-3);
        Assert.Equal("<b>code</b>", (string)report["domains"]![1]!["name"]!);
        Assert.Equal(EvaluationFiles.States, report["calibration"]!.AsArray().Sum(bin => (long)bin!["tokens"]!));
        // A bin without targets has no mean, and JSON no NaN.
        Assert.Contains(report["calibration"]!.AsArray(), bin => bin!["accuracy"] is null);

        Assert.Equal(0, await run.RunAsync("evaluate", files.States1, "--weights", files.Weights, "--spec", files.Spec));
        Assert.Contains("tail1", run.Output, StringComparison.Ordinal);
        Assert.Contains("tenth 2", run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Others_AreComparedWithTheFirst()
    {
        using var run = new ToolRun();
        var files = new EvaluationFiles(run);
        var other = files.WriteWeights("other.safetensors", files.WriteSpec("other", [30]), seed: 8, prefix: "decoder.");
        Assert.Equal(0, await run.RunAsync("evaluate", files.States1, "--weights", files.Weights, run.Path("other.safetensors"), "--spec", files.Spec, run.Path("other.softmax.json"), "--quantize", "int8", "certified", "--json"));
        var result = JsonNode.Parse(run.Output)!;
        Assert.Equal(
            [files.Weights, $"{files.Weights} (int8)", $"{files.Weights} (certified)", run.Path("other.safetensors"), $"{run.Path("other.safetensors")} (int8)", $"{run.Path("other.safetensors")} (certified)"],
            result["results"]!.AsArray().Select(entry => (string)entry!["name"]!));
        var agreements = result["agreements"]!.AsArray();
        Assert.Equal(5, agreements.Count);
        Assert.Equal((1.0, 0.0), ((double)agreements[1]!["report"]!["whole"]!["top1Agreement"]!, (double)agreements[1]!["report"]!["whole"]!["divergence"]!));
        Assert.InRange((double)agreements[0]!["report"]!["whole"]!["absoluteDifference"]!, 1e-7, 0.1);
        var difference = Enumerable.Range(0, EvaluationFiles.States).Average(row => other.LogProb(files.HiddenOf(row))[files.Slots[row]] - files.Layer.LogProb(files.HiddenOf(row))[files.Slots[row]]);
        Assert.Equal(difference, (double)agreements[2]!["report"]!["whole"]!["logProbDifference"]!, 1e-3);

        Assert.Equal(0, await run.RunAsync("evaluate", files.States1, "--weights", files.Weights, files.Weights, "--spec", files.Spec));
        Assert.Contains("for 100.00 % of the states", run.Output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("lm_head.weight", null)]
    [InlineData("model.head.weight", "model.head.weight")]
    public async Task DenseHead_IsReadByTokenIds(string name, string? tensor)
    {
        using var run = new ToolRun();
        var files = new EvaluationFiles(run);
        // A row for each id up to 1,010, of which the vocabulary has 90.
        var random = new Random(9);
        using var matrix = new Parameter(name, 1011, EvaluationFiles.HiddenSize);
        matrix.Edit(values =>
        {
            foreach (ref var value in values) value = random.NextSingle() - 0.5f;
        });
        new Checkpoint([matrix]).Save(run.Path("dense.safetensors"));
        string[] arguments = ["evaluate", files.States1, "--weights", run.Path("dense.safetensors"), "--spec", files.Spec, "--json"];
        Assert.Equal(0, await run.RunAsync(tensor is null ? arguments : [.. arguments, "--tensor", tensor]));
        Assert.Contains("921 rows", run.Error, StringComparison.Ordinal);

        var losses = Enumerable.Range(0, EvaluationFiles.States).Average(row =>
        {
            var hidden = files.HiddenOf(row);
            double[] logits = [.. files.Definition.Table.Ids.ToArray().Select(id => matrix.Row(id).ToArray().Zip(hidden, (weight, value) => weight * value).Sum())];
            return Math.Log(logits.Sum(Math.Exp)) - logits[files.Slots[row]];
        });
        Assert.Equal(losses, (double)JsonNode.Parse(run.Output)!["results"]![0]!["report"]!["whole"]!["loss"]!, 1e-4);
    }

    [Fact]
    public async Task WhatDoesNotFit_IsNamedWithItsRemedy()
    {
        using var run = new ToolRun();
        var files = new EvaluationFiles(run);
        files.WriteWeights("other.safetensors", files.WriteSpec("other", [30]), seed: 8);
        var narrow = files.WriteStates("narrow.safetensors", 8, new float[16], [1000, 998]);
        var strange = files.WriteStates("strange.safetensors", EvaluationFiles.HiddenSize, new float[2 * EvaluationFiles.HiddenSize], [1000, 999]);
        var (sound, broken) = (await File.ReadAllBytesAsync(files.States1, TestContext.Current.CancellationToken), run.Path("broken.safetensors"));
        // The file's last bytes are of some tensor; a NaN goes into the first hidden value behind the header.
        var header = 8 + (int)BitConverter.ToUInt64(sound);
        BitConverter.GetBytes(float.NaN).CopyTo(sound, header);
        await File.WriteAllBytesAsync(broken, sound, TestContext.Current.CancellationToken);
        var empty = run.Path("empty.safetensors");
        await File.WriteAllBytesAsync(empty, [2, 0, 0, 0, 0, 0, 0, 0, (byte)'{', (byte)'}'], TestContext.Current.CancellationToken);

        await Fails(narrow, files.Weights, files.Spec, "hidden size 16", narrow);
        await Fails(strange, files.Weights, files.Spec, "999", "Row 1", strange);
        await Fails(broken, files.Weights, files.Spec, "NaN", "Row 0", broken);
        await Fails(empty, files.Weights, files.Spec, empty, "docs/states.md");
        await Fails(files.States1, empty, files.Spec, empty, "--tensor");
        await Fails(files.States1, run.Path("other.safetensors"), files.Spec, "does not fit", files.Spec);
        await Fails(run.Path("missing.safetensors"), files.Weights, files.Spec, "does not exist", "docs/states.md");
        await Fails(files.Spec, files.Weights, files.Spec, "a spec");
        await Fails(files.States1, files.Spec, files.Spec, "--spec");
        await Fails(files.States1, files.States1, files.Spec, files.States1, "--tensor");

        Assert.Equal(1, await run.RunAsync("evaluate", files.States1, "--weights", files.Weights, files.Weights, files.Weights, "--spec", files.Spec, files.Spec));
        Assert.Contains("3 files of weights and 2 specs", run.Error, StringComparison.Ordinal);
        Assert.Equal(1, await run.RunAsync("evaluate", files.States1, "--weights", files.Weights, "--spec", files.Spec, "--top-k", "91"));
        Assert.Contains("90 tokens", run.Error, StringComparison.Ordinal);
        Assert.Equal(1, await run.RunAsync("evaluate", files.States1, "--weights", files.Weights, "--spec", files.Spec, "--report", files.Weights));
        Assert.Contains("give --report another name", run.Error, StringComparison.Ordinal);

        async Task Fails(string states, string weights, string spec, params string[] expected)
        {
            Assert.Equal(1, await run.RunAsync("evaluate", states, "--weights", weights, "--spec", spec));
            Assert.All(expected, text => Assert.Contains(text, run.Error, StringComparison.Ordinal));
            Assert.Empty(run.Output);
        }
    }

    [Fact]
    public async Task Cancelled_ItEndsAtOnce_AndWritesNothing()
    {
        using var run = new ToolRun();
        var files = new EvaluationFiles(run);
        using var stop = new CancellationTokenSource();
        await stop.CancelAsync();
        Assert.Equal(130, await run.RunAsync(stop.Token, "evaluate", files.States1, "--weights", files.Weights, "--spec", files.Spec, "--report", run.Path("page.html")));
        Assert.False(File.Exists(run.Path("page.html")));
    }
}
