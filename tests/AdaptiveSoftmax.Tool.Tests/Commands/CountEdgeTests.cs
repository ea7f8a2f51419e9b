using System.IO.Compression;

namespace AdaptiveSoftmax.Tool.Tests.Commands;

/// <summary>What counting, adding up and importing do at their edges, each held against a table written by hand.</summary>
public sealed class CountEdgeTests
{
    private const string Table = "x.tokens";

    [Theory]
    [InlineData("the the the", "--min-count 2 --end-of-text <eos>", "0\t3\tthe\n1\t1\t<eos>\n2\t0\t<unk>\n")]
    [InlineData("the the the rare", "--min-count 2 --front <unk>", "#pinned\t1\n0\t1\t<unk>\n1\t3\tthe\n")]
    [InlineData("the the <eos>", "--end-of-text <eos>", "0\t2\t<eos>\n1\t2\tthe\n")]
    [InlineData("\ud83d\ude00 \uff5e", "", "0\t1\t\\xEF\\xBD\\x9E\n1\t1\t\\xF0\\x9F\\x98\\x80\n")]
    public async Task Words_BecomeTokensByTheirRules(string text, string options, string expected)
    {
        using var run = new ToolRun();
        run.Write("a.txt", text);
        Assert.Equal(0, await run.RunAsync(["count", "--words", .. Split(options), run.Path("a.txt"), "-o", run.Path(Table)]));
        Assert.Equal(expected, File.ReadAllText(run.Path(Table)));
    }

    [Fact]
    public async Task RareWordsOfADomain_AreItsUnknownOnes()
    {
        using var run = new ToolRun();
        run.Write("en/a.txt", "the the rare");
        Assert.Equal(0, await run.RunAsync("count", "--words", "--min-count", "2", "--domain", $"en={run.Path("en")}", "-o", run.Path(Table)));
        Assert.Equal("0\t2\tthe\n1\t1\t<unk>\n", File.ReadAllText(run.Path(Table)));
        Assert.Equal("domain\tid\tcount\nen\tdocuments\t1\nen\t0\t2\nen\t1\t1\n", File.ReadAllText(run.Path("x.domains")));
    }

    [Fact]
    public async Task SmallFilesAroundALargeOne_AreCountedAll()
    {
        using var run = new ToolRun();
        run.Write("in/1.txt", "a b");
        run.Write("in/2.txt", string.Concat(Enumerable.Repeat("big ", 100_000)));
        run.Write("in/3.txt", "c");
        Assert.Equal(0, await run.RunAsync("count", "--words", run.Path("in"), "-o", run.Path(Table)));
        Assert.Equal("0\t100000\tbig\n1\t1\ta\n2\t1\tb\n3\t1\tc\n", File.ReadAllText(run.Path(Table)));
    }

    [Fact]
    public async Task ALargeFileThatIsBrokenAtItsEnd_IsLeftOutWhole()
    {
        using var run = new ToolRun();
        run.Write("in/good.txt", "the cat");
        File.WriteAllBytes(run.Write("in/bad.txt", ""), [.. Enumerable.Range(0, 400_000).Select(i => (byte)(i % 5 == 4 ? ' ' : 'w')), 0xFF]);
        Assert.Equal(3, await run.RunAsync("count", "--words", "--keep-going", run.Path("in"), "-o", run.Path(Table)));
        Assert.Equal("0\t1\tcat\n1\t1\tthe\n", File.ReadAllText(run.Path(Table)));
    }

    [Theory]
    [InlineData("--shard 0/3", "--shard is 0/3")]
    [InlineData("--domain en=", "--domain is en=; give a name and a path")]
    [InlineData("--domain en=in --sdk-docs", "all text belongs to one")]
    public async Task WhatCannotBeCounted_IsSaid(string options, string expected)
    {
        using var run = new ToolRun();
        string[] paths = options.Contains("--domain", StringComparison.Ordinal) ? [] : [run.Write("in/a.txt", "a b")];
        Assert.Equal(1, await run.RunAsync(["count", .. Split(options), .. paths, "-o", run.Path(Table)]));
        Assert.Contains(expected, run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task WordsWithoutAny_AreNoText()
    {
        using var run = new ToolRun();
        run.Write("a.txt", " \n");
        Assert.Equal(1, await run.RunAsync("count", "--words", "--end-of-text", "<eos>", run.Path("a.txt"), "-o", run.Path(Table)));
        Assert.Contains("There is no text", run.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("1\t5\ta\n2\t3\tb\n3\t1\tc\n", "1\t5\ta\n2\t3\tb\n", "one has 3 tokens and the other 2")]
    [InlineData("#pinned\t1\n1\t0\ta\n2\t3\tb\n", "#pinned\t1\n2\t0\tb\n1\t5\ta\n", "they pin different tokens to the front")]
    [InlineData("#pinned\t1\n#kept\t2\n1\t0\ta\n2\t3\tb\n3\t1\tc\n", "#pinned\t1\n#kept\t2\n1\t0\ta\n3\t1\tc\n2\t1\tb\n", "they keep tokens in different places")]
    [InlineData("#shard\t1/1\tx\t3\tlines\t1\t\t\t\n0\t5\ta\n1\t3\tb\n", "1\t5\ta\n2\t3\tb\n", "does not say which part of a corpus was counted")]
    public async Task TablesThatDoNotGoTogether_AreRefused(string first, string second, string expected)
    {
        using var run = new ToolRun();
        Assert.Equal(1, await run.RunAsync("count", "merge", run.Write("a.tokens", first), run.Write("b.tokens", second), "-o", run.Path(Table)));
        Assert.Contains(expected, run.Error, StringComparison.Ordinal);
        Assert.False(File.Exists(run.Path(Table)));
    }

    [Fact]
    public async Task WhatStandsInItsPlace_StaysThereWhenCountsAreAddedUp()
    {
        using var run = new ToolRun();
        run.Write("a.tokens", "#pinned\t1\n#kept\t2\n1\t0\ta\n2\t3\tb\n3\t9\tc\n");
        Assert.Equal(0, await run.RunAsync("count", "merge", run.Path("a.tokens"), run.Path("a.tokens"), "-o", run.Path(Table)));
        Assert.Equal("#pinned\t1\n#kept\t2\n1\t0\ta\n2\t6\tb\n3\t18\tc\n", File.ReadAllText(run.Path(Table)));
    }

    [Fact]
    public async Task ShardsOfTwoRuns_AreRefused()
    {
        using var run = new ToolRun();
        run.Write("in/a.txt", "one two");
        run.Write("in/b.txt", "one");
        foreach (var (shard, minimum, name) in new[] { ("1/3", "1", "a"), ("2/2", "1", "b"), ("1/2", "2", "c") })
            Assert.Equal(0, await run.RunAsync("count", "--words", "--min-count", minimum, run.Path("in"), "--shard", shard, "-o", run.Path($"{name}.tokens")));
        Assert.Equal(1, await run.RunAsync("count", "merge", run.Path("a.tokens"), run.Path("b.tokens"), "-o", run.Path(Table)));
        Assert.Contains("they are of two runs", run.Error, StringComparison.Ordinal);
        Assert.Equal(1, await run.RunAsync("count", "merge", run.Path("b.tokens"), run.Path("c.tokens"), "-o", run.Path(Table)));
        Assert.Contains("different settings", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task WhatIsAddedUp_IsNotWrittenOver()
    {
        using var run = new ToolRun();
        run.Write("a.tokens", "1\t5\ta\n2\t3\tb\n");
        run.Write("b", "1\t5\ta\n2\t3\tb\n");
        Assert.Equal(1, await run.RunAsync("count", "merge", run.Path("a.tokens"), "-o", run.Path("a.tokens"), "--force"));
        Assert.Contains("would be lost", run.Error, StringComparison.Ordinal);
        run.Write("b.domains", "domain\tid\tcount\nx\t1\t5\nx\t2\t3\n");
        Assert.Equal(1, await run.RunAsync("count", "merge", run.Path("b"), "-o", run.Path("b.tokens"), "--force"));
        Assert.Contains("would be lost", run.Error, StringComparison.Ordinal);
        run.Write("x.domains", "domain\tid\tcount\nx\t1\t5\n");
        Assert.Equal(0, await run.RunAsync("count", "merge", run.Path("a.tokens"), "-o", run.Path(Table)));
        Assert.Contains("x.domains is of an earlier count", run.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("fairseq", "a 0\nb 0\n", "#pinned\t4\n0\t0\t<s>\n1\t0\t<pad>\n2\t0\t</s>\n3\t0\t<unk>\n4\t0\ta\n5\t0\tb\n")]
    [InlineData("fairseq", "a 9\nb 3 #fairseq:overwrite\n", "#pinned\t4\n0\t0\t<s>\n1\t0\t<pad>\n2\t0\t</s>\n3\t0\t<unk>\n4\t9\ta\n5\t3\tb\n")]
    [InlineData("words", "the 5\na 2", "0\t5\tthe\n1\t2\ta\n")]
    public async Task Lists_BecomeTables(string format, string text, string expected)
    {
        using var run = new ToolRun();
        Assert.Equal(0, await run.RunAsync("count", "import", "--from", format, run.Write("list.txt", text), "-o", run.Path(Table)));
        Assert.Equal(expected, File.ReadAllText(run.Path(Table)));
    }

    [Fact]
    public async Task CompressedTables_AreKnownByTheNameWithin()
    {
        using var run = new ToolRun();
        using (var gzip = new GZipStream(File.Create(run.Path("a.csv.gz")), CompressionLevel.Fastest)) gzip.Write("token,count\nthe,5\na,2\n"u8);
        Assert.Equal(0, await run.RunAsync("count", "import", run.Path("a.csv.gz"), "-o", run.Path(Table)));
        Assert.Equal("0\t5\tthe\n1\t2\ta\n", File.ReadAllText(run.Path(Table)));
    }

    [Theory]
    [InlineData("the 5\na 2\n", "--min-count 0", "must be at least 1")]
    [InlineData("the 5\na 2\n", "--front x --front x", "stands in front twice")]
    [InlineData("the 5\n", "", "There are fewer than 2 tokens")]
    [InlineData("the 5\n", "--from transformer-xl", "list.txt has fewer than 2 tokens")]
    [InlineData("the 5\n 5\n", "", "list.txt(2): the line has no count behind its token")]
    public async Task ListsThatMakeNoVocabulary_AreRefused(string text, string options, string expected)
    {
        using var run = new ToolRun();
        Assert.Equal(1, await run.RunAsync(["count", "import", .. Split(options), run.Write("list.txt", text), "-o", run.Path(Table)]));
        Assert.Contains(expected, run.Error, StringComparison.Ordinal);
        Assert.False(File.Exists(run.Path(Table)));
    }

    [Fact]
    public async Task TwoOrderedVocabularies_AreRefused()
    {
        using var run = new ToolRun();
        run.Write("dict.txt", "the 90\na 3\n");
        Assert.Equal(1, await run.RunAsync("count", "import", "--from", "fairseq", run.Path("dict.txt"), run.Path("dict.txt"), "-o", run.Path(Table)));
        Assert.Contains("is one file; give one", run.Error, StringComparison.Ordinal);
        run.Write("dict.txt", "the 90\n, 80\nlow 3\nhigh 5\n");
        Assert.Equal(0, await run.RunAsync("count", "import", "--from", "fairseq", run.Path("dict.txt"), "-o", run.Path(Table)));
        Assert.Contains("of which 4 stand in front whatever their counts and the first 7 keep their places", run.Output, StringComparison.Ordinal);
    }

    private static string[] Split(string options) => options.Split(' ', StringSplitOptions.RemoveEmptyEntries);
}
