using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace AdaptiveSoftmax.Corpus.Tests.Models;

/// <summary>
/// Tokenizers of other libraries give the ids that those give: spm_encode, and the tokenizers library, whose ids make.py beside
/// the fixtures keeps.
/// </summary>
public sealed class TokenizerFileTests
{
    private static readonly string s_folder = Path.Combine(AppContext.BaseDirectory, "fixtures", "tokenizers");

    public static TheoryData<string> SentencePieceModels => ["unigram.model", "unigram-bytes.model", "bpe.model", "bpe-bytes.model"];

    public static TheoryData<string> JsonModels => ["hf-unigram", "hf-llama", "hf-metaspace-first", "hf-gpt2", "hf-qwen", "hf-digits", "hf-bert", "hf-words"];

    [Theory]
    [MemberData(nameof(SentencePieceModels))]
    public void SentencePiece_GivesTheIdsOfSpmEncode(string model)
    {
        var tokenizer = CorpusTokenizer.Read(Path.Combine(s_folder, model));
        var lines = File.ReadAllText(Path.Combine(s_folder, "text.txt")).Split('\n')[..^1];
        AssertIds(tokenizer, lines, model + ".ids.json");
        Assert.Equal("</s>"u8, tokenizer.Vocabulary.GetToken(tokenizer.Vocabulary.EndOfTextId));
    }

    [Theory]
    [MemberData(nameof(JsonModels))]
    public void TokenizerJson_GivesTheIdsOfItsLibrary(string model)
    {
        var tokenizer = CorpusTokenizer.Read(Path.Combine(s_folder, model + ".json"));
        var documents = JsonSerializer.Deserialize<string[]>(File.ReadAllText(Path.Combine(s_folder, "documents.json")))!;
        AssertIds(tokenizer, documents, model + ".ids.json");
    }

    [Theory]
    [MemberData(nameof(SentencePieceModels))]
    [MemberData(nameof(JsonModels))]
    public void LongDocuments_GiveTheSameTokensInPieces(string model)
    {
        using var folder = new TemporaryFolder();
        var text = string.Concat(Enumerable.Repeat(File.ReadAllText(Path.Combine(s_folder, "text.txt")) + "\n  indented\n\tand more\n", 400));
        folder.Write("text", text);
        var tokenizer = CorpusTokenizer.Read(Path.Combine(s_folder, model.EndsWith(".model", StringComparison.Ordinal) ? model : model + ".json"));
        var expected = tokenizer.Encode(text, TestContext.Current.CancellationToken);
        Assert.Equal(expected, Assert.Single(tokenizer.ReadDocuments(folder.Files(), cancellationToken: TestContext.Current.CancellationToken)));
        Assert.Equal(expected.Length, tokenizer.Count(folder.Files(), cancellationToken: TestContext.Current.CancellationToken).ById.ToArray().Sum() - (tokenizer.Vocabulary.EndOfTextId >= 0 ? 1 : 0));
    }

    [Theory]
    [InlineData("hf-qwen", "/normalizer", """{"type":"Nmt"}""", "The normalizer \"Nmt\"")]
    [InlineData("hf-qwen", "/pre_tokenizer", """{"type":"UnicodeScripts"}""", "The pre-tokenizer \"UnicodeScripts\"")]
    [InlineData("hf-qwen", "/model/dropout", "0.1", "The dropout \"0.1\"")]
    [InlineData("hf-qwen", "/model/type", "\"Best\"", "The model \"Best\"")]
    [InlineData("hf-qwen", "/pre_tokenizer", """{"type":"Split","pattern":{"Regex":"\\p{Han}+"},"behavior":"Isolated","invert":false}""", "The pattern \"\\p{Han}+\"")]
    [InlineData("hf-qwen", "/added_tokens/0/single_word", "true", "single_word in the added token")]
    [InlineData("hf-qwen", "/model/merges/0", "\"a zzz\"", "Merge 0 joins tokens to one that is not in the vocabulary")]
    [InlineData("hf-bert", "/model/unk_token", "\"[X]\"", "names no unknown token")]
    [InlineData("hf-qwen", "/model/merges/0", "[\"a\"]", "An array of 1 items stands where more are needed.")]
    [InlineData("hf-qwen", "/added_tokens/0/content", "null", "An added token has no \"content\".")]
    [InlineData("hf-qwen", "/added_tokens/0/content", "\"\"", "An added token has no \"content\".")]
    [InlineData("hf-qwen", "/normalizer", """{"type":"Replace","pattern":{"String":""},"content":"x"}""", "The pattern \"{\"String\":\"\"}\"")]
    [InlineData("hf-unigram", "/model/vocab/0", "[]", "An array of 0 items stands where more are needed.")]
    [InlineData("hf-unigram", "/model/vocab/0", "[null, 0]", "A text is null.")]
    [InlineData("hf-unigram", "/model/vocab/9", "[\"<s>\", 0]", "The piece \"<s>\" is there twice")]
    [InlineData("hf-unigram", "/model/unk_id", "4000", "The tokenizer's unknown token has the id 4000")]
    public void WhatIsNotKnown_IsRefusedByName(string model, string place, string value, string expected)
    {
        using var folder = new TemporaryFolder();
        var root = JsonNode.Parse(File.ReadAllText(Path.Combine(s_folder, model + ".json")))!;
        var parts = place.Split('/')[1..];
        var node = parts[..^1].Aggregate(root, (parent, part) => int.TryParse(part, out var index) ? parent[index]! : parent[part]!);
        if (int.TryParse(parts[^1], out var last)) node[last] = JsonNode.Parse(value);
        else node[parts[^1]] = JsonNode.Parse(value);
        var path = folder.Write("tokenizer.json", root.ToJsonString());
        var message = Assert.Throws<CorpusException>(() => CorpusTokenizer.Read(path)).Message;
        Assert.StartsWith(path, message, StringComparison.Ordinal);
        Assert.Contains(expected, message, StringComparison.Ordinal);
    }

    [Fact]
    public void EndOfText_IsOneOfTheTokens()
    {
        var path = Path.Combine(s_folder, "hf-llama.json");
        Assert.Equal(-1, CorpusTokenizer.Read(path).Vocabulary.EndOfTextId);
        Assert.Equal(2, CorpusTokenizer.Read(path, new TiktokenOptions { EndOfText = "</s>" }).Vocabulary.EndOfTextId);
        Assert.Contains("has no token", Assert.Throws<CorpusException>(() => CorpusTokenizer.Read(path, new TiktokenOptions { EndOfText = "<eos>" })).Message, StringComparison.Ordinal);
        Assert.Contains("says itself how text is split", Assert.Throws<CorpusException>(() => CorpusTokenizer.Read(path, new TiktokenOptions { Split = "gpt2" })).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void FileWithoutAddedTokens_HasNone()
    {
        using var folder = new TemporaryFolder();
        var root = JsonNode.Parse(File.ReadAllText(Path.Combine(s_folder, "hf-digits.json")))!;
        root["added_tokens"] = new JsonArray();
        var expected = CorpusTokenizer.Read(folder.Write("none.json", root.ToJsonString())).Encode("12 cats, and 345", TestContext.Current.CancellationToken);
        root.AsObject().Remove("added_tokens");
        Assert.Equal(expected, CorpusTokenizer.Read(folder.Write("missing.json", root.ToJsonString())).Encode("12 cats, and 345", TestContext.Current.CancellationToken));
        root.AsObject().Remove("model");
        Assert.Contains("a member is missing", Assert.Throws<CorpusException>(() => CorpusTokenizer.Read(folder.Write("no-model.json", root.ToJsonString()))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void FilesThatAreSomethingElse_AreErrors()
    {
        using var folder = new TemporaryFolder();
        var json = folder.Write("a.json", "{\"model\":{\"type\":\"BPE\"}}");
        Assert.Contains("is no tokenizer.json", Assert.Throws<CorpusException>(() => CorpusTokenizer.Read(json)).Message, StringComparison.Ordinal);
        var page = folder.Write("c.json", "<!DOCTYPE html><html><body>Sign in</body></html>");
        Assert.Contains("is a web page", Assert.Throws<CorpusException>(() => CorpusTokenizer.Read(page)).Message, StringComparison.Ordinal);
        var pointer = folder.Write("d.model", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n");
        Assert.Contains("git lfs pull", Assert.Throws<CorpusException>(() => CorpusTokenizer.Read(pointer)).Message, StringComparison.Ordinal);
        var bytes = File.ReadAllBytes(Path.Combine(s_folder, "bpe.model"));
        var cut = folder.Write("b.model", bytes[..(bytes.Length / 2 + 1)]);
        Assert.StartsWith(cut, Assert.Throws<CorpusException>(() => CorpusTokenizer.Read(cut)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void SentencePieceModelWithoutOrdinaryPieces_IsAnError()
    {
        using var folder = new TemporaryFolder();
        // A piece is field 1: its text is field 1, its kind field 3, and unknown is 2.
        var path = folder.Write("none.model", [0x0A, 9, 0x0A, 5, .. "<unk>"u8, 0x18, 2]);
        Assert.Contains($"{path} has no ordinary piece", Assert.Throws<CorpusException>(() => CorpusTokenizer.Read(path)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void GiantWords_TakeNoLongerAByte()
    {
        foreach (var model in new[] { "hf-llama.json", "hf-qwen.json", "bpe.model", "unigram.model" })
        {
            var tokenizer = CorpusTokenizer.Read(Path.Combine(s_folder, model));
            Assert.NotEmpty(tokenizer.Encode(new string('s', 1_000_000), TestContext.Current.CancellationToken));
        }
    }

    private static void AssertIds(CorpusTokenizer tokenizer, string[] texts, string file)
    {
        var expected = JsonSerializer.Deserialize<int[][]>(File.ReadAllText(Path.Combine(s_folder, file)))!;
        Assert.Equal(texts.Length, expected.Length);
        for (var i = 0; i < texts.Length; i++)
        {
            var ids = tokenizer.Encode(texts[i], TestContext.Current.CancellationToken);
            Assert.True(expected[i].AsSpan().SequenceEqual(ids), $"{texts[i]}\nexpected {Show(tokenizer, expected[i])}\nactual   {Show(tokenizer, ids)}");
        }
    }

    private static string Show(CorpusTokenizer tokenizer, int[] ids) => string.Join(' ', ids.Select(id => Encoding.UTF8.GetString(tokenizer.Vocabulary.GetToken(id)) + ":" + id));
}
