using System.Text.Json;

namespace AdaptiveSoftmax.Tool.Tests.Commands;

/// <summary>Counting in parts gives the bytes of counting at once.</summary>
public sealed class MergeCommandTests
{
    private const int Shards = 3;

    [Theory]
    [InlineData("--encoding cl100k_base")]
    [InlineData("--words --lower-case --min-count 4 --end-of-text <eos>")]
    [InlineData("--words")]
    [InlineData("--words --min-count 4 --unknown <other> --front <pad> --front is")]
    public async Task Shards_AddUpToTheBytesOfTheWhole(string options)
    {
        using var run = new ToolRun();
        string[] arguments = ["count", .. options.Split(' '), "--domain", $"en={WriteTexts(run, "en", 11)}", "--domain", $"fr={WriteTexts(run, "fr", 6)}"];
        Assert.Equal(0, await run.RunAsync([.. arguments, "-o", run.Path("whole.tokens")]));
        var parts = await CountShardsAsync(run, arguments);
        Assert.Equal(0, await run.RunAsync(["count", "merge", .. parts.Reverse(), "-o", run.Path("merged.tokens"), "--json"]));
        Assert.Equal(File.ReadAllText(run.Path("whole.tokens")), File.ReadAllText(run.Path("merged.tokens")));
        Assert.Equal(File.ReadAllText(run.Path("whole.domains")), File.ReadAllText(run.Path("merged.domains")));
        using var json = JsonDocument.Parse(run.Output);
        Assert.Equal(2, json.RootElement.GetProperty("domains").GetArrayLength());

        // A part of a corpus is no vocabulary.
        Assert.Equal(1, await run.RunAsync("plan", parts[0], "--hidden-size", "64"));
        Assert.Contains("one part of a corpus alone, 1/3", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task ShardsThatAreMissingOrTwice_AreRefused()
    {
        using var run = new ToolRun();
        string[] arguments = ["count", WriteTexts(run, "en", 2)];
        var parts = await CountShardsAsync(run, arguments);
        await AssertRefusedAsync(run, "Of 3 shards 1 is missing: 2/3", parts[0], parts[2]);
        await AssertRefusedAsync(run, "The shard 1/3 is there twice", [parts[0], .. parts]);
        Assert.Equal(0, await run.RunAsync([.. arguments, "--shard", "2/2147483647", "-o", run.Path("many.tokens")]));
        await AssertRefusedAsync(run, "Of 2147483647 shards 2147483646 are missing: 1/2147483647, 3/2147483647", run.Path("many.tokens"));
        Assert.Equal(0, await run.RunAsync([.. arguments, "-o", run.Path("whole.tokens")]));
        await AssertRefusedAsync(run, "is shard 1/3 of a corpus", [run.Path("whole.tokens"), .. parts]);
        run.Write("en/new.txt", "one more");
        Assert.Equal(0, await run.RunAsync([.. arguments, "--shard", "2/3", "-o", parts[1]]));
        await AssertRefusedAsync(run, "different settings, or over files that changed", parts);
        Assert.Equal(1, await run.RunAsync([.. arguments, "--shard", "4/3", "-o", run.Path("x.tokens")]));
        Assert.Contains("--shard is 4/3", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task ShardsOfFoldersThatDiffer_AreRefusedWhateverTheirSizes()
    {
        using var run = new ToolRun();
        foreach (var folder in new[] { "here", "there" })
        {
            run.Write($"{folder}/a/1.txt", "one two three");
            run.Write($"{folder}/a/2.txt", "one two");
        }

        run.Write("other/a/1.txt", "one two three");
        run.Write("other/b/2.txt", "one two");
        run.Write("sizes/a/1.txt", "one two");
        run.Write("sizes/a/2.txt", "one two three");
        foreach (var folder in new[] { "here", "there", "other", "sizes" })
        {
            for (var i = 1; i <= 2; i++) Assert.Equal(0, await run.RunAsync("count", "--words", run.Path(folder), "--shard", $"{i}/2", "-o", run.Path($"{folder}-{i}.tokens")));
        }

        // The same folder may lie elsewhere on another machine.
        Assert.Equal(0, await run.RunAsync("count", "merge", run.Path("here-1.tokens"), run.Path("there-2.tokens"), "-o", run.Path("merged.tokens")));
        await AssertRefusedAsync(run, "different settings, or over files that changed", run.Path("here-1.tokens"), run.Path("other-2.tokens"));
        await AssertRefusedAsync(run, "different settings, or over files that changed", run.Path("here-1.tokens"), run.Path("sizes-2.tokens"));
    }

    [Fact]
    public async Task WholeTables_AddUpWhereTheirTokensAreTheSame()
    {
        using var run = new ToolRun();
        run.Write("a.tokens", "#pinned\t1\n9\t0\t<pad>\n1\t5\ta\n2\t3\tb\n");
        run.Write("b.tokens", "#pinned\t1\n9\t1\t<pad>\n2\t4\tb\n1\t1\ta\n");
        Assert.Equal(0, await run.RunAsync("count", "merge", run.Path("a.tokens"), run.Path("b.tokens"), "-o", run.Path("c.tokens")));
        Assert.Equal("#pinned\t1\n9\t1\t<pad>\n2\t7\tb\n1\t6\ta\n", File.ReadAllText(run.Path("c.tokens")));
        run.Write("d.tokens", "#pinned\t1\n9\t1\t<pad>\n2\t4\tx\n1\t1\ta\n");
        await AssertRefusedAsync(run, "the id 2 is not the same token in both", run.Path("a.tokens"), run.Path("d.tokens"));
        run.Write("e.tokens", "2\t9223372036854775807\tb\n1\t1\ta\n");
        await AssertRefusedAsync(run, "more than 63 bits", run.Path("e.tokens"), run.Path("e.tokens"));
        run.Write("e.domains", "domain\tid\tcount\nx\t1\t1\n");
        await AssertRefusedAsync(run, "has counts by domain, and", run.Path("a.tokens"), run.Path("e.tokens"));
        run.Write("a.domains", "domain\tid\tcount\nx\t1\t5\nx\t2\t1\ny\t2\t2\n");
        Assert.Equal(0, await run.RunAsync("count", "merge", run.Path("a.tokens"), run.Path("a.tokens"), "-o", run.Path("f.tokens")));
        run.Write("a.domains", "domain\tid\tcount\nx\t1\t4\nx\t2\t3\n");
        await AssertRefusedAsync(run, "a.domains does not add up to", run.Path("a.tokens"), run.Path("a.tokens"));
    }

    [Theory]
    [InlineData("--encoding cl100k_base")]
    [InlineData("--words --min-count 2")]
    public async Task AFileThatAShardLeftOut_IsSaidOfTheSum(string options)
    {
        using var run = new ToolRun();
        string[] arguments = ["count", .. options.Split(' '), "--keep-going", WriteTexts(run, "en", 5)];
        File.WriteAllBytes(run.Write("en/9.txt", ""), [(byte)'a', 0xFF]);
        string[] parts = [run.Path("part-1.tokens"), run.Path("part-2.tokens")];
        var codes = new[] { await run.RunAsync([.. arguments, "--shard", "1/2", "-o", parts[0]]), await run.RunAsync([.. arguments, "--shard", "2/2", "-o", parts[1]]) };
        Assert.Equal([0, 3], codes.Order());
        Assert.Equal(3, await run.RunAsync(["count", "merge", .. parts, "-o", run.Path("merged.tokens"), "--json"]));
        Assert.Contains($"1 file could not be read and is not in it, from {parts[Array.IndexOf(codes, 3)]};", run.Error, StringComparison.Ordinal);
        using var json = JsonDocument.Parse(run.Output);
        Assert.Equal(1, json.RootElement.GetProperty("leftOut").GetInt32());
        Assert.Equal(3, await run.RunAsync([.. arguments, "-o", run.Path("whole.tokens")]));
        Assert.Equal(File.ReadAllText(run.Path("whole.tokens")), File.ReadAllText(run.Path("merged.tokens")));

        // One that the walk leaves out, which both shards make, counts once.
        run.Write("en/a.txt", "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12\n");
        for (var i = 0; i < 2; i++) Assert.Equal(3, await run.RunAsync([.. arguments, "--shard", $"{i + 1}/2", "-o", parts[i], "--force"]));
        Assert.Equal(3, await run.RunAsync(["count", "merge", .. parts, "-o", run.Path("merged.tokens"), "--force", "--json"]));
        using var both = JsonDocument.Parse(run.Output);
        Assert.Equal(2, both.RootElement.GetProperty("leftOut").GetInt32());
    }

    private static string WriteTexts(ToolRun run, string folder, int count)
    {
        for (var i = 0; i < count; i++) run.Write($"{folder}/{i}.txt", string.Concat(Enumerable.Range(0, 40 * (i + 1)).Select(j => $"Word{j * i % 23} {folder} <unk> is é{j}.\n")));
        return run.Path(folder);
    }

    private static async Task<string[]> CountShardsAsync(ToolRun run, string[] arguments)
    {
        string[] parts = [.. Enumerable.Range(1, Shards).Select(i => run.Path($"part-{i}.tokens"))];
        for (var i = 1; i <= Shards; i++) Assert.Equal(0, await run.RunAsync([.. arguments, "--shard", $"{i}/{Shards}", "-o", parts[i - 1]]));
        return parts;
    }

    private static async Task AssertRefusedAsync(ToolRun run, string expected, params string[] tables)
    {
        Assert.Equal(1, await run.RunAsync(["count", "merge", .. tables, "-o", run.Path("refused.tokens")]));
        Assert.Contains(expected, run.Error, StringComparison.Ordinal);
        Assert.False(File.Exists(run.Path("refused.tokens")));
    }
}
