using System.Text;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tool.Tests.Commands;

/// <summary>A pinned spec, and what is said when it or its vocabulary changed.</summary>
public sealed class CheckCommandTests
{
    private const int Count = 200_019;

    private const string Spec = """{ "hiddenSize": 8, "vocabulary": ["the", "of", "market", "bank", "river", "otter"], "cutoffs": [2, 4], "divValue": 2 }""";

    [Fact]
    public async Task WhatIsPinned_Agrees_AndAChangeIsSaid()
    {
        using var run = new ToolRun();
        var spec = run.Write("news.softmax.json", Spec);
        Assert.Equal(1, await run.RunAsync("check", spec));
        Assert.Contains("Nothing is pinned yet", run.Error, StringComparison.Ordinal);
        Assert.Equal(0, await run.RunAsync("check", spec, "--update"));
        Assert.Equal(["news.softmax.json", "news.softmax.lock.json"], run.Files);
        Assert.Equal(0, await run.RunAsync("check", spec));
        var fingerprint = SoftmaxDefinitionReader.Read(spec, Spec).Definition!.Fingerprint;
        Assert.Equal($"{spec} is what was pinned: fingerprint {fingerprint}.", run.Output.Trim());

        // Seed and comments make no other softmax.
        run.Write("news.softmax.json", Spec.Replace("\"divValue\": 2", "\"divValue\": 2, \"seed\": 9", StringComparison.Ordinal));
        Assert.Equal(0, await run.RunAsync("check", spec));

        run.Write("news.softmax.json", Spec.Replace("\"bank\"", "\"banks\"", StringComparison.Ordinal).Replace("\"otter\"", "\"otter\", \"owl\"", StringComparison.Ordinal).Replace("[2, 4]", "[2, 5]", StringComparison.Ordinal));
        Assert.Equal(2, await run.RunAsync("check", spec));
        Assert.Empty(run.Error);
        Assert.Contains("  vocabulary size: 6 is now 7\n  cutoffs: 2, 4 is now 2, 5\n  slot 3: \"bank\" (id 3) is now \"banks\" (id 3)\n  slot 6: nothing is now \"owl\" (id 6)\n  vocabulary's fingerprint: ", run.Output.ReplaceLineEndings("\n"), StringComparison.Ordinal);
        Assert.Contains($"  fingerprint: {fingerprint} is now ", run.Output, StringComparison.Ordinal);
        Assert.Equal(0, await run.RunAsync("check", spec, "--update"));
        Assert.Equal(0, await run.RunAsync("check", spec));
    }

    [Theory]
    [InlineData("\"hiddenSize\": 8", "\"hiddenSize\": 16", "hidden size: 8 is now 16")]
    [InlineData("\"divValue\": 2", "\"projections\": [3, 2]", "projections: 4, 2 is now 3, 2")]
    [InlineData("\"cutoffs\": [2, 4], \"divValue\": 2", "\"softmax\": \"full\"", "cutoffs: 2, 4 is now none")]
    [InlineData("\"divValue\": 2", "\"divValue\": 2, \"headBias\": true", "bias of the head: no is now yes")]
    public async Task EveryFact_IsNamed(string was, string isNow, string line)
    {
        using var run = new ToolRun();
        var spec = run.Write("news.softmax.json", Spec);
        Assert.Equal(0, await run.RunAsync("check", spec, "--update"));
        run.Write("news.softmax.json", Spec.Replace(was, isNow, StringComparison.Ordinal));
        Assert.Equal(2, await run.RunAsync("check", spec));
        Assert.Contains($"  {line}", run.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("  slot", run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task AFingerprint_NeedsNoFile()
    {
        using var run = new ToolRun();
        var spec = run.Write("news.softmax.json", Spec);
        var fingerprint = SoftmaxDefinitionReader.Read(spec, Spec).Definition!.Fingerprint;
        Assert.Equal(0, await run.RunAsync("check", spec, "--fingerprint", fingerprint));
        Assert.Equal(0, await run.RunAsync("check", spec, "--fingerprint", fingerprint.ToUpperInvariant()));
        Assert.Equal(2, await run.RunAsync("check", spec, "--fingerprint", new string('0', 32)));
        Assert.Contains($"has the fingerprint {fingerprint}, not {new string('0', 32)}", run.Output, StringComparison.Ordinal);
        Assert.Equal(1, await run.RunAsync("check", spec, "--fingerprint", "xyz"));
        Assert.Contains("32 hexadecimal digits", run.Error, StringComparison.Ordinal);
        Assert.Equal(1, await run.RunAsync("check", spec, "--fingerprint", fingerprint, "--update"));
        Assert.Equal(["news.softmax.json"], run.Files);
    }

    // 200,019 tokens: a small file says where they changed.
    [Fact]
    public async Task ALargeVocabulary_HasASmallLock_ThatFindsTheChange()
    {
        using var run = new ToolRun();
        var spec = run.Write("api.softmax.json", """{ "hiddenSize": 64, "vocabulary": "api.tokens", "cutoffs": [10000], "divValue": 2 }""");
        var lines = WriteTable(run, Count);
        Assert.Equal(0, await run.RunAsync("check", spec, "--update"));
        Assert.InRange(new FileInfo(run.Path("api.softmax.lock.json")).Length, 1_000, 12_000);

        // Counts are no part of it.
        Replace(7, 1, Field(6, 1));
        Assert.Equal(0, await run.RunAsync("check", spec));
        foreach (var field in new[] { 0, 2 })
        {
            var (one, other) = (Field(150_000, field), Field(150_001, field));
            Replace(150_000, field, other);
            Replace(150_001, field, one);
        }

        Assert.Equal(2, await run.RunAsync("check", spec));
        // 64 runs of 3,126 slots.
        var change = Assert.Single(run.Output.Split('\n'), line => line.Contains("slots", StringComparison.Ordinal));
        Assert.StartsWith("  slots 146922 to 150047: what begins with \"t146922\" (id 146922)", change, StringComparison.Ordinal);

        string Field(int slot, int field) => lines[slot + lines.Length - Count].Split('\t')[field];

        void Replace(int slot, int field, string value)
        {
            var parts = lines[slot + lines.Length - Count].Split('\t');
            parts[field] = value;
            lines[slot + lines.Length - Count] = string.Join('\t', parts);
            File.WriteAllLines(run.Path("api.tokens"), lines);
        }
    }

    [Fact]
    public async Task WhatIsNoLock_IsRefused_AndNotWrittenOver()
    {
        using var run = new ToolRun();
        var spec = run.Write("news.softmax.json", Spec);
        foreach (var text in new[] { "", "{}", "null", "[1]", "text", """{"format": 2}""" })
        {
            run.Write("news.softmax.lock.json", text);
            Assert.Equal(1, await run.RunAsync("check", spec));
            Assert.Contains("--update", run.Error, StringComparison.Ordinal);
        }

        Assert.Equal(1, await run.RunAsync("check", spec, "--update"));
        Assert.Contains("--force", run.Error, StringComparison.Ordinal);
        Assert.Equal(0, await run.RunAsync("check", spec, "--update", "--force"));
        var written = System.Text.Json.Nodes.JsonNode.Parse(File.ReadAllText(run.Path("news.softmax.lock.json")))!;
        written["runLength"] = 4;
        run.Write("news.softmax.lock.json", written.ToJsonString());
        Assert.Equal(1, await run.RunAsync("check", spec));
        Assert.Equal(1, await run.RunAsync("check", spec, "--update", "--lock", spec));
        Assert.Equal(Spec, File.ReadAllText(spec));
        Assert.Equal(0, await run.RunAsync("check", spec, "--update", "--lock", run.Path("other.json")));
        Assert.Equal(0, await run.RunAsync("check", spec, "--lock", run.Path("other.json")));
        run.Write("news.softmax.json", Spec.Replace("[2, 4]", "[2, 9]", StringComparison.Ordinal));
        Assert.Equal(1, await run.RunAsync("check", spec));
        Assert.Contains("(1,", run.Error, StringComparison.Ordinal);
    }

    // Members are put in the place of a true lock's, or added to them.
    [Theory]
    [InlineData("\"runs\": null")]
    [InlineData("\"runs\": [null, null, null, null, null, null]")]
    [InlineData("\"runs\": [{}, {}, {}, {}, {}, {}]")]
    [InlineData("\"cutoffs\": null")]
    [InlineData("\"projections\": null")]
    [InlineData("\"fingerprint\": null")]
    [InlineData("\"runLength\": 2147483647, \"runs\": [{ \"id\": 0, \"first\": \"x\", \"hash\": \"x\" }]")]
    [InlineData("\"runLength\": 2147483647, \"vocabularySize\": 2147483646, \"runs\": [{ \"id\": 0, \"first\": \"x\", \"hash\": \"x\" }]")]
    [InlineData("\"vocabularySize\": -1, \"runs\": []")]
    [InlineData("\"format\": 2")]
    [InlineData("\"a\\n::error::b\": 2")]
    public async Task ADamagedLock_IsAnErrorWithARemedyThatWorks(string members)
    {
        using var run = new ToolRun();
        var spec = run.Write("news.softmax.json", Spec);
        Assert.Equal(0, await run.RunAsync("check", spec, "--update"));
        var file = run.Path("news.softmax.lock.json");
        var text = File.ReadAllText(file);
        run.Write("news.softmax.lock.json", WithMembers(text, members));
        await ExpectAsync();
        foreach (var damaged in new[] { "", text[..^20], text.Insert(4, "<<<<<<< HEAD\n"), text.Replace("{\n  \"format\": 1,", "{\n  \"format\": 1,\n  \"format\": 1,", StringComparison.Ordinal) })
        {
            run.Write("news.softmax.lock.json", damaged);
            await ExpectAsync();
        }

        async Task ExpectAsync()
        {
            var before = File.ReadAllText(file);
            Assert.Equal(1, await run.RunAsync("check", spec));
            Assert.StartsWith($"error: {file} is ", run.Error, StringComparison.Ordinal);
            Assert.Contains("write it anew with --update --force.", run.Error, StringComparison.Ordinal);
            Assert.Single(run.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries));
            // An empty file is nothing to lose.
            if (before.Length > 0)
            {
                Assert.Equal(1, await run.RunAsync("check", spec, "--update"));
                Assert.Contains("--force", run.Error, StringComparison.Ordinal);
                Assert.Equal(before, File.ReadAllText(file));
            }

            Assert.Equal(0, await run.RunAsync("check", spec, "--update", "--force"));
            Assert.Equal(text, File.ReadAllText(file));
        }
    }

    // A lock that holds together, of more slots than there are.
    [Fact]
    public async Task RunsAsLongAsAnIntHolds_AreComparedWithoutOverflow()
    {
        using var run = new ToolRun();
        var spec = run.Write("news.softmax.json", Spec);
        Assert.Equal(0, await run.RunAsync("check", spec, "--update"));
        run.Write("news.softmax.lock.json", WithMembers(File.ReadAllText(run.Path("news.softmax.lock.json")), "\"runLength\": 2147483647, \"vocabularySize\": 2147483647, \"runs\": [{ \"id\": 0, \"first\": \"\\\"x\\\"\", \"hash\": \"x\" }]"));
        Assert.Equal(2, await run.RunAsync("check", spec));
        Assert.Contains("  slots 0 to 2147483646: what begins with \"x\" (id 0) is now what begins with \"the\" (id 0)\n", run.Output.ReplaceLineEndings("\n"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task TextsOfALock_StayOnTheirLine()
    {
        using var run = new ToolRun();
        var spec = run.Write("news.softmax.json", Spec);
        Assert.Equal(0, await run.RunAsync("check", spec, "--update"));
        var written = System.Text.Json.Nodes.JsonNode.Parse(File.ReadAllText(run.Path("news.softmax.lock.json")))!;
        const string Evil = "x\n::error::y";
        (written["runs"]![2]!["first"], written["runs"]![2]!["hash"], written["fingerprint"], written["vocabularyFingerprint"]) = (Evil, Evil, Evil, Evil);
        run.Write("news.softmax.lock.json", written.ToJsonString());
        Assert.Equal(2, await run.RunAsync("check", spec));
        Assert.Contains("slot 2: x\\u000a::error::y (id 2) is now \"market\" (id 2)", run.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("\n::", run.Output, StringComparison.Ordinal);
    }

    private static string WithMembers(string text, string members)
    {
        var written = System.Text.Json.Nodes.JsonNode.Parse(text)!;
        foreach (var (name, value) in System.Text.Json.Nodes.JsonNode.Parse($"{{ {members} }}")!.AsObject()) written[name] = value?.DeepClone();
        return written.ToJsonString();
    }

    private static string[] WriteTable(ToolRun run, int count)
    {
        int[] ids = [.. Enumerable.Range(0, count)];
        using var text = new StringWriter();
        TokenTableWriter.Write(text, TokenTable.Create(ids, [.. ids.Select(id => (long)(2 * count) - id)], [.. ids.Select(id => Encoding.UTF8.GetBytes($"t{id}"))]), TestContext.Current.CancellationToken);
        run.Write("api.tokens", text.ToString());
        return File.ReadAllLines(run.Path("api.tokens"));
    }
}
