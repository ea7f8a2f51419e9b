using System.Globalization;

namespace AdaptiveSoftmax.Corpus.Tests.Vocabularies;

public sealed class TiktokenFileTests
{
    private static readonly string Bytes = string.Concat(Enumerable.Range(0, 256).Select(value => $"{Convert.ToBase64String([(byte)value])} {value}\n"));

    [Fact]
    public void KnownEncodingAsAFile_EncodesAlike()
    {
        using var folder = new TemporaryFolder();
        var known = CorpusTokenizer.Create("cl100k_base");
        var lines = Enumerable.Range(0, known.Vocabulary.Count).Where(id => known.Vocabulary.GetKind(id) == TokenKind.Ordinary)
            .Select(id => string.Create(CultureInfo.InvariantCulture, $"{Convert.ToBase64String(known.Vocabulary.GetToken(id))} {id}\n"));
        var own = CorpusTokenizer.ReadTiktoken(folder.Write("own.tiktoken", string.Concat(lines)), "cl100k_base");

        const string Text = "Returns the number of elements — 数を返す.\r\n\tif (x != null) { return; }";
        Assert.Equal(known.Encode(Text), own.Encode(Text));
        Assert.Equal(("own", 100_257, 100_256), (own.Vocabulary.Name, own.Vocabulary.Count, own.Vocabulary.EndOfTextId));
        Assert.Equal([100_256], own.Encode("<|endoftext|>"));
    }

    [Fact]
    public void Merges_FollowTheIds()
    {
        using var folder = new TemporaryFolder();
        var tokenizer = CorpusTokenizer.ReadTiktoken(folder.Write("x.tiktoken", Bytes + "YWI= 300\nYWJj 301\n"));

        Assert.Equal([301, 'a', 300], [.. tokenizer.Encode("abca"), .. tokenizer.Encode("ab")]);
        Assert.Equal(TokenKind.Reserved, tokenizer.Vocabulary.GetKind(299));
        Assert.Equal(302, tokenizer.Vocabulary.EndOfTextId);
    }

    [Theory]
    [InlineData("YWI=\n", "(257): the line is not a token")]
    [InlineData("Y*I= 256\n", "(257): the line is not a token")]
    [InlineData("YWI= x\n", "(257): the line has no id")]
    [InlineData("YWI= -1\n", "(257): the line has no id")]
    [InlineData("YWI= 99999999999\n", "(257): the line has no id")]
    [InlineData("YWI= 16777216\n", "(257): the line has no id")]
    [InlineData("YWI= 255\n", "(257): the line repeats the id 255")]
    [InlineData("YWI= 256\nYWI= 257\n", "(258): the line repeats the token of id 256")]
    public void BrokenLine_IsNamed(string more, string expected)
    {
        using var folder = new TemporaryFolder();
        var path = folder.Write("x.tiktoken", Bytes + more);

        Assert.Contains(path + expected, Assert.Throws<CorpusException>(() => CorpusTokenizer.ReadTiktoken(path)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void FileWithoutAllBytes_IsRefused()
    {
        using var folder = new TemporaryFolder();
        var path = folder.Write("x.tiktoken", Bytes.Replace("Qg== 66\n", "", StringComparison.Ordinal));

        Assert.Contains("0x42", Assert.Throws<CorpusException>(() => CorpusTokenizer.ReadTiktoken(path)).Message, StringComparison.Ordinal);
        Assert.Contains("cannot be read", Assert.Throws<CorpusException>(() => CorpusTokenizer.ReadTiktoken(path + "x")).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => CorpusTokenizer.ReadTiktoken(path, "p50k_base"));
    }
}
