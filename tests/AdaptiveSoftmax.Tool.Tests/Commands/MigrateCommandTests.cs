using System.Text;
using System.Text.Json;
using AdaptiveSoftmax.Tool.Files;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tool.Tests.Commands;

/// <summary><c>migrate</c>, <c>extend</c> and <c>adopt</c> from files to files.</summary>
public sealed class MigrateCommandTests : IDisposable
{
    private const int Hidden = 6;

    private readonly ToolRun _run = new();

    public MigrateCommandTests()
    {
        WriteSpec("old", [4, 8], Enumerable.Range(0, 12));
        WriteSpec("new", [5, 9], [0, 1, 2, 3, 9, 4, 5, 6, 7, 8, 10, 11]);
        var definition = SpecFile.Read(_run.Path("old.softmax.json"), TestContext.Current.CancellationToken);
        using var model = new DynamicAdaptiveSoftmax(definition.Layout, seed: 4);
        SafetensorsWriter.Write(_run.Path("old.safetensors"), model.Parameters);
        var random = new Random(1);
        StatesWriter.Write(_run.Path("states.safetensors"), Hidden, writer =>
        {
            for (var i = 0; i < 400; i++) writer.Add([.. Enumerable.Range(0, Hidden).Select(_ => (2 * random.NextSingle()) - 0.5f)], [random.Next(12)]);
        }, cancellationToken: TestContext.Current.CancellationToken);
    }

    public void Dispose() => _run.Dispose();

    [Fact]
    public async Task Migrate_WritesWeightsOfTheNewSpec_AndItsReport()
    {
        Assert.Equal(0, await MigrateAsync("--states", _run.Path("states.safetensors")));
        Assert.Contains("Perplexity over 100 states", _run.Output, StringComparison.Ordinal);
        Assert.Equal(0, await _run.RunAsync("inspect", _run.Path("new.safetensors"), "--spec", _run.Path("new.softmax.json")));
        Assert.Contains($"Migrated: migrate from {Fingerprint("old")} to {Fingerprint("new")}.", _run.Output, StringComparison.Ordinal);
        Assert.Equal(0, await MigrateAsync("--states", _run.Path("states.safetensors"), "--polish", "5", "--json", "--threads", "1"));
        using var report = JsonDocument.Parse(_run.Output);
        Assert.Equal(3, report.RootElement.GetProperty("clusters").GetArrayLength());
        Assert.Equal("reduced", report.RootElement.GetProperty("clusters")[2].GetProperty("change").GetString());
        Assert.True(report.RootElement.GetProperty("polished").GetProperty("perplexity").GetDouble() > 1);

        string Fingerprint(string name) => SpecFile.Read(_run.Path($"{name}.softmax.json"), TestContext.Current.CancellationToken).Fingerprint;
    }

    [Fact]
    public async Task WithoutStates_ANoteSaysThatItIsWorse()
    {
        Assert.Equal(0, await MigrateAsync());
        Assert.Contains("There were no states", _run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task LargeNumbers_HaveSeparators()
    {
        using (var model = new DynamicAdaptiveSoftmax(SpecFile.Read(_run.Path("old.softmax.json"), TestContext.Current.CancellationToken).Layout, seed: 4))
        {
            // The last token of the shortlist has all of the mass, and is no state's target.
            model.Parameters[0].EditRow(3, row => row[0] = 60);
            SafetensorsWriter.Write(_run.Path("old.safetensors"), model.Parameters);
        }

        StatesWriter.Write(_run.Path("states.safetensors"), Hidden, writer =>
        {
            for (var i = 0; i < 4400; i++) writer.Add([.. Enumerable.Range(0, Hidden).Select(k => k == 0 ? 0.2f : 0.1f)], [i % 3]);
        }, cancellationToken: TestContext.Current.CancellationToken);
        Assert.Equal(0, await MigrateAsync("--states", _run.Path("states.safetensors")));
        Assert.Matches(@"Perplexity over 1,100 states: \d{1,3}(,\d{3})+\.\d{3} before, \d{1,3}(,\d{3})+\.\d{3} after", _run.Output);
    }

    [Fact]
    public async Task OutputsOfOneName_AreRefused()
    {
        _run.Write("domain.tokens", "90\t30\tw1w2\n91\t20\tzz\n");
        var before = _run.Files.ToList();
        Assert.Equal(1, await MigrateAsync("--report", _run.Path("new.safetensors")));
        Assert.Contains("Both a report and weights would go to", _run.Error, StringComparison.Ordinal);
        foreach (var (option, name) in new[] { ("--output", "more.softmax.json"), ("--output", "more.tokens"), ("--report", "more.softmax.json"), ("--report", "more.tokens") })
        {
            string[] output = option == "--output" ? [] : ["--output", _run.Path("more.safetensors")];
            Assert.Equal(1, await _run.RunAsync(["extend", _run.Path("old.safetensors"), "--from", _run.Path("old.softmax.json"), "--domain", _run.Path("domain.tokens"), "--width", "2", "--spec-output", _run.Path("more.softmax.json"), option, _run.Path(name), .. output]));
            Assert.Contains($" would go to {_run.Path(name)}; give {option} another name", _run.Error, StringComparison.Ordinal);
        }

        Assert.Equal(before, _run.Files);
    }

    [Fact]
    public async Task Extend_WritesNoSpecOverStates()
    {
        _run.Write("domain.tokens", "90\t30\tw1w2\n91\t20\tzz\n");
        var states = _run.Path("states.safetensors");
        var before = File.ReadAllBytes(states);
        Assert.Equal(1, await _run.RunAsync("extend", _run.Path("old.safetensors"), "--from", _run.Path("old.softmax.json"), "--domain", _run.Path("domain.tokens"), "--width", "2", "--spec-output", states, "--states", states, "--output", _run.Path("more.safetensors"), "--force"));
        Assert.Contains("would be lost", _run.Error, StringComparison.Ordinal);
        Assert.Equal(before, File.ReadAllBytes(states));
    }

    [Fact]
    public async Task Extend_WritesSpecAndTableToo()
    {
        _run.Write("domain.tokens", "90\t30\tw1w2\n91\t20\tzz\n");
        Assert.Equal(0, await _run.RunAsync("extend", _run.Path("old.safetensors"), "--from", _run.Path("old.softmax.json"), "--domain", _run.Path("domain.tokens"), "--width", "2", "--spec-output", _run.Path("more.softmax.json"), "--states", _run.Path("states.safetensors"), "--output", _run.Path("more.safetensors")));
        var extended = SpecFile.Read(_run.Path("more.softmax.json"), TestContext.Current.CancellationToken);
        Assert.Equal(14, extended.Layout.VocabularySize);
        Assert.Equal(0, await _run.RunAsync("inspect", _run.Path("more.safetensors"), "--spec", _run.Path("more.softmax.json")));
    }

    [Fact]
    public async Task Adopt_TakesADenseHead()
    {
        using (var dense = new DynamicAdaptiveSoftmax(SoftmaxLayout.CreateFull(Hidden, 12), seed: 2))
        {
            using var head = new Parameter("lm_head.weight", 12, Hidden);
            head.Set(dense.Parameters[0].Values);
            SafetensorsWriter.Write(_run.Path("dense.safetensors"), [head]);
        }

        Assert.Equal(0, await _run.RunAsync("adopt", _run.Path("dense.safetensors"), "--to", _run.Path("new.softmax.json"), "--states", _run.Path("states.safetensors"), "--output", _run.Path("new.safetensors")));
        Assert.Equal(0, await _run.RunAsync("inspect", _run.Path("new.safetensors"), "--spec", _run.Path("new.softmax.json")));
    }

    [Fact]
    public async Task WhatDoesNotFit_IsOneLineOfError()
    {
        WriteSpec("other", [2], [20, 21, 22, 23]);
        Assert.Equal(1, await _run.RunAsync("migrate", _run.Path("old.safetensors"), "--from", _run.Path("old.softmax.json"), "--to", _run.Path("other.softmax.json"), "--output", _run.Path("new.safetensors")));
        Assert.Contains("no token in common", _run.Error, StringComparison.Ordinal);
        Assert.Equal(1, await _run.RunAsync("migrate", _run.Path("old.safetensors"), "--from", _run.Path("other.softmax.json"), "--to", _run.Path("other.softmax.json"), "--output", _run.Path("new.safetensors")));
        Assert.Contains("does not fit", _run.Error, StringComparison.Ordinal);
        Assert.Equal(1, await _run.RunAsync("migrate", _run.Path("old.safetensors"), "--from", _run.Path("old.softmax.json"), "--to", _run.Path("new.softmax.json"), "--output", _run.Path("old.safetensors")));
        Assert.Contains("would be lost", _run.Error, StringComparison.Ordinal);
        Assert.Equal(1, await MigrateAsync("--polish", "3"));
        Assert.Contains("--states", _run.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("new.safetensors", _run.Files);
    }

    [Fact]
    public async Task TheTableOfTheOldSpec_IsNotWrittenOver()
    {
        File.Move(_run.Path("old.softmax.json"), _run.Path("first.softmax.json"));
        _run.Write("domain.tokens", "90\t30\tw1w2\n91\t20\tzz\n");
        var table = File.ReadAllText(_run.Path("old.tokens"));
        Assert.Equal(1, await _run.RunAsync("extend", _run.Path("old.safetensors"), "--from", _run.Path("first.softmax.json"), "--domain", _run.Path("domain.tokens"), "--width", "2", "--spec-output", _run.Path("old.softmax.json"), "--output", _run.Path("more.safetensors")));
        Assert.Contains("is what is read, and would be lost; give --spec-output another name", _run.Error, StringComparison.Ordinal);
        Assert.Equal(table, File.ReadAllText(_run.Path("old.tokens")));
    }

    [Theory]
    [InlineData("model")]
    [InlineData("model/model.safetensors.index.json")]
    public async Task AFileOfTheModel_IsNotWrittenOver(string model)
    {
        Directory.CreateDirectory(_run.Path("model"));
        var shard = _run.Path("model/1.safetensors");
        File.Copy(_run.Path("old.safetensors"), shard);
        var weights = File.ReadAllBytes(shard);
        using (var file = WeightsFile.Open(shard))
        {
            var map = file.Tensors.Select(tensor => $"\"{tensor.Name}\": \"1.safetensors\"");
            _run.Write("model/model.safetensors.index.json", $"{{ \"weight_map\": {{ {string.Join(", ", map)} }} }}");
        }

        Assert.Equal(1, await _run.RunAsync("migrate", _run.Path(model), "--from", _run.Path("old.softmax.json"), "--to", _run.Path("new.softmax.json"), "--output", shard));
        Assert.Contains("is what is read, and would be lost", _run.Error, StringComparison.Ordinal);
        Assert.Equal(1, await _run.RunAsync("convert", _run.Path(model), "--output", shard));
        Assert.Contains("is what is read, and would be lost", _run.Error, StringComparison.Ordinal);
        Assert.Equal(weights, File.ReadAllBytes(shard));
    }

    private Task<int> MigrateAsync(params string[] options) =>
        _run.RunAsync(["migrate", _run.Path("old.safetensors"), "--from", _run.Path("old.softmax.json"), "--to", _run.Path("new.softmax.json"), "--output", _run.Path("new.safetensors"), .. options]);

    private void WriteSpec(string name, int[] cutoffs, IEnumerable<int> order)
    {
        var tokens = order.ToArray();
        var table = TokenTable.Create(tokens, [.. tokens.Select((_, i) => (long)(100 - i))], [.. tokens.Select(token => Encoding.UTF8.GetBytes($"w{token}"))]);
        using var text = new StringWriter();
        TokenTableWriter.Write(text, table, TestContext.Current.CancellationToken);
        _run.Write($"{name}.tokens", text.ToString());
        _run.Write($"{name}.softmax.json", $$"""{"hiddenSize": {{Hidden}}, "vocabulary": "{{name}}.tokens", "cutoffs": [{{string.Join(",", cutoffs)}}], "projections": [{{string.Join(",", cutoffs.Select(_ => 2))}}]}""");
    }
}
