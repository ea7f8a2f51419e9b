using Microsoft.ML.Tokenizers;

namespace AdaptiveSoftmax.Corpus.Tests.Vocabularies;

/// <summary>Every encoding that Microsoft.ML.Tokenizers knows by name.</summary>
public sealed class BuiltInEncodingTests
{
    [Theory]
    [InlineData("o200k_base", 200_019, 199_999)]
    [InlineData("o200k_harmony", 201_088, 199_999)]
    [InlineData("cl100k_base", 100_277, 100_257)]
    [InlineData("p50k_base", 50_281, 50_256)]
    [InlineData("r50k_base", 50_257, 50_256)]
    [InlineData("gpt2", 50_257, 50_256)]
    public void Encoding_HasItsTokens(string name, int count, int endOfText)
    {
        var tokenizer = CorpusTokenizer.Create(name);
        Assert.Equal(count, tokenizer.Vocabulary.Count);
        Assert.Equal(endOfText, tokenizer.Vocabulary.EndOfTextId);
        const string Text = "It's 12345 words,   with      spaces\n\tand \"quotes\" <|endoftext|> naïve 日本語 👍🏽.";
        var ids = tokenizer.Encode(Text, TestContext.Current.CancellationToken);
        Assert.Equal(Text, tokenizer.Vocabulary.Decode(ids));
        Assert.Contains(endOfText, ids);
    }

    [Theory]
    [InlineData("r50k_base")]
    [InlineData("p50k_base")]
    public void Encoding_GivesTheIdsOfMicrosoftsTokenizer(string name)
    {
        // The data package of p50k_base is not served everywhere; its ranks are those of r50k_base and runs of spaces.
        Assert.SkipWhen(name == "p50k_base" && !HasData("P50kBase"), "Microsoft.ML.Tokenizers.Data.P50kBase is not there.");
        var peer = TiktokenTokenizer.CreateForEncoding(name);
        const string Text = "def f(x):\n        return {'a': [1, 22, 333]}  # it's\n\n\nMore   words";
        Assert.Equal(peer.EncodeToIds(Text), CorpusTokenizer.Create(name).Encode(Text, TestContext.Current.CancellationToken));
    }

    [Fact]
    public void P50k_HasRunsOfSpaces()
    {
        var vocabulary = CorpusTokenizer.Create("p50k_base").Vocabulary;
        Assert.Equal("  "u8, vocabulary.GetToken(50_257));
        Assert.Equal(25, vocabulary.GetToken(50_280).Length);
        Assert.Equal([50_263], CorpusTokenizer.Create("p50k_base").Encode("        ", TestContext.Current.CancellationToken));
        Assert.Equal([4299, 50_262, 2124], CorpusTokenizer.Create("p50k_base").Encode("def        x", TestContext.Current.CancellationToken));
    }

    private static bool HasData(string name)
    {
        try
        {
            return System.Reflection.Assembly.Load("Microsoft.ML.Tokenizers.Data." + name) is not null;
        }
        catch (FileNotFoundException)
        {
            return false;
        }
    }
}
