using System.IO.Pipes;
using System.Text;
using Microsoft.ML.Tokenizers;

namespace AdaptiveSoftmax.Corpus.Tests.Sources;

public sealed class PlainTextReaderTests
{
    // Letters, digits, punctuation that joins line ends, contractions, marks, wide characters and every kind of space.
    private static readonly string[] Parts =
        ["a", "bc", "The", " word", "'s", "'ll", "12", "4567", ");", "//", "/", "\n", "\n\n", "\r\n", " ", "   ", "\t", "\u00a0", "\u2028", "é", "e\u0301", "漢字", "🎉", "{}", ".", "\u0301", "<|endoftext|>"];

    [Theory]
    [InlineData("o200k_base")]
    [InlineData("cl100k_base")]
    public void TokensOfPieces_AreTheTokensOfTheWhole(string encoding)
    {
        var tokenizer = TiktokenTokenizer.CreateForEncoding(encoding);
        var random = new Random(7);
        using var folder = new TemporaryFolder();
        for (var i = 0; i < 300; i++)
        {
            var text = string.Concat(Enumerable.Range(0, random.Next(1, 400)).Select(_ => Parts[random.Next(Parts.Length)]));
            var file = new CorpusFile(folder.Write("text", text), CorpusFormat.Text, 0);

            var pieces = PlainTextReader.Read(file, TestContext.Current.CancellationToken, pieceLength: 8).ToArray();

            Assert.Equal(text, string.Concat(pieces.Select(piece => piece.Text)));
            Assert.All(pieces[..^1], piece => Assert.False(piece.EndsDocument));
            Assert.True(pieces[^1].EndsDocument);
            // Text without a border for this long is cut by force, where tokens may differ.
            if (pieces.Any(piece => piece.Text.Length >= 8 * 64)) continue;
            Assert.Equal(tokenizer.EncodeToIds(text), pieces.SelectMany(piece => tokenizer.EncodeToIds(piece.Text)));
        }
    }

    [Fact]
    public void LongText_ComesInPieces()
    {
        using var folder = new TemporaryFolder();
        var line = "The quick brown fox jumps over the lazy dog.\n";
        folder.Write("text", string.Concat(Enumerable.Repeat(line, 20_000)));

        var pieces = folder.Files()[0].ReadPieces(TestContext.Current.CancellationToken).ToArray();

        Assert.True(pieces.Length > 5);
        Assert.All(pieces, piece => Assert.EndsWith("dog.\n", piece.Text, StringComparison.Ordinal));
        Assert.Equal(line.Length * 20_000L, pieces.Sum(piece => piece.BytesRead));
    }

    [Fact]
    public void TextWithoutBorders_IsCutOutsideSurrogatePairs()
    {
        using var folder = new TemporaryFolder();
        var text = "x" + string.Concat(Enumerable.Repeat("🎉", 4000));
        folder.Write("text", text);

        var pieces = PlainTextReader.Read(folder.Files()[0], TestContext.Current.CancellationToken, pieceLength: 16).ToArray();

        Assert.True(pieces.Length > 1);
        Assert.Equal(text, string.Concat(pieces.Select(piece => piece.Text)));
        Assert.All(pieces[1..], piece => Assert.False(piece.Text.Length > 0 && char.IsLowSurrogate(piece.Text, 0)));
    }

    [Fact]
    public void ByteOrderMarks_AreNoPartOfTheText()
    {
        using var folder = new TemporaryFolder();
        folder.Write("1", [.. Encoding.UTF8.GetPreamble(), .. Encoding.UTF8.GetBytes("né")]);
        folder.Write("2", [.. Encoding.Unicode.GetPreamble(), .. Encoding.Unicode.GetBytes("né")]);
        folder.Write("3", Encoding.UTF8.GetBytes("né"));

        Assert.Equal(["né", "né", "né"], folder.Files().SelectMany(file => file.ReadPieces(TestContext.Current.CancellationToken)).Select(piece => piece.Text));
    }

    [Fact]
    public void EmptyFile_IsAnEmptyDocument()
    {
        using var folder = new TemporaryFolder();
        var path = folder.Write("empty", "");

        var piece = Assert.Single(new CorpusFile(path, CorpusFormat.Text, 0).ReadPieces(TestContext.Current.CancellationToken));
        Assert.Equal(new TextPiece("", true, 0), piece);
    }

    [Fact]
    public void InvalidUtf8_IsAnErrorThatNamesTheFile()
    {
        using var folder = new TemporaryFolder();
        var path = folder.Write("latin1.txt", [(byte)'n', 0xE9, (byte)'e']);

        var error = Assert.Throws<CorpusException>(() => folder.Files()[0].ReadPieces(TestContext.Current.CancellationToken).ToArray());
        Assert.Contains(path, error.Message, StringComparison.Ordinal);
        Assert.Contains("not UTF-8", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void AByteThatIsNoUtf8_HasItsPlaceInTheFile()
    {
        using var folder = new TemporaryFolder();
        var lines = string.Concat(Enumerable.Repeat("a line of é\n", 20_000));
        folder.Write("text", [.. System.Text.Encoding.UTF8.GetBytes(lines), (byte)'x', 0xE9, (byte)'\n']);

        var error = Assert.Throws<CorpusException>(() => folder.Files()[0].ReadPieces(TestContext.Current.CancellationToken).ToArray());
        Assert.Contains("is not UTF-8 text: the byte 0xE9 at index 260001, in line 20001, belongs to no character.", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void BinaryFile_IsAnErrorThatNamesTheFile()
    {
        using var folder = new TemporaryFolder();
        var path = folder.Write("image.png", [1, 2, 0, 3]);

        var error = Assert.Throws<CorpusException>(() => folder.Files()[0].ReadPieces(TestContext.Current.CancellationToken).ToArray());
        Assert.Contains($"{path} is not text", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void FileThatWentAway_IsAnErrorThatNamesTheFile()
    {
        using var folder = new TemporaryFolder();
        var path = folder.Write("text", "text");
        var files = folder.Files();
        File.Delete(path);

        Assert.Contains($"{path} cannot be read", Assert.Throws<CorpusException>(() => files[0].ReadPieces(TestContext.Current.CancellationToken).ToArray()).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Pipe_IsAnErrorThatNamesIt()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Pipes have such names only there.");
        using var pipe = new AnonymousPipeServerStream(PipeDirection.Out);
        var file = new CorpusFile($"/proc/self/fd/{pipe.ClientSafePipeHandle.DangerousGetHandle()}", CorpusFormat.Text, 0);

        var error = Assert.Throws<CorpusException>(() => file.ReadPieces(TestContext.Current.CancellationToken).ToArray());
        Assert.Contains($"{file.Path} cannot be read: it is a pipe", error.Message, StringComparison.Ordinal);
    }
}
