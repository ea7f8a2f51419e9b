using AdaptiveSoftmax.Corpus;
using LanguageModelSample;

namespace AdaptiveSoftmax.Samples.Tests;

public sealed class TextDataTests : IDisposable
{
    private static readonly CorpusTokenizer s_tokenizer = CorpusTokenizer.Create("o200k_base");

    private readonly string _folder = Directory.CreateTempSubdirectory("adaptive-softmax-sample-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void EveryToken_IsEitherLearntFromOrHeldOut()
    {
        for (var i = 0; i < 300; i++) File.WriteAllText(Path.Combine(_folder, $"{i:D3}.txt"), string.Join(' ', Enumerable.Range(i * 100, 100)));
        var files = CorpusFiles.Find([_folder]).Files;
        var expected = s_tokenizer.ReadStream(files, cancellationToken: TestContext.Current.CancellationToken);

        var text = Load(files, threads: 1);
        Assert.InRange(text.HeldOut.Length, 4096, 5000);
        Assert.Equal(expected.Length, text.Training.Length + text.HeldOut.Length);
        var start = expected.AsSpan().IndexOf(text.HeldOut);
        Assert.True(start >= 4096);
        Assert.Equal([.. expected[..start], .. expected[(start + text.HeldOut.Length)..]], text.Training);
        Assert.Equal(199999, text.HeldOut[^1]);
        Assert.Equal(text.HeldOut, Load(files, threads: 3).HeldOut);
    }

    [Fact]
    public void OneLongDocument_IsDividedToo()
    {
        File.WriteAllText(Path.Combine(_folder, "book.txt"), string.Join(' ', Enumerable.Range(0, 10_000)));
        var text = Load(CorpusFiles.Find([_folder]).Files, threads: 2);
        Assert.Equal(4096, text.HeldOut.Length);
        Assert.True(text.Training.Length > 10_000);
    }

    [Fact]
    public void TooLittleText_IsAnErrorThatSaysHowMuchIsNeeded()
    {
        File.WriteAllText(Path.Combine(_folder, "note.txt"), "Too short.");
        var error = Assert.Throws<CorpusException>(() => Load(CorpusFiles.Find([_folder]).Files, threads: 2));
        Assert.Contains("at least 8,192", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void DrawnPositions_FollowFromSeedAndStep_AndCoverTheText()
    {
        var text = new int[100];
        var seen = new HashSet<int>();
        var draws = new List<int[]>();
        for (var step = 0; step < 50; step++)
        {
            int[] first = new int[64], second = new int[64];
            TextData.DrawPositions(text, seed: 1, step, first);
            TextData.DrawPositions(text, seed: 1, step, second);
            Assert.Equal(first, second);
            Assert.All(first, position => Assert.InRange(position, 0, 99));
            Assert.DoesNotContain(draws, draw => draw.SequenceEqual(first));
            seen.UnionWith(first);
            draws.Add(first);
        }

        Assert.Equal(100, seen.Count);
        var other = new int[64];
        TextData.DrawPositions(text, seed: 2, 0, other);
        Assert.NotEqual(draws[0], other);
    }

    [Fact]
    public void Window_IsFilledWithEndsOfDocumentsBeforeTheText()
    {
        var batch = new Batch(size: 2, window: 3);
        batch.Fill([10, 20, 30, 40, 50], [1, 4], endOfText: 9);
        Assert.Equal([9, 9, 10, 20, 30, 40], batch.Windows);
        Assert.Equal([20, 50], batch.Targets);
    }

    private static TextData Load(IReadOnlyList<CorpusFile> files, int threads) =>
        TextData.Load(files, s_tokenizer, new TokenizeOptions { Threads = threads }, TestContext.Current.CancellationToken);
}
