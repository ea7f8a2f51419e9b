using System.Text;
using AdaptiveSoftmax.Corpus;
using AdaptiveSoftmax.Vocabulary;
using LanguageModelSample;
using ServerSample;

namespace AdaptiveSoftmax.Server.Tests;

/// <summary>
/// A model that knows one text by heart, over all bytes, a few words and an end of text: characters are cut by tokens, stop
/// strings reach over them, and head and tails all have tokens of the text.
/// </summary>
internal static class TinyModel
{
    public const string Text = "the cat sat on the mat. Größe: 你好, 🙂! then the cat ran off.";

    private const int Window = 6;
    private const int HiddenSize = 32;

    private static readonly string[] s_words = ["th", "the", " the", "at", "cat", " cat", "sat", " sat", "on", " on", "mat", " mat"];
    private static readonly Lazy<(CorpusTokenizer Tokenizer, float[][] Weights)> s_trained = new(Train);

    public static CorpusTokenizer Tokenizer => s_trained.Value.Tokenizer;

    public static int EndOfText => Tokenizer.Vocabulary.EndOfTextId;

    /// <summary>A model of one's own: models work for one engine at a time.</summary>
    public static ServedModel Create() => Create(ServedHead.Stored);

    /// <summary>The model with another copy of its softmax.</summary>
    public static ServedModel Create(ServedHead head)
    {
        var (tokenizer, weights) = s_trained.Value;
        var model = CreateModel(tokenizer);
        for (var i = 0; i < weights.Length; i++) model.Parameters[i].Set(weights[i]);
        return new ServedModel("tiny", model, tokenizer, CreateBaseline(tokenizer, model.Layout), ModelLoader.FingerprintOf(model, head)) { Head = ServedHeads.Create(model.Softmax, head) };
    }

    /// <summary>A model with a full softmax, which knows no text.</summary>
    public static ServedModel CreateFull()
    {
        var (tokenizer, weights) = s_trained.Value;
        var vocabulary = tokenizer.Vocabulary;
        var softmax = new DynamicAdaptiveSoftmax(SoftmaxLayout.CreateFull(HiddenSize, vocabulary.Count), seed: 4, new AdaptiveSoftmaxOptions { Threads = 2 });
        var model = new Model(CreateBody(vocabulary.Count), softmax, [.. Enumerable.Range(0, vocabulary.Count)], vocabulary.EndOfTextId);
        for (var i = 0; i < model.Body.Parameters.Count; i++) model.Body.Parameters[i].Set(weights[i]);
        return new ServedModel("tiny", model, tokenizer, CreateBaseline(tokenizer, model.Layout), ModelLoader.FingerprintOf(model));
    }

    /// <summary>A model over the same tokens that writes other texts and has other clusters.</summary>
    public static ServedModel CreateSuccessor()
    {
        var (tokenizer, weights) = s_trained.Value;
        var model = CreateModel(tokenizer, seed: 9, 64, 128, 200);
        for (var i = 0; i < model.Body.Parameters.Count; i++) model.Body.Parameters[i].Set(weights[i]);
        return new ServedModel("tiny", model, tokenizer, CreateBaseline(tokenizer, model.Layout), ModelLoader.FingerprintOf(model));
    }

    /// <summary>A model whose softmax lacks some of the tokens that its body reads, as after a migration that dropped them.</summary>
    public static ServedModel CreateWithout(params IReadOnlyList<int> dropped)
    {
        var tokenizer = Tokenizer;
        var vocabulary = tokenizer.Vocabulary;
        int[] ids = [.. Enumerable.Range(0, vocabulary.Count).Except(dropped)];
        var table = TokenTable.Create(ids, [.. ids.Select(id => 1000L - id)], [.. ids.Select(id => vocabulary.GetToken(id).ToArray())]);
        using var text = new StringWriter();
        TokenTableWriter.Write(text, table, TestServer.Cancellation);
        var spec = SoftmaxDefinitionReader.Read("tiny.softmax.json", $$"""{"hiddenSize": {{HiddenSize}}, "vocabulary": "tiny.tokens", "cutoffs": [128], "projections": [8]}""", "tiny.tokens", text.ToString()).Definition!;
        var model = new Model(CreateBody(vocabulary.Count), new DynamicAdaptiveSoftmax(spec), [.. Enumerable.Range(0, vocabulary.Count)], vocabulary.EndOfTextId);
        return new ServedModel("tiny", model, tokenizer, new DriftBaseline(spec.Table, spec.Layout), ModelLoader.FingerprintOf(model));
    }

    private static (CorpusTokenizer Tokenizer, float[][] Weights) Train()
    {
        var tokenizer = CreateTokenizer();
        int[] text = [.. Enumerable.Repeat<int[]>([.. tokenizer.Encode(Text), tokenizer.Vocabulary.EndOfTextId], 20).SelectMany(tokens => tokens)];
        using var model = CreateModel(tokenizer);
        using var trainer = new Trainer(model, text, seed: 1, batchSize: 64);
        while (trainer.Step < 300) trainer.Advance();
        return (tokenizer, [.. model.Parameters.Select(parameter => parameter.Values.ToArray())]);
    }

    private static CorpusTokenizer CreateTokenizer()
    {
        var tokens = Enumerable.Range(0, 256).Select(value => new[] { (byte)value }).Concat(s_words.Select(Encoding.UTF8.GetBytes));
        var path = Path.GetTempFileName();
        try
        {
            File.WriteAllLines(path, tokens.Select((token, id) => $"{Convert.ToBase64String(token)} {id}"));
            return CorpusTokenizer.ReadTiktoken(path, new TiktokenOptions { Split = "o200k_base", SpecialTokens = new Dictionary<string, int> { [EncodedVocabulary.EndOfText] = 256 + s_words.Length } });
        }
        finally
        {
            File.Delete(path);
        }
    }

    // Ids are slots here: the head has the ASCII characters, one tail the other bytes, one the words.
    private static Model CreateModel(CorpusTokenizer tokenizer) => CreateModel(tokenizer, seed: 1, 128, 256);

    private static Model CreateModel(CorpusTokenizer tokenizer, ulong seed, params int[] cutoffs)
    {
        var vocabulary = tokenizer.Vocabulary;
        var layout = SoftmaxLayout.Create(HiddenSize, vocabulary.Count, cutoffs, divValue: 2);
        var softmax = new DynamicAdaptiveSoftmax(layout, seed, new AdaptiveSoftmaxOptions { Threads = 2 });
        return new Model(CreateBody(vocabulary.Count), softmax, [.. Enumerable.Range(0, vocabulary.Count)], vocabulary.EndOfTextId);
    }

    private static Body CreateBody(int rows) =>
        new(new BodyShape { Window = Window, EmbeddingRows = rows, EmbeddingSize = 8, HiddenSize = HiddenSize, Threads = 2 }, seed: 1);

    // Slots follow the counts, so descending counts keep them the ids.
    private static DriftBaseline CreateBaseline(CorpusTokenizer tokenizer, SoftmaxLayout layout)
    {
        int[] ids = [.. Enumerable.Range(0, layout.VocabularySize)];
        return new DriftBaseline(TokenTable.Create(ids, [.. ids.Select(id => 1000L - id)], [.. ids.Select(id => tokenizer.Vocabulary.GetToken(id).ToArray())]), layout);
    }
}
