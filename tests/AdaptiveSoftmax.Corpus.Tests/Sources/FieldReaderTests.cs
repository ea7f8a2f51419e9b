using System.IO.Compression;
using System.Text;
using Parquet;
using Parquet.Schema;

namespace AdaptiveSoftmax.Corpus.Tests.Sources;

/// <summary>Text in the fields of JSON lines, CSV and Parquet, and in compressed files.</summary>
public sealed class FieldReaderTests
{
    [Fact]
    public void JsonLines_GiveTheirFields()
    {
        using var folder = new TemporaryFolder();
        var path = folder.Write("a.jsonl", "\ufeff{\"text\":\"one\",\"n\":1}\r\n\n{\"meta\":{\"title\":\"T\"},\"text\":\"two\\nlines\"}\n{\"n\":3}\n{\"text\":null}\n{\"text\":\"last\"}");
        Assert.Equal(["one", "T\ntwo\nlines", "last"], Read(path, "meta.title", "text"));
    }

    [Fact]
    public void JsonArrays_GiveEachOfTheirTexts()
    {
        using var folder = new TemporaryFolder();
        var path = folder.Write("a.jsonl", """{"messages":[{"role":"u","content":"hi"},{"role":"a","content":"ho"}],"tags":["x","y"],"a.b":{"c.d":"dots"}}""");
        Assert.Equal(["hi\nho\nx\ny\ndots"], Read(path, "messages.content", "tags", "a.b.c.d"));
    }

    [Theory]
    [InlineData("{\"text\":\"a\"}\n{\"text\":", "(2): the line is not one whole JSON value")]
    [InlineData("{\"text\":5}", "(1): the line has no text in text, but a number")]
    [InlineData("{\"text\":\"\\ud800\"}", "(1): the line holds a text that is not Unicode")]
    [InlineData("{\"txt\":\"a\"}", "has no \"text\" in any line; there are \"txt\"")]
    [InlineData("[1]", "(1): the line is no JSON object")]
    public void JsonLinesWithFaults_AreSaidWithTheirLine(string text, string expected)
    {
        using var folder = new TemporaryFolder();
        var path = folder.Write("a.jsonl", text);
        Assert.StartsWith(path + (expected.StartsWith('(') ? "" : " ") + expected, Assert.Throws<CorpusException>(() => Read(path, "text")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void CsvRows_GiveTheirColumns()
    {
        using var folder = new TemporaryFolder();
        var csv = folder.Write("a.csv", "id,text,title\n1,\"two, with \"\"quotes\"\"\nand lines\",T\n2,#plain,\n");
        Assert.Equal(["T\ntwo, with \"quotes\"\nand lines", "#plain"], Read(csv, "title", "text").Select(text => text.Replace("\r", "", StringComparison.Ordinal)));
        var tsv = folder.Write("a.tsv", "text\tid\na,b\t1\n");
        Assert.Equal(["a,b"], Read(tsv, "text"));
    }

    [Theory]
    [InlineData("a,b\n1\n", "a", "row 1 has 1 values, and there are 2 columns")]
    [InlineData("a,b\n1,2\n", "c", "has no column \"c\"; its first line names \"a\", \"b\"")]
    [InlineData("a,a\n1,2\n", "a", "has two columns \"a\"")]
    public void CsvWithFaults_IsSaid(string text, string column, string expected)
    {
        using var folder = new TemporaryFolder();
        var path = folder.Write("a.csv", text);
        Assert.Contains(expected, Assert.Throws<CorpusException>(() => Read(path, column)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task ParquetColumns_GiveTheirTexts()
    {
        using var folder = new TemporaryFolder();
        var path = folder.Write("a.parquet", "");
        await WriteParquetAsync(path);
        Assert.Equal(["one", "three", "four"], Read(path, "text"));
        Assert.Contains("has no column \"txt\"; there are \"text\", \"n\"", Assert.Throws<CorpusException>(() => Read(path, "txt")).Message, StringComparison.Ordinal);
        Assert.Contains("holds no text, but Int64", Assert.Throws<CorpusException>(() => Read(path, "n")).Message, StringComparison.Ordinal);
        var bytes = await File.ReadAllBytesAsync(path, TestContext.Current.CancellationToken);
        await File.WriteAllBytesAsync(path, bytes[..^20], TestContext.Current.CancellationToken);
        Assert.Contains("cannot be read as Parquet", Assert.Throws<CorpusException>(() => Read(path, "text")).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(".gz")]
    [InlineData(".zst")]
    public void CompressedFiles_AreReadLikeOthers(string suffix)
    {
        using var folder = new TemporaryFolder();
        var text = string.Concat(Enumerable.Range(0, 5000).Select(i => $"line {i}\n"));
        var path = folder.Write("a.txt" + suffix, "");
        File.WriteAllBytes(path, Compress(Encoding.UTF8.GetBytes(text[..20_000]), suffix).Concat(Compress(Encoding.UTF8.GetBytes(text[20_000..]), suffix)).ToArray());
        Assert.Equal(text, string.Concat(Read(path)));

        var lines = folder.Write("b.jsonl" + suffix, "");
        File.WriteAllBytes(lines, Compress("{\"text\":\"one\"}\n"u8.ToArray(), suffix));
        Assert.Equal(["one"], Read(lines, "text"));
        Assert.Contains("is JSON", Assert.Throws<CorpusException>(() => CorpusFiles.Find([lines])).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(".gz")]
    [InlineData(".zst")]
    public void CompressedFilesThatAreCutShort_AreErrors(string suffix)
    {
        using var folder = new TemporaryFolder();
        var random = new byte[200_000];
        new Random(1).NextBytes(random);
        var whole = Compress(Encoding.ASCII.GetBytes(Convert.ToBase64String(random)), suffix);
        var path = folder.Write("a.txt" + suffix, "");
        File.WriteAllBytes(path, whole[..(whole.Length / 2)]);
        var message = Assert.Throws<CorpusException>(() => Read(path)).Message;
        Assert.StartsWith(path + " is compressed, and broken or cut short", message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(".gz")]
    [InlineData(".zst")]
    public void CompressedFilesWithSomethingBehindThem_AreErrors(string suffix)
    {
        using var folder = new TemporaryFolder();
        var whole = Compress("a text\n"u8.ToArray(), suffix);
        var path = folder.Write("a.txt" + suffix, "");
        File.WriteAllBytes(path, [.. whole, .. "more text that nobody compressed\n"u8]);
        Assert.StartsWith(path + " is compressed, and broken or cut short", Assert.Throws<CorpusException>(() => Read(path)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void KeepGoing_LeavesOutWhatCannotBeRead()
    {
        using var folder = new TemporaryFolder();
        folder.Write("texts/a.txt", "one two");
        File.WriteAllBytes(folder.Write("texts/b.txt", ""), [.. "good start "u8, 0xFF, 0xFE, .. "rest"u8]);
        folder.Write("texts/c.txt", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n");
        folder.Write("texts/d.txt", "three");
        var large = folder.Write("texts/e.txt", "");
        File.WriteAllBytes(large, [.. Encoding.ASCII.GetBytes(string.Concat(Enumerable.Repeat("words and lines\n", 40_000))), 0]);
        var root = Path.GetDirectoryName(large)!;

        Assert.Throws<CorpusException>(() => CorpusFiles.Find([root]));
        var found = CorpusFiles.Find([root, Path.Combine(root, "none")], new CorpusSearch { KeepGoing = true });
        Assert.Equal(["c.txt", "none"], found.LeftOut.Where(path => path.IsFault).Select(path => Path.GetFileName(path.Path)));
        Assert.Contains("git lfs pull", found.LeftOut[0].Reason, StringComparison.Ordinal);

        var tokenizer = CorpusTokenizer.Create("cl100k_base");
        Assert.Throws<CorpusException>(() => tokenizer.CountDomains(found.Files, cancellationToken: TestContext.Current.CancellationToken));
        foreach (var threads in new[] { 1, 3 })
        {
            var counts = tokenizer.CountDomains(found.Files, new TokenizeOptions { Threads = threads }, keepGoing: true, TestContext.Current.CancellationToken);
            Assert.Equal(["b.txt", "e.txt"], counts.LeftOut.Select(path => Path.GetFileName(path.Path)));
            Assert.All(counts.LeftOut, path => Assert.StartsWith("is not ", path.Reason, StringComparison.Ordinal));
            Assert.Equal(2, counts.Total.Documents);
            Assert.Equal(tokenizer.Encode("one two", TestContext.Current.CancellationToken).Length + tokenizer.Encode("three", TestContext.Current.CancellationToken).Length + 2, counts.Total.Tokens);
        }
    }

    [Fact]
    public void Domains_AddUpToTheWhole()
    {
        using var folder = new TemporaryFolder();
        for (var i = 0; i < 40; i++) folder.Write($"en/{i}.txt", $"some words {i}");
        folder.Write("code/a.txt", string.Concat(Enumerable.Range(0, 60_000).Select(i => $"x{i} = {i};\n")));
        folder.Write("code/b.txt", "return;");
        CorpusPath[] paths = [new(Path.Combine(folder.Path, "en"), "en"), new(Path.Combine(folder.Path, "code"), "code"), new(folder.Write("more.txt", "more"), "en")];
        var tokenizer = CorpusTokenizer.Create("o200k_base");
        var found = CorpusFiles.Find(paths).Files;
        var whole = tokenizer.CountDomains(found, new TokenizeOptions { Threads = 3 }, cancellationToken: TestContext.Current.CancellationToken);
        Assert.Equal(["code", "en"], whole.Domains.Keys);
        foreach (var (name, counts) in whole.Domains)
        {
            var alone = tokenizer.Count([.. found.Where(file => file.Domain == name)], cancellationToken: TestContext.Current.CancellationToken);
            Assert.Equal(alone.ById, counts.ById);
            Assert.Equal(alone.Documents, counts.Documents);
        }

        Assert.Equal(tokenizer.Count(found, cancellationToken: TestContext.Current.CancellationToken).ById, whole.Total.ById);
    }

    private static List<string> Read(string path, params string[] fields)
    {
        var texts = new List<string>();
        var text = new StringBuilder();
        foreach (var file in CorpusFiles.Find([path], new CorpusSearch { Fields = fields }).Files)
        {
            foreach (var piece in file.ReadPieces(TestContext.Current.CancellationToken))
            {
                text.Append(piece.Text);
                if (!piece.EndsDocument) continue;
                texts.Add(text.ToString());
                text.Clear();
            }
        }

        return texts;
    }

    private static byte[] Compress(byte[] bytes, string suffix)
    {
        using var stream = new MemoryStream();
        using (Stream compressed = suffix == ".gz" ? new GZipStream(stream, CompressionLevel.Fastest) : new ZstdSharp.CompressionStream(stream)) compressed.Write(bytes);
        return stream.ToArray();
    }

    private static async Task WriteParquetAsync(string path)
    {
        var text = new DataField<string>("text", nullable: true);
        var number = new DataField<long>("n");
        await using var stream = File.Create(path);
        await using var writer = await ParquetWriter.CreateAsync(new ParquetSchema(text, number), stream);
        foreach (var (texts, numbers) in new[] { (new[] { "one", null, "three" }, new long[] { 1, 2, 3 }), (["four"], [4]) })
        {
            using var group = writer.CreateRowGroup();
            await group.WriteAsync(text, texts!);
            await group.WriteAsync<long>(number, numbers.AsMemory());
            group.CompleteValidate();
        }
    }
}
