using AdaptiveSoftmax.Testing;

namespace AdaptiveSoftmax.Corpus.Tests.Fuzzing;

/// <summary>Damaged files of tokenizers are read, and then encode any text, or are refused as documented.</summary>
[MoreAtNight]
public sealed class TokenizerFuzzTests : IDisposable
{
    // An id of 16 million is one that a file may have, and each id below it has a token.
    private const long MostBytes = 3L << 30;

    private static readonly string s_folder = System.IO.Path.Combine(AppContext.BaseDirectory, "fixtures", "tokenizers");

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("hf-unigram")]
    [InlineData("hf-llama")]
    [InlineData("hf-bert")]
    [InlineData("hf-words")]
    [InlineData("hf-qwen")]
    public void TokenizerJson(string model)
    {
        var sound = File.ReadAllText(System.IO.Path.Combine(s_folder, model + ".json"));
        DamagedInputs.Read(mutator => mutator.Json(sound), text => ReadAndEncode(_folder.Write("tokenizer.json", text)), IsDocumented, "tokenizer.json", MostBytes, usually: 250);
    }

    [Theory]
    [InlineData("unigram.model")]
    [InlineData("bpe-bytes.model")]
    public void SentencePieceModels(string model)
    {
        var sound = File.ReadAllBytes(System.IO.Path.Combine(s_folder, model));
        DamagedInputs.Read(mutator => mutator.Bytes(sound), bytes => ReadAndEncode(_folder.Write("pieces.model", bytes)), IsDocumented, "pieces.model", MostBytes, usually: 1_000);
    }

    [Fact]
    public void RankFiles()
    {
        var sound = string.Concat(Enumerable.Range(0, 256).Select(value => $"{Convert.ToBase64String([(byte)value])} {value}\n")) + $"{Convert.ToBase64String("the"u8)} 256\n{Convert.ToBase64String("th"u8)} 257\n";
        var options = new TiktokenOptions { Split = "o200k_base", SpecialTokens = new Dictionary<string, int> { [EncodedVocabulary.EndOfText] = 300 } };
        DamagedInputs.Read(mutator => mutator.Text(sound), text => Encode(CorpusTokenizer.ReadTiktoken(_folder.Write("ranks.tiktoken", text), options)), IsDocumented, "ranks.tiktoken", MostBytes, usually: 500);
    }

    private static void ReadAndEncode(string path) => Encode(CorpusTokenizer.Read(path));

    private static void Encode(CorpusTokenizer tokenizer)
    {
        var ids = tokenizer.Encode("the cats sat, 12 é 你好 🙂!\n\n<s> </s> \u0000x", TestContext.Current.CancellationToken);
        Assert.All(ids, id => Assert.InRange(id, 0, tokenizer.Vocabulary.Count - 1));
    }

    private static bool IsDocumented(Exception exception) => exception is CorpusException;
}
