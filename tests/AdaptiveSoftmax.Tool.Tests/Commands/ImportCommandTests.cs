using System.Text.Json;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tool.Tests.Commands;

/// <summary>Counts that others made become tables.</summary>
public sealed class ImportCommandTests
{
    [Fact]
    public async Task Words_AreRanked()
    {
        using var run = new ToolRun();
        run.Write("words.txt", "rare 1\nthe 50\r\nNew York\t7\nthe 2\nother 1\n");
        Assert.Equal(0, await run.RunAsync("count", "import", run.Path("words.txt"), "-o", run.Path("x.tokens"), "--min-count", "2", "--front", "<pad>"));
        Assert.Equal("#pinned\t1\n0\t0\t<pad>\n1\t52\tthe\n2\t7\tNew York\n3\t2\t<unk>\n", File.ReadAllText(run.Path("x.tokens")));
        Assert.Contains("Read 4 tokens, of which 1 stand in front whatever their counts, that occur 61 times.", run.Output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("of 1,234")]
    [InlineData("of 5.0")]
    [InlineData("of -5")]
    [InlineData("of 5 ")]
    [InlineData("  5 of")]
    public async Task ALineWithoutACount_IsNamed(string line)
    {
        using var run = new ToolRun();
        run.Write("words.txt", $"the 50\na 7\n{line}\n");
        Assert.Equal(1, await run.RunAsync("count", "import", run.Path("words.txt"), "-o", run.Path("x.tokens")));
        Assert.Contains("words.txt(3): the line has no count behind its token", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task WordsWithoutCounts_KeepTheirOrder()
    {
        using var run = new ToolRun();
        run.Write("words.txt", "b\na\n");
        Assert.Equal(0, await run.RunAsync("count", "import", "--from", "transformer-xl", run.Path("words.txt"), "-o", run.Path("x.tokens")));
        Assert.Equal("0\t0\tb\n1\t0\ta\n", File.ReadAllText(run.Path("x.tokens")));
        Assert.Contains("has no counts", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Tables_GiveDomains()
    {
        using var run = new ToolRun();
        run.Write("a.csv", "lang,word,n\nen,the,5\nfr,le,4\nen,\"a,b\",1\n");
        run.Write("b.csv", "word,n,lang\nthe,2,fr\n");
        string[] arguments = ["count", "import", run.Path("a.csv"), run.Path("b.csv"), "--token-column", "word", "--count-column", "n", "-o", run.Path("x.tokens")];
        Assert.Equal(0, await run.RunAsync([.. arguments, "--domain-column", "lang", "--json"]));
        Assert.Equal("0\t7\tthe\n1\t4\tle\n2\t1\ta,b\n", File.ReadAllText(run.Path("x.tokens")));
        Assert.Equal("domain\tid\tcount\nen\tdocuments\t0\nen\t0\t5\nen\t2\t1\nfr\tdocuments\t0\nfr\t0\t2\nfr\t1\t4\n", File.ReadAllText(run.Path("x.domains")));
        using var json = JsonDocument.Parse(run.Output);
        Assert.Equal(12, json.RootElement.GetProperty("tokens").GetInt64());

        Assert.Equal(1, await run.RunAsync([.. arguments, "--domain-column", "language"]));
        Assert.Contains("has no column \"language\"; its first line names \"lang\", \"word\", \"n\".", run.Error, StringComparison.Ordinal);
        run.Write("b.csv", "word,n,lang\nthe,-2,fr\n");
        Assert.Equal(1, await run.RunAsync(arguments));
        Assert.Contains("row 1 has the count \"-2\"", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Fairseq_KeepsItsIds()
    {
        using var run = new ToolRun();
        run.Write("dict.txt", "the 90\n, 80\nlow 3\nhigh 5\nof 4\nmadeupword0000 0\n");
        Assert.Equal(0, await run.RunAsync("count", "import", "--from", "fairseq", run.Path("dict.txt"), "-o", run.Path("x.tokens")));
        var table = TokenTableReader.Read("x", File.ReadAllText(run.Path("x.tokens"))).Table!;
        Assert.Equal(Enumerable.Range(0, 10), table.Ids.ToArray());
        Assert.Equal([0, 0, 0, 0, 90, 80, 3, 5, 4, 0], table.Counts.ToArray());
        Assert.Equal((4, 7), (table.PinnedCount, table.KeptCount));
        Assert.Equal("</s>"u8, table.GetToken(2));

        run.Write("dict.txt", "the 90\n</s> 80\n");
        Assert.Equal(1, await run.RunAsync("count", "import", "--from", "fairseq", run.Path("dict.txt"), "-o", run.Path("x.tokens")));
        Assert.Contains("dict.txt(2): the token \"</s>\" stands among the special tokens", run.Error, StringComparison.Ordinal);
        run.Write("dict.txt", "the\n");
        Assert.Equal(1, await run.RunAsync("count", "import", "--from", "fairseq", run.Path("dict.txt"), "-o", run.Path("x.tokens")));
        Assert.Contains("has no count behind its token", run.Error, StringComparison.Ordinal);
        Assert.Equal(1, await run.RunAsync("count", "import", "--from", "fairseq", "--min-count", "2", run.Path("dict.txt"), "-o", run.Path("x.tokens")));
        Assert.Contains("keeps all rows as they are", run.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("transformer-xl")]
    [InlineData("fairseq")]
    [InlineData("words")]
    [InlineData("csv")]
    public async Task WhatStandsInForTheFile_IsNoVocabulary(string format)
    {
        using var run = new ToolRun();
        foreach (var (text, what) in new[] { ("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12\n", "git lfs pull"), ("<!doctype html>\n<html>\n<body>404</body>\n", "a web page") })
        {
            Assert.Equal(1, await run.RunAsync("count", "import", "--from", format, run.Write("vocab.txt", text), "-o", run.Path("x.tokens")));
            Assert.Contains(what, run.Error, StringComparison.Ordinal);
            Assert.False(File.Exists(run.Path("x.tokens")));
        }
    }

    [Fact]
    public async Task TransformerXl_KeepsItsSpecialRowsInFront()
    {
        using var run = new ToolRun();
        run.Write("vocab.txt", "<eos> 5\n<unk> 0\nthe 90\nof 40\nrare 40\n");
        Assert.Equal(0, await run.RunAsync("count", "import", "--from", "transformer-xl", run.Path("vocab.txt"), "-o", run.Path("x.tokens")));
        Assert.Equal("#pinned\t2\n0\t5\t<eos>\n1\t0\t<unk>\n2\t90\tthe\n3\t40\tof\n4\t40\trare\n", File.ReadAllText(run.Path("x.tokens")));
    }
}
