using System.IO.Compression;
using System.Text.Json;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tool.Tests.Commands;

public sealed class CountCommandTests
{
    [Fact]
    public async Task Text_BecomesATokenTable()
    {
        using var run = new ToolRun();
        run.Write("news/a.txt", "the cat the dog the");
        run.Write("news/b.txt", "the");

        Assert.Equal(0, await run.RunAsync("count", run.Path("news"), "-o", run.Path("news.tokens")));

        Assert.Contains("Counted 8 tokens in 2 documents of 2 files", run.Output, StringComparison.Ordinal);
        Assert.Contains("5 of the 200,019 tokens of o200k_base occur", run.Output, StringComparison.Ordinal);
        Assert.Empty(run.Error);
        var table = ReadTable(run.Path("news.tokens"));
        Assert.Equal(200_019, table.Count);
        Assert.Equal(" the"u8, table.GetToken(0));
        Assert.Equal([2, 2, 2, 1, 1, 0], table.Counts[..6].ToArray());
        Assert.Equal(["news.tokens", Path.Combine("news", "a.txt"), Path.Combine("news", "b.txt")], run.Files);
    }

    [Fact]
    public async Task Include_ChoosesFiles()
    {
        using var run = new ToolRun();
        run.Write("docs/a.md", "text");
        run.Write("docs/b.bin", "\0");

        Assert.Equal(0, await run.RunAsync("count", run.Path("docs"), "--include", "*.md", "--encoding", "cl100k_base", "-o", run.Path("x.tokens")));
        Assert.Equal(100_277, ReadTable(run.Path("x.tokens")).Count);
    }

    [Fact]
    public async Task TiktokenFile_IsAnEncoding()
    {
        using var run = new ToolRun();
        run.Write("bytes.tiktoken", string.Concat(Enumerable.Range(0, 256).Select(value => $"{Convert.ToBase64String([(byte)value])} {value}\n")));
        run.Write("text", "ab");

        Assert.Equal(0, await run.RunAsync("count", run.Path("text"), "-e", run.Path("bytes.tiktoken"), "--split", "gpt2", "--special", "<|endoftext|>=256", "-o", run.Path("x.tokens")));
        Assert.Contains("3 of the 257 tokens of bytes occur", run.Output, StringComparison.Ordinal);
        Assert.Contains("bytes has the special tokens <|endoftext|>=256; text is split like gpt2; <|endoftext|> ends a document.", run.Error, StringComparison.Ordinal);

        Assert.Equal(0, await run.RunAsync("count", run.Path("text"), "-e", run.Path("bytes.tiktoken"), "--split", "gpt2", "-o", run.Path("x.tokens")));
        Assert.Contains("2 of the 256 tokens of bytes occur", run.Output, StringComparison.Ordinal);
        Assert.Contains("bytes has no special tokens; text is split like gpt2; no token ends a document", run.Error, StringComparison.Ordinal);

        Assert.Equal(1, await run.RunAsync("count", run.Path("text"), "-e", run.Path("bytes.tiktoken"), "-o", run.Path("x.tokens")));
        Assert.Contains("does not say how text is split", run.Error, StringComparison.Ordinal);
        Assert.Equal(1, await run.RunAsync("count", run.Path("text"), "-e", run.Path("bytes.tiktoken"), "--split", "gpt2", "--special", "<|endoftext|>=1,000", "-o", run.Path("x.tokens")));
        Assert.Contains("--special is <|endoftext|>=1,000; give a name and an id", run.Error, StringComparison.Ordinal);
        Assert.Equal(1, await run.RunAsync("count", run.Path("text"), "--split", "gpt2", "-o", run.Path("x.tokens")));
        Assert.Contains("go with a rank file; o200k_base brings its own.", run.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("", "is empty")]
    [InlineData("\ufeff", "is empty")]
    public async Task NoText_IsAnErrorAndLeavesNoFile(string text, string expected)
    {
        using var run = new ToolRun();
        run.Write("a.txt", text);
        Assert.Equal(1, await run.RunAsync("count", run.Path("a.txt"), "-o", run.Path("x.tokens")));
        Assert.Contains(expected, run.Error, StringComparison.Ordinal);
        run.Write("A.xml", "<doc><members/></doc>");
        Assert.Equal(1, await run.RunAsync("count", "-f", "xmldoc", run.Path("A.xml"), "-o", run.Path("x.tokens")));
        Assert.Contains("There is no text in the 1 files", run.Error, StringComparison.Ordinal);
        Assert.Equal(["A.xml", "a.txt"], run.Files);
    }

    [Fact]
    public async Task WhatIsLeftOut_IsNamed()
    {
        using var run = new ToolRun();
        run.Write("texts/a.txt", "text");
        run.Write("texts/b.jsonl", "{\"text\":\"hello world\"}\n");
        run.Write("texts/empty", "");
        Assert.Equal(0, await run.RunAsync("count", run.Path("texts"), "-o", run.Path("x.tokens")));
        Assert.Contains("in 1 documents of 1 files", run.Output, StringComparison.Ordinal);
        Assert.Contains($"note: left out: {run.Path("texts/b.jsonl")} is JSON", run.Error, StringComparison.Ordinal);
        Assert.Contains($"note: left out: {run.Path("texts/empty")} is empty.", run.Error, StringComparison.Ordinal);
        Assert.Equal(0, await run.RunAsync("count", "--raw", run.Path("texts"), "-o", run.Path("x.tokens")));
        Assert.Contains("in 2 documents of 2 files", run.Output, StringComparison.Ordinal);
        Assert.Equal(1, await run.RunAsync("count", run.Path("texts/b.jsonl"), "-o", run.Path("y.tokens")));
        Assert.Contains("--raw", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task XmlDocumentation_IsCountedByMembers()
    {
        using var run = new ToolRun();
        run.Write("A.xml", "<doc><members><member name='T:A'><summary>Word.</summary></member><member name='T:B'><summary>Word.</summary></member></members></doc>");

        Assert.Equal(0, await run.RunAsync("count", "--format", "xmldoc", run.Path("A.xml"), "-o", run.Path("x.tokens")));
        Assert.Contains("in 2 documents of 1 files", run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task SdkPacks_ComeBeforeThePaths()
    {
        using var run = new ToolRun();
        run.Write("packs/Microsoft.NETCore.App.Ref/10.0.1/ref/net10.0/System.Runtime.xml", "<doc><members><member name='T:A'><summary>Word.</summary></member></members></doc>");
        run.Write("text", "more");

        Assert.Equal(0, await run.RunAsync("count", "--sdk-packs", run.Path("packs"), run.Path("text"), "-o", run.Path("x.tokens")));
        Assert.Contains("in 2 documents of 2 files", run.Output, StringComparison.Ordinal);

        Assert.Equal(1, await run.RunAsync("count", "--sdk-packs", run.Path("none"), "-o", run.Path("y.tokens")));
        Assert.Contains("No Microsoft.NETCore.App.Ref", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Table_IsTheSameForAnyNumberOfThreads()
    {
        using var run = new ToolRun();
        for (var i = 0; i < 30; i++) run.Write($"news/{i}.txt", string.Concat(Enumerable.Range(0, 2000).Select(j => $"{i * j} words in line {j}\n")));

        foreach (var threads in new[] { "1", "2", "7" }) Assert.Equal(0, await run.RunAsync("count", run.Path("news"), "--threads", threads, "-o", run.Path(threads)));

        Assert.Equal(File.ReadAllBytes(run.Path("1")), File.ReadAllBytes(run.Path("2")));
        Assert.Equal(File.ReadAllBytes(run.Path("1")), File.ReadAllBytes(run.Path("7")));
    }

    [Fact]
    public async Task Cancellation_LeavesTheFilesAsTheyWere()
    {
        using var run = new ToolRun();
        run.Write("text", "text");
        run.Write("x.tokens", "0\t1\ta\n1\t1\tb\n");

        Assert.Equal(130, await run.RunAsync(new CancellationToken(canceled: true), "count", run.Path("text"), "-o", run.Path("x.tokens")));
        Assert.Contains("cancelled; no file was written", run.Error, StringComparison.Ordinal);
        Assert.Equal(["text", "x.tokens"], run.Files);
        Assert.Equal("0\t1\ta\n1\t1\tb\n", File.ReadAllText(run.Path("x.tokens")));
    }

    [Fact]
    public async Task FileThatIsNotText_IsAnErrorAndLeavesNoFile()
    {
        using var run = new ToolRun();
        run.Write("a.txt", "text");
        run.Write("b.png", "\u0001\0");

        Assert.Equal(1, await run.RunAsync("count", run.Folder, "-o", run.Path("x.tokens")));
        Assert.Contains($"error: {run.Path("b.png")} is not text", run.Error, StringComparison.Ordinal);
        Assert.Equal(["a.txt", "b.png"], run.Files);
    }

    [Fact]
    public async Task WrongOutput_IsFoundBeforeTheWork()
    {
        using var run = new ToolRun();

        Assert.Equal(1, await run.RunAsync("count", "no/such/text", "-o", run.Path("none/x.tokens")));
        Assert.Contains("does not exist; create it", run.Error, StringComparison.Ordinal);
        Assert.Equal(1, await run.RunAsync("count", "no/such/text", "-o", run.Folder));
        Assert.Contains("is a folder", run.Error, StringComparison.Ordinal);
        Assert.Equal(1, await run.RunAsync("count", "no/such/text", "-o", run.Path("x.tokens")));
        Assert.Contains("no/such/text does not exist", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Fields_AreCountedInsteadOfData()
    {
        using var run = new ToolRun();
        run.Write("texts/a.jsonl", "{\"text\":\"hello world\"}\n{\"text\":\"hello\"}\n");
        run.Write("texts/b.csv", "id,text\n1,hello world\n");
        run.Write("texts/c.txt", "hello");
        Assert.Equal(0, await run.RunAsync("count", "--field", "text", run.Path("texts"), "-o", run.Path("x.tokens"), "--json"));
        using var json = JsonDocument.Parse(run.Output);
        Assert.Equal(4, json.RootElement.GetProperty("documents").GetInt64());
        Assert.Equal(10, json.RootElement.GetProperty("tokens").GetInt64());
        Assert.Equal(3, json.RootElement.GetProperty("distinctTokens").GetInt32());
        Assert.Equal(1, await run.RunAsync("count", "--format", "csv", run.Path("texts/b.csv"), "-o", run.Path("y.tokens")));
        Assert.Contains("--format csv has fields; give --field", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task KeepGoing_CountsTheRestAndSaysSo()
    {
        using var run = new ToolRun();
        run.Write("texts/a.txt", "hello");
        run.Write("texts/b.bin", "\u0001\0");
        Assert.Equal(1, await run.RunAsync("count", run.Path("texts"), "-o", run.Path("x.tokens")));
        Assert.Equal(3, await run.RunAsync("count", "--keep-going", run.Path("texts"), run.Path("none"), "-o", run.Path("x.tokens"), "--json"));
        Assert.Contains($"note: left out: {run.Path("none")} does not exist", run.Error, StringComparison.Ordinal);
        Assert.Contains($"note: left out: {run.Path("texts/b.bin")} is not text", run.Error, StringComparison.Ordinal);
        using var json = JsonDocument.Parse(run.Output);
        Assert.Equal(1, json.RootElement.GetProperty("files").GetInt32());
        Assert.Equal(2, json.RootElement.GetProperty("leftOut").GetArrayLength());
        Assert.Equal(2, json.RootElement.GetProperty("tokens").GetInt64());
    }

    [Fact]
    public async Task Domains_StandBesideTheTable()
    {
        using var run = new ToolRun();
        run.Write("news/a.txt", "the cat the");
        run.Write("code/a.txt", "the");
        string[] arguments = ["count", "--domain", $"en={run.Path("news")}", "--domain", $"code={run.Path("code")}", "-o", run.Path("x.tokens"), "--threads"];
        Assert.Equal(0, await run.RunAsync([.. arguments, "1"]));
        Assert.Contains("en: 4 tokens in 1 documents, 4 different ones.", run.Output, StringComparison.Ordinal);
        var domains = File.ReadAllText(run.Path("x.domains"));
        Assert.StartsWith("domain\tid\tcount\ncode\tdocuments\t1\ncode\t", domains, StringComparison.Ordinal);
        var table = ReadTable(run.Path("x.tokens"));
        var read = DomainTable.Read("x", domains);
        Assert.Equal([2, 4], read.Select(domain => domain.Tokens));
        Assert.Equal(2, read.Sum(domain => domain.Counts[domain.Ids.IndexOf(table.GetId(table.Counts.IndexOf(2)))]));
        Assert.Equal(0, await run.RunAsync([.. arguments, "5"]));
        Assert.Equal(domains, File.ReadAllText(run.Path("x.domains")));

        Assert.Equal(1, await run.RunAsync("count", "--domain", "en", "-o", run.Path("x.tokens")));
        Assert.Contains("--domain is en; give a name and a path", run.Error, StringComparison.Ordinal);
        Assert.Equal(1, await run.RunAsync("count", "--domain", $"en={run.Path("news")}", run.Path("code"), "-o", run.Path("x.tokens")));
        Assert.Contains("all text belongs to one", run.Error, StringComparison.Ordinal);
        Assert.Equal(0, await run.RunAsync("count", run.Path("code"), "-o", run.Path("x.tokens")));
        Assert.Contains("x.domains is of an earlier count", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task DomainsThatAreRead_AreNotWrittenOver()
    {
        using var run = new ToolRun();
        const string Text = "domain\tid\tcount\nen\t0\t7\n";
        run.Write("x.domains", Text);
        Assert.Equal(1, await run.RunAsync("count", "--raw", "--domain", $"x={run.Path("x.domains")}", "-o", run.Path("x.tokens")));
        Assert.Contains("x.domains is what is read, and would be lost", run.Error, StringComparison.Ordinal);
        Assert.Equal(Text, File.ReadAllText(run.Path("x.domains")));
    }

    [Fact]
    public async Task Words_AreRankedAndRareOnesAreUnknown()
    {
        using var run = new ToolRun();
        run.Write("a.txt", "The cat the dog  the\n\tcat <unk> bird");
        run.Write("b.txt", "THE");
        Assert.Equal(0, await run.RunAsync("count", "--words", "--lower-case", "--min-count", "2", "--end-of-text", "<eos>", run.Path("a.txt"), run.Path("b.txt"), "-o", run.Path("x.tokens")));
        Assert.Equal("0\t4\tthe\n1\t3\t<unk>\n2\t2\t<eos>\n3\t2\tcat\n", File.ReadAllText(run.Path("x.tokens")));
        Assert.Equal(0, await run.RunAsync("count", "--words", run.Path("b.txt"), run.Path("a.txt"), "-o", run.Path("x.tokens")));
        Assert.Equal("0\t2\tcat\n1\t2\tthe\n2\t1\t<unk>\n3\t1\tTHE\n4\t1\tThe\n5\t1\tbird\n6\t1\tdog\n", File.ReadAllText(run.Path("x.tokens")));
        Assert.Equal(1, await run.RunAsync("count", "--words", run.Path("b.txt"), "-o", run.Path("x.tokens")));
        Assert.Contains("only one word", run.Error, StringComparison.Ordinal);
        Assert.Equal(1, await run.RunAsync("count", "--min-count", "2", run.Path("b.txt"), "-o", run.Path("x.tokens")));
        Assert.Contains("go with --words", run.Error, StringComparison.Ordinal);
        Assert.Equal(1, await run.RunAsync("count", "--words", "--front", "<s>", "--front", "<s>", run.Path("a.txt"), "-o", run.Path("x.tokens")));
        Assert.Contains("--front gives a token twice", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task StandardInput_IsReadLikeAFile()
    {
        using var run = new ToolRun();
        using var compressed = new MemoryStream();
        using (var gzip = new GZipStream(compressed, CompressionLevel.Fastest)) gzip.Write("{\"text\":\"the cat\"}\n{\"text\":\"the\"}\n"u8);
        foreach (var (input, field) in new[] { ("the cat\nthe"u8.ToArray(), ""), (compressed.ToArray(), "text") })
        {
            string[] arguments = ["count", "--words", "-", .. field.Length > 0 ? ["--field", field] : Array.Empty<string>(), "-o", run.Path("x.tokens")];
            var (code, _, error) = await ToolProcess.RunAsync(arguments, input: input);
            Assert.True(code == 0, error);
            Assert.Equal("0\t2\tthe\n1\t1\tcat\n", File.ReadAllText(run.Path("x.tokens")));
        }

        var parquet = await ToolProcess.RunAsync(["count", "-", "--field", "text", "-o", run.Path("y.tokens")], input: [.. "PAR1"u8, .. new byte[20]]);
        Assert.Equal(1, parquet.Code);
        Assert.Contains("write it to a file and give that", parquet.Error, StringComparison.Ordinal);
    }

    private static TokenTable ReadTable(string path)
    {
        var read = TokenTableReader.Read(path, File.ReadAllText(path));
        Assert.Empty(read.Errors);
        return read.Table!;
    }
}
