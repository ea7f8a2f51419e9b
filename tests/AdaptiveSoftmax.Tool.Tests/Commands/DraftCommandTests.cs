using System.Globalization;
using System.Text;
using System.Text.Json;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tool.Tests.Commands;

/// <summary><c>draft</c> from a table of counts to files.</summary>
public sealed class DraftCommandTests : IDisposable
{
    private const int Tokens = 1000, Hidden = 8;

    private readonly ToolRun _run = new();

    public DraftCommandTests()
    {
        // Token 999 is special, and never counted; a token is of one domain alone.
        var table = new StringBuilder();
        var domains = new StringBuilder("domain\tid\tcount\n");
        var order = Enumerable.Range(0, Tokens).OrderByDescending(CountOf).ThenBy(id => id);
        foreach (var id in order) table.Append(CultureInfo.InvariantCulture, $"{id}\t{CountOf(id)}\t{(id == 999 ? "<|endoftext|>" : $"w{id}")}\n");
        domains.Append("english\tdocuments\t1\n");
        foreach (var id in Enumerable.Range(0, Tokens).Where(id => id % 2 == 1 && CountOf(id) > 0)) domains.Append(CultureInfo.InvariantCulture, $"english\t{id}\t{CountOf(id)}\n");
        domains.Append("german\tdocuments\t1\n");
        foreach (var id in Enumerable.Range(0, Tokens).Where(id => id % 2 == 0 && CountOf(id) > 0)) domains.Append(CultureInfo.InvariantCulture, $"german\t{id}\t{CountOf(id)}\n");
        _run.Write("counts.tokens", table.ToString());
        _run.Write("counts.domains", domains.ToString());
        using var head = new Parameter("lm_head.weight", Tokens + 24, Hidden);
        head.Set([.. Enumerable.Range(0, (Tokens + 24) * Hidden).Select(value => (float)value)]);
        SafetensorsWriter.Write(_run.Path("model.safetensors"), [head]);
    }

    public void Dispose() => _run.Dispose();

    [Fact]
    public async Task Draft_WritesRowsAndMaps()
    {
        Assert.Equal(0, await DraftAsync("--lm-head", _run.Path("model.safetensors"), "--output", _run.Path("draft.safetensors"), "--token-map", _run.Path("hot.pt")));
        Assert.Contains("A draft of 300 of 1,000 tokens, 1 of them pinned, special or named", _run.Output, StringComparison.Ordinal);
        Assert.Contains("lm_head.weight [300, 8], d2t [300] and t2d [1024]", _run.Output, StringComparison.Ordinal);
        Assert.Contains("\"draft_vocab_size\": 300", _run.Output, StringComparison.Ordinal);

        var expected = Enumerable.Range(0, Tokens).OrderBy(id => id == 999 ? 0 : 1).ThenByDescending(CountOf).ThenBy(id => id).Take(300).Order().ToArray();
        var vocabulary = DraftVocabulary.Load(_run.Path("draft.safetensors"));
        Assert.Equal(expected, vocabulary.Tokens.ToArray());
        using var file = WeightsFile.Open(_run.Path("draft.safetensors"));
        Assert.True(file.TryGetTensor("lm_head.weight", out var weight));
        var rows = new float[300 * Hidden];
        file.Read(weight, rows.AsSpan());
        Assert.Equal(expected.SelectMany(id => Enumerable.Range(id * Hidden, Hidden)).Select(value => (float)value), rows);
        Assert.Contains("hot.pt", _run.Files);
    }

    [Fact]
    public async Task Inspect_SaysWhoseMapsTheyAre()
    {
        Assert.Equal(0, await DraftAsync("--lm-head", _run.Path("model.safetensors"), "--output", _run.Path("draft.safetensors")));
        using var run = new ToolRun();
        Assert.Equal(0, await run.RunAsync("inspect", _run.Path("draft.safetensors")));
        var table = TokenTableReader.Read("counts.tokens", File.ReadAllText(_run.Path("counts.tokens"))).Table!;
        Assert.Contains("Draft vocabulary: 300 tokens of a target with 1,024 rows.", run.Output, StringComparison.Ordinal);
        Assert.Contains($"Fingerprint: of the vocabulary {table.Fingerprint}, by ids and tokens alone {table.FingerprintById()}.", run.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("Fingerprint: none", run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Json_HasCoverageBySizeAndDomain_AndWhatToExpect()
    {
        Assert.Equal(0, await DraftAsync("--json", "--acceptance", "0.9", "--drafted", "3", "--special", "w998"));
        using var report = JsonDocument.Parse(_run.Output);
        Assert.Equal(2, report.RootElement.GetProperty("alwaysCount").GetInt32());
        var sizes = report.RootElement.GetProperty("sizes").EnumerateArray().ToArray();
        Assert.Equal([256, 300, 512, 1000], sizes.Select(size => size.GetProperty("tokens").GetInt32()));
        var known = Enumerable.Range(0, Tokens).OrderBy(id => id is 998 or 999 ? 0 : 1).ThenByDescending(CountOf).ThenBy(id => id).Take(300).ToHashSet();
        Assert.Equal(Share(_ => true), sizes[1].GetProperty("coverage").GetDouble(), 1e-12);
        var domains = sizes[1].GetProperty("domains").EnumerateArray().ToDictionary(domain => domain.GetProperty("name").GetString()!, domain => domain.GetProperty("coverage").GetDouble());
        Assert.Equal(Share(id => id % 2 == 1), domains["english"], 1e-12);
        Assert.Equal(Share(id => id % 2 == 0), domains["german"], 1e-12);
        var accepted = 0.9 * Share(_ => true);
        Assert.Equal(1 + accepted + (accepted * accepted) + Math.Pow(accepted, 3), sizes[1].GetProperty("tokensPerVerification").GetDouble(), 1e-9);
        Assert.Equal(1, sizes[3].GetProperty("coverage").GetDouble(), 1e-12);

        double Share(Func<int, bool> isOfDomain) => (double)known.Where(isOfDomain).Sum(CountOf) / Enumerable.Range(0, Tokens).Where(isOfDomain).Sum(CountOf);
    }

    [Fact]
    public async Task Report_ShowsCoverage()
    {
        Assert.Equal(0, await DraftAsync("--report", _run.Path("draft.html")));
        var page = File.ReadAllText(_run.Path("draft.html"));
        foreach (var text in new[] { "Draft vocabulary", "Coverage by size", "Tokens a verification, by size", "english", "german" }) Assert.Contains(text, page, StringComparison.Ordinal);
        Assert.DoesNotContain("NaN", page, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--output", "draft.safetensors")]
    [InlineData("--token-map", "hot.pt")]
    [InlineData("--report", "draft.html")]
    public async Task AnOutputThatCannotBeWritten_IsOneLineOfError_AndLeavesNothing(string option, string name)
    {
        _run.Write("file", "My notes.");
        string[] before = [.. _run.Files];
        foreach (var folder in new[] { "nowhere", "file" })
        {
            Assert.Equal(1, await DraftAsync(option, Path.Combine(_run.Path(folder), name)));
            Assert.Contains(_run.Path(folder), _run.Error, StringComparison.Ordinal);
            Assert.Single(_run.Error.Trim().Split('\n'));
            Assert.Equal(before, _run.Files);
        }
    }

    [Fact]
    public async Task ATableOf200000Tokens_AndAHeadOfAsMany_AreTaken()
    {
        const int Many = 200_000, Rows = 200_064, Size = 32_768;
        long[] counts = [.. Enumerable.Range(0, Many).Select(rank => 1L + (10_000_000 / (rank + 1)))];
        var rows = Enumerable.Range(0, Many).Select(rank => (Id: (rank + 77_777) % Many, Count: counts[rank])).OrderByDescending(row => row.Count).ThenBy(row => row.Id).ToArray();
        var table = new StringBuilder();
        foreach (var (id, count) in rows) table.Append(CultureInfo.InvariantCulture, $"{id}\t{count}\tw{id}\n");
        _run.Write("many.tokens", table.ToString());
        using (var head = new Parameter("lm_head.weight", Rows, 2))
        {
            head.Set([.. Enumerable.Range(0, 2 * Rows).Select(value => (float)value)]);
            SafetensorsWriter.Write(_run.Path("many.safetensors"), [head]);
        }

        Assert.Equal(0, await _run.RunAsync("draft", _run.Path("many.tokens"), "--size", $"{Size}", "--lm-head", _run.Path("many.safetensors"), "--output", _run.Path("draft.safetensors"), "--json"));
        using var report = JsonDocument.Parse(_run.Output);
        var own = report.RootElement.GetProperty("sizes").EnumerateArray().Single(size => size.GetProperty("tokens").GetInt32() == Size);
        Assert.Equal((double)counts[..Size].Sum() / counts.Sum(), own.GetProperty("coverage").GetDouble(), 1e-12);

        // Of equally frequent tokens those of smaller ids are taken.
        int[] ids = [.. rows[..Size].Select(row => row.Id).Order()];
        var vocabulary = DraftVocabulary.Load(_run.Path("draft.safetensors"));
        Assert.Equal(Rows, vocabulary.TargetSize);
        Assert.Equal(ids, vocabulary.Tokens.ToArray());
        using var file = WeightsFile.Open(_run.Path("draft.safetensors"));
        Assert.True(file.TryGetTensor("lm_head.weight", out var weight));
        var values = new float[2 * Size];
        file.Read(weight, values.AsSpan());
        Assert.Equal(ids.SelectMany(id => new[] { 2f * id, (2f * id) + 1 }), values);
    }

    [Fact]
    public async Task WhatCannotBe_IsOneLineOfError_AndWritesNothing()
    {
        string[] output = ["--output", _run.Path("draft.safetensors")];
        await RefuseAsync("--size is 1001, and", ["--size", "1001", .. output]);
        await RefuseAsync("--special \"nowhere\" is not a token of the table", ["--size", "20", "--special", "nowhere", .. output]);
        await RefuseAsync("2 tokens of", ["--size", "1", "--special", "w5", .. output]);
        await RefuseAsync("is a token table", ["--size", "20", "--lm-head", _run.Path("counts.tokens"), .. output]);
        await RefuseAsync("is not in the file", ["--size", "20", "--lm-head", _run.Path("model.safetensors"), "--head", "nowhere", .. output]);
        await RefuseAsync("would be lost; give --output another name", ["--size", "20", "--lm-head", _run.Path("model.safetensors"), "--output", _run.Path("model.safetensors")]);
        await RefuseAsync("would go to", ["--size", "20", "--token-map", _run.Path("draft.safetensors"), .. output]);
        await RefuseAsync("--lm-head has rows to write; give --output", ["--size", "20", "--lm-head", _run.Path("model.safetensors")]);
        await RefuseAsync("--head names a tensor of the target model", ["--size", "20", "--head", "x", .. output]);
        await RefuseAsync("--acceptance is a share", ["--size", "20", "--acceptance", "1.5"]);
        await RefuseAsync("--size is 0; give at least 1", ["--size", "0"]);
        using (var small = new Parameter("lm_head.weight", 900, Hidden)) SafetensorsWriter.Write(_run.Path("small.safetensors"), [small]);
        await RefuseAsync("has 900 rows, which are token ids, and", ["--size", "20", "--lm-head", _run.Path("small.safetensors"), .. output]);
        _run.Write("empty.tokens", "1\t0\ta\n2\t0\tb\n");
        Assert.Equal(1, await _run.RunAsync("draft", _run.Path("empty.tokens"), "--size", "1"));
        Assert.Contains("All counts are 0", _run.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("draft.safetensors", _run.Files);
    }

    private async Task RefuseAsync(string message, string[] arguments)
    {
        Assert.NotEqual(0, await _run.RunAsync(["draft", _run.Path("counts.tokens"), .. arguments]));
        Assert.Contains(message, _run.Error, StringComparison.Ordinal);
    }

    private Task<int> DraftAsync(params string[] arguments) => _run.RunAsync(["draft", _run.Path("counts.tokens"), "--size", "300", .. arguments]);

    private static long CountOf(int id) => id >= 990 ? 0 : 1 + (id * 7919L % 1000 * (id * 31 % 17));
}
