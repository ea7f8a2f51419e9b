using AdaptiveSoftmax.Vocabulary;
using Microsoft.ML.Tokenizers;

namespace AdaptiveSoftmax.Corpus.Tests.Tokenizing;

public sealed class CorpusTokenizerTests
{
    private static readonly int[] ThreadCounts = [1, 2, 7];
    private static readonly CorpusTokenizer Tokenizer = CorpusTokenizer.Create("o200k_base");
    private static readonly TiktokenTokenizer Library = TiktokenTokenizer.CreateForEncoding("o200k_base");

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(7)]
    public void Stream_IsTheLibrarysTokensInOrder(int threads)
    {
        var files = SomeDocumentation();
        var expected = new List<int>();
        foreach (var piece in files.SelectMany(file => file.ReadPieces(TestContext.Current.CancellationToken)).Where(piece => piece.EndsDocument))
        {
            expected.AddRange(Library.EncodeToIds(piece.Text));
            expected.Add(199_999);
        }

        Assert.True(expected.Count > 50_000);
        Assert.Equal(expected, Tokenizer.ReadStream(files, new TokenizeOptions { Threads = threads }, TestContext.Current.CancellationToken));
    }

    [Fact]
    public void Words_AreTheTextsTokens_AndComeAsTheyAreAskedFor()
    {
        var tokenizer = CorpusTokenizer.Create("o200k_base");
        const string Text = "The quick brown fox, it's 12345 years old.\n\n  你好 🙂<|endoftext|>end";
        var words = tokenizer.EncodeWords(Text, TestContext.Current.CancellationToken).ToArray();
        Assert.Equal(tokenizer.Encode(Text, TestContext.Current.CancellationToken), words.SelectMany(word => word.ToArray()));
        Assert.Equal("The", tokenizer.Vocabulary.Decode(words[0].Span));
        // What is behind is not looked at: this word alone would take longer than all tests.
        Assert.Single(tokenizer.EncodeWords("The " + new string('中', 1 << 20), TestContext.Current.CancellationToken).Take(1));
    }

    [Fact]
    public void Counts_AreTheNaiveCounts()
    {
        var files = SomeDocumentation();
        var expected = new long[200_019];
        foreach (var piece in files.SelectMany(file => file.ReadPieces(TestContext.Current.CancellationToken)).Where(piece => piece.EndsDocument))
        {
            foreach (var id in Library.EncodeToIds(piece.Text)) expected[id]++;
            expected[199_999]++;
        }

        var counts = Tokenizer.Count(files, cancellationToken: TestContext.Current.CancellationToken);

        Assert.Equal(expected, counts.ById.ToArray());
        Assert.Equal(expected.Sum(), counts.Tokens);
        Assert.Equal(expected[199_999], counts.Documents);
        Assert.Equal(expected.Count(count => count > 0), counts.DistinctTokens);
    }

    [Fact]
    public void Table_IsTheSameForAnyNumberOfThreads()
    {
        var files = SomeDocumentation();
        var texts = ThreadCounts.Select(threads =>
        {
            using var writer = new StringWriter();
            TokenTableWriter.Write(writer, Tokenizer.Count(files, new TokenizeOptions { Threads = threads }).ToTable(), TestContext.Current.CancellationToken);
            return writer.ToString();
        }).ToArray();

        Assert.Equal(texts[0], texts[1]);
        Assert.Equal(texts[0], texts[2]);
        Assert.Equal(200_019, texts[0].Count(character => character == '\n'));
    }

    [Fact]
    public void Table_HasEveryTokenWithItsBytesAndCount()
    {
        using var folder = new TemporaryFolder();
        folder.Write("text", "the the cat");
        var table = Tokenizer.Count(folder.Files(), cancellationToken: TestContext.Current.CancellationToken).ToTable();

        Assert.Equal(200_019, table.Count);
        for (var slot = 0; slot < table.Count; slot++)
            Assert.True(table.GetToken(slot).SequenceEqual(Tokenizer.Vocabulary.GetToken(table.GetId(slot))));
        Assert.Equal([" the", "the", " cat", "<|endoftext|>"], Enumerable.Range(0, 4).Select(slot => Tokenizer.Vocabulary.Decode([table.GetId(slot)])));
        Assert.Equal([1, 1, 1, 1, 0], table.Counts[..5].ToArray());
    }

    [Fact]
    public void LongTextFile_IsOneDocument()
    {
        using var folder = new TemporaryFolder();
        var text = string.Concat(Enumerable.Range(0, 40_000).Select(i => $"Line {i} of the text.\n"));
        folder.Write("a", text);
        folder.Write("b", "short");

        var documents = Tokenizer.ReadDocuments(folder.Files(), new TokenizeOptions { Threads = 3 }, TestContext.Current.CancellationToken).ToArray();

        Assert.Equal(2, documents.Length);
        Assert.Equal(text, Tokenizer.Vocabulary.Decode(documents[0]));
        Assert.Equal(Library.EncodeToIds("short"), documents[1]);
    }

    [Fact]
    public void SpecialTokensName_StandsForTheToken()
    {
        Assert.Equal([199_999], Tokenizer.Encode("<|endoftext|>", TestContext.Current.CancellationToken));
        Assert.Equal(Library.EncodeToIds("one<|endoftext|>two <|endofprompt|>"), Tokenizer.Encode("one<|endoftext|>two <|endofprompt|>", TestContext.Current.CancellationToken));
    }

    [Fact]
    public void Progress_EndsAtTheTotal()
    {
        var files = SomeDocumentation();
        var progress = new LastProgress();

        var counts = Tokenizer.Count(files, new TokenizeOptions { Threads = 2, Progress = progress }, TestContext.Current.CancellationToken);

        Assert.True(progress.Reports > 3);
        Assert.Equal(new CorpusProgress(files.Sum(file => file.Length), files.Sum(file => file.Length), counts.Documents, counts.Tokens - counts.Documents), progress.Last);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(4)]
    public void Cancellation_StopsTheCount(int threads)
    {
        using var cancellation = new CancellationTokenSource();
        var options = new TokenizeOptions { Threads = threads, Progress = new Callback(cancellation.Cancel) };

        Assert.ThrowsAny<OperationCanceledException>(() => Tokenizer.Count(SomeDocumentation(), options, cancellation.Token));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(4)]
    public void BadFile_SurfacesAsItsOwnErrorAfterTheDocumentsBeforeIt(int threads)
    {
        using var folder = new TemporaryFolder();
        for (var i = 0; i < 20; i++) folder.Write($"a{i:00}", string.Concat(Enumerable.Repeat("word ", i < 17 ? 8000 : 3)));
        folder.Write("b", [0xFF, 0xFE, 0x00]);
        folder.Write("c", [0x80]);
        var documents = 0;

        var error = Assert.Throws<CorpusException>(() =>
        {
            foreach (var _ in Tokenizer.ReadDocuments(folder.Files(), new TokenizeOptions { Threads = threads }, TestContext.Current.CancellationToken)) documents++;
        });
        Assert.Contains(Path.Combine(folder.Path, "b"), error.Message, StringComparison.Ordinal);
        Assert.Equal(20, documents);
    }

    [Fact]
    public void LeavingEarly_StopsTheThreads()
    {
        Assert.Equal(3, Tokenizer.ReadDocuments(SomeDocumentation(), new TokenizeOptions { Threads = 4 }, TestContext.Current.CancellationToken).Take(3).Count());
    }

    [Fact]
    public void Add_MergesCountsOfOneEncoding()
    {
        using var folder = new TemporaryFolder();
        folder.Write("a", "a cat");
        folder.Write("b", "a dog");
        var files = folder.Files();
        var whole = Tokenizer.Count(files, cancellationToken: TestContext.Current.CancellationToken);
        var merged = Tokenizer.Count([files[0]], cancellationToken: TestContext.Current.CancellationToken);

        merged.Add(Tokenizer.Count([files[1]], cancellationToken: TestContext.Current.CancellationToken));

        Assert.Equal(whole.ById.ToArray(), merged.ById.ToArray());
        Assert.Equal((whole.Documents, whole.Tokens), (merged.Documents, merged.Tokens));
        Assert.Throws<ArgumentException>(() => merged.Add(new TokenCounts(EncodedVocabulary.Cl100kBase)));
    }

    [Fact]
    public void UnknownEncoding_NamesTheKnownOnes()
    {
        Assert.Contains("o200k_base, o200k_harmony, cl100k_base, p50k_base", Assert.Throws<ArgumentException>(() => CorpusTokenizer.Create("p50k")).Message, StringComparison.Ordinal);
    }

    private static CorpusFile[] SomeDocumentation() =>
        [.. ReferencePacks.FindDocumentation().Where(file => Path.GetFileName(file.Path) is "System.Linq.xml" or "System.Collections.xml" or "System.Console.xml" or "System.Memory.xml")];

    private sealed class LastProgress : IProgress<CorpusProgress>
    {
        public CorpusProgress Last { get; private set; }

        public int Reports { get; private set; }

        public void Report(CorpusProgress value)
        {
            Last = value;
            Reports++;
        }
    }

    private sealed class Callback(Action action) : IProgress<CorpusProgress>
    {
        public void Report(CorpusProgress value) => action();
    }
}
