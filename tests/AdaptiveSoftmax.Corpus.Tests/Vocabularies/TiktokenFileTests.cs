using System.Globalization;
using System.Text.RegularExpressions;
using Microsoft.ML.Tokenizers;

namespace AdaptiveSoftmax.Corpus.Tests.Vocabularies;

public sealed class TiktokenFileTests
{
    private static readonly string Bytes = string.Concat(Enumerable.Range(0, 256).Select(value => $"{Convert.ToBase64String([(byte)value])} {value}\n"));

    private static readonly TiktokenOptions Split = new() { Split = "o200k" };

    [Theory]
    [InlineData("cl100k_base", "own.tiktoken")]
    [InlineData("o200k_base", "tokenizer.model")]
    public void TokensOfABuiltInEncoding_AreKnownByThemselves(string encoding, string name)
    {
        using var folder = new TemporaryFolder();
        var known = CorpusTokenizer.Create(encoding);
        var own = CorpusTokenizer.ReadTiktoken(folder.Write(name, string.Concat(Rows(known))));

        const string Text = "Returns the number of elements — 数を返す.\r\n\tif (x != null) { return; } They'll DON'T 12345 <|endoftext|>";
        Assert.Equal(known.Encode(Text, TestContext.Current.CancellationToken), own.Encode(Text, TestContext.Current.CancellationToken));
        Assert.Equal((encoding, Path.GetFileNameWithoutExtension(name), known.Vocabulary.Count, known.Vocabulary.EndOfTextId), (own.Split, own.Vocabulary.Name, own.Vocabulary.Count, own.Vocabulary.EndOfTextId));
        Assert.Equal(known.Vocabulary.SpecialTokens, own.Vocabulary.SpecialTokens);
    }

    [Fact]
    public void TheCallersWord_IsTaken()
    {
        using var folder = new TemporaryFolder();
        var path = folder.Write("x", string.Concat(Rows(CorpusTokenizer.Create("cl100k_base"))));

        const string Capitals = "toString";
        var own = CorpusTokenizer.ReadTiktoken(path, new TiktokenOptions { Split = "o200k", SpecialTokens = new Dictionary<string, int> { ["<|end|>"] = 100_300, ["<|end|>er"] = 100_301 }, EndOfText = "<|end|>" });
        Assert.Equal(("o200k_base", 100_302, 100_300), (own.Split, own.Vocabulary.Count, own.Vocabulary.EndOfTextId));
        Assert.Equal([100_300, 100_301], own.Encode("<|end|><|end|>er", TestContext.Current.CancellationToken));
        Assert.Equal(TokenKind.Reserved, own.Vocabulary.GetKind(100_257));
        // o200k_base ends a word where a capital begins the next; cl100k_base does not.
        Assert.NotEqual(CorpusTokenizer.ReadTiktoken(path).Encode(Capitals, TestContext.Current.CancellationToken), own.Encode(Capitals, TestContext.Current.CancellationToken));
    }

    [Fact]
    public void TheSplitOfGpt2_IsTheLibrarys()
    {
        using var folder = new TemporaryFolder();
        var path = folder.Write("x", Bytes + "YWI= 300\n");
        var own = CorpusTokenizer.ReadTiktoken(path, new TiktokenOptions { Split = "gpt2" });
        using var file = File.OpenRead(path);
        var library = TiktokenTokenizer.Create(file, new RegexPreTokenizer(new Regex("""'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"""), null), null);
        const string Text = "They'll abab  ab\n\nab 12345\r\n  — ab.\t";
        Assert.Equal(library.EncodeToIds(Text), own.Encode(Text, TestContext.Current.CancellationToken));
        Assert.Equal(CorpusTokenizer.ReadTiktoken(path, new TiktokenOptions { Split = "p50k_base" }).Split, own.Split);
    }

    [Fact]
    public void Merges_FollowTheIds()
    {
        using var folder = new TemporaryFolder();
        var tokenizer = CorpusTokenizer.ReadTiktoken(folder.Write("x.tiktoken", Bytes + "YWI= 300\nYWJj 301\n"), Split);

        Assert.Equal([301, 'a', 300], [.. tokenizer.Encode("abca", TestContext.Current.CancellationToken), .. tokenizer.Encode("ab", TestContext.Current.CancellationToken)]);
        Assert.Equal(TokenKind.Reserved, tokenizer.Vocabulary.GetKind(299));
        Assert.Equal((302, -1), (tokenizer.Vocabulary.Count, tokenizer.Vocabulary.EndOfTextId));
    }

    [Fact]
    public void RowWithoutBytes_IsAGap_AndEndOfTextAmongTheRowsIsTheSpecialToken()
    {
        using var folder = new TemporaryFolder();
        var path = folder.Write("tokenizer.model", Bytes + "= 256\nPHxlbmRvZnRleHR8Pg== 257\nYWI= 258\n");
        var tokenizer = CorpusTokenizer.ReadTiktoken(path, Split);

        Assert.Equal(TokenKind.Reserved, tokenizer.Vocabulary.GetKind(256));
        Assert.Equal((TokenKind.Special, 257), (tokenizer.Vocabulary.GetKind(257), tokenizer.Vocabulary.EndOfTextId));
        Assert.Equal([258, 257, 258], tokenizer.Encode("ab<|endoftext|>ab", TestContext.Current.CancellationToken));
        Assert.Equal([257], CorpusTokenizer.ReadTiktoken(path, Split with { SpecialTokens = Special(257) }).Encode("<|endoftext|>", TestContext.Current.CancellationToken));
    }

    [Theory]
    [InlineData(258, "(258): the line gives <|endoftext|> the id 257, and 258 is asked for")]
    public void SpecialTokenThatTheFileHasOtherwise_IsNamed(int id, string expected)
    {
        using var folder = new TemporaryFolder();
        var path = folder.Write("x", Bytes + "= 256\nPHxlbmRvZnRleHR8Pg== 257\n");
        Assert.Contains(path + expected, Assert.Throws<CorpusException>(() => CorpusTokenizer.ReadTiktoken(path, Split with { SpecialTokens = Special(id) })).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(65, "(66): the line has the id 65, which the special token <|endoftext|> is given")]
    [InlineData(-1, "ids are from 0")]
    [InlineData(1 << 24, "ids are from 0")]
    public void SpecialTokenWithoutAPlace_IsNamed(int id, string expected)
    {
        using var folder = new TemporaryFolder();
        Assert.Contains(expected, Assert.Throws<CorpusException>(() => CorpusTokenizer.ReadTiktoken(folder.Write("x", Bytes), Split with { SpecialTokens = Special(id) })).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void WhatTheFileDoesNotSay_IsAskedFor()
    {
        using var folder = new TemporaryFolder();
        var path = folder.Write("x", Bytes);
        Assert.Contains("give a split: one of o200k_base, cl100k_base, gpt2", Assert.Throws<CorpusException>(() => CorpusTokenizer.ReadTiktoken(path)).Message, StringComparison.Ordinal);
        Assert.Contains("like \"llama\"", Assert.Throws<CorpusException>(() => CorpusTokenizer.ReadTiktoken(path, new TiktokenOptions { Split = "llama" })).Message, StringComparison.Ordinal);
        Assert.Contains("<|end|> is to end documents", Assert.Throws<CorpusException>(() => CorpusTokenizer.ReadTiktoken(path, Split with { EndOfText = "<|end|>" })).Message, StringComparison.Ordinal);
        Assert.Contains("cannot be called", Assert.Throws<CorpusException>(() => CorpusTokenizer.ReadTiktoken(path, Split with { SpecialTokens = new Dictionary<string, int> { ["a b"] = 300 } })).Message, StringComparison.Ordinal);
        Assert.Contains("is a web page", Assert.Throws<CorpusException>(() => CorpusTokenizer.ReadTiktoken(folder.Write("y", "<!DOCTYPE html>"), Split)).Message, StringComparison.Ordinal);
        var text = folder.Write("a.txt", "text");
        Assert.Contains("No token of x ends a document", Assert.Throws<CorpusException>(() => CorpusTokenizer.ReadTiktoken(path, Split).ReadStream(CorpusFiles.Find([text]).Files, cancellationToken: TestContext.Current.CancellationToken)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("\nYWI= 256\n", "(257): the line is blank. Remove it.")]
    [InlineData("YWI= 256\n\n", "(258): the line is blank. Remove it.")]
    [InlineData("YWI= 256\n \t\n", "(258): the line is blank. Remove it.")]
    [InlineData("= 256\n== 257\n", "(258): the line repeats the token of id 256")]
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

        Assert.Contains(path + expected, Assert.Throws<CorpusException>(() => CorpusTokenizer.ReadTiktoken(path, Split)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void FileWithoutAllBytes_IsRefused()
    {
        using var folder = new TemporaryFolder();
        var path = folder.Write("x.tiktoken", Bytes.Replace("Qg== 66\n", "", StringComparison.Ordinal));

        Assert.Contains("0x42", Assert.Throws<CorpusException>(() => CorpusTokenizer.ReadTiktoken(path)).Message, StringComparison.Ordinal);
        Assert.Contains("does not exist", Assert.Throws<CorpusException>(() => CorpusTokenizer.ReadTiktoken(path + "x")).Message, StringComparison.Ordinal);
    }

    private static Dictionary<string, int> Special(int id) => new() { [EncodedVocabulary.EndOfText] = id };

    private static IEnumerable<string> Rows(CorpusTokenizer tokenizer) =>
        Enumerable.Range(0, tokenizer.Vocabulary.Count).Where(id => tokenizer.Vocabulary.GetKind(id) == TokenKind.Ordinary)
            .Select(id => string.Create(CultureInfo.InvariantCulture, $"{Convert.ToBase64String(tokenizer.Vocabulary.GetToken(id))} {id}\n"));
}
