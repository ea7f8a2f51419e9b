using System.Runtime.InteropServices;
using AdaptiveSoftmax.Corpus;
using LanguageModelSample;
using Spectre.Console;
using static TorchSharp.torch;

namespace TorchLstmSample;

/// <summary>The run from start to end: read the text, train, move the weights into the generated class, compare, write.</summary>
internal sealed class Run(RunOptions options, IAnsiConsole console)
{
    private const int FinalPerplexityTokens = 8192;
    private const int ComparedPredictions = 256;
    private const int WrittenTokens = 90;
    private const int ShortestStretch = 2048;

    public void Execute(CancellationToken cancellation)
    {
        options.PrepareCheckpoint();
        // Before the text is read: where libtorch does not load, that ends the run.
        using var layer = ApiDocsLstm.Create(options.Seed);
        using var model = LstmModels.CreateAdaptive(layer, options.Seed);
        set_num_threads(options.Threads);
        var tokenizer = CorpusTokenizer.Create("o200k_base");
        var text = Arrange(CorpusText.Load(options, tokenizer, console, cancellation), tokenizer.Vocabulary.EndOfTextId);

        using var run = new LstmRun(new LstmTrainer(model, text.Training), layer, options.Seed);
        var loop = new TrainingLoop(run, tokens => model.Perplexity(text.HeldOut, tokens), options, console);
        if (options.Resume) loop.Resume();
        loop.Execute(cancellation);
        var perplexity = model.Perplexity(text.HeldOut, FinalPerplexityTokens);
        console.Say($"Trained on {run.Step * run.TokensPerStep:N0} tokens in {run.Step:N0} steps; held-out perplexity {perplexity:F1}. Saved as {options.CheckpointPath}.");

        using var softmax = ReadSaved(model, text);
        console.Say($"The same body with TorchSharp's full softmax, for {options.BaselineSeconds:F0} s, and with the adaptive one for as long...");
        LstmComparison.Measure(model, softmax, text, options, cancellation).Write(console, options, run.Step, perplexity);

        var writer = new LstmWriter(model, softmax, tokenizer);
        console.WriteContinuations(options.Prompts, prompt => writer.Continue(prompt, WrittenTokens));
    }

    /// <summary>The text as slots, which are the module's classes, and what is learned from in the order of the run.</summary>
    private TextData Arrange(TextData text, int endOfText)
    {
        var shuffled = TextStreams.Shuffle(text.Training, endOfText, ShortestStretch, options.Seed);
        int[] slots = [.. Enumerable.Range(0, ApiDocsLstm.VocabularySize).Select(id => ApiDocsLstm.Vocabulary.GetSlot(id).Slot)];
        return new TextData(Array.ConvertAll(shuffled, id => slots[id]), Array.ConvertAll(text.HeldOut, id => slots[id]));
    }

    /// <summary>The generated class with the weights from the file: it needs TorchSharp no more, and predicts what the module does.</summary>
    private ApiDocsLstm ReadSaved(LstmModel model, TextData text)
    {
        var softmax = ApiDocsLstm.Create();
        softmax.Restore(options.CheckpointPath);
        using var scope = NewDisposeScope();
        var hidden = model.ReadStretches(text.HeldOut, ComparedPredictions);
        var expected = model.Head.Predict(hidden).data<long>().ToArray();
        var actual = new int[ComparedPredictions];
        softmax.Predict(MemoryMarshal.Cast<byte, float>(hidden.bytes), actual);
        var same = actual.Zip(expected).Count(pair => ApiDocsLstm.Vocabulary.GetSlot(pair.First).Slot == pair.Second);
        console.Say($"{nameof(ApiDocsLstm)} read its weights from that file, with the fingerprint {ApiDocsLstm.Fingerprint[..8]}...: {same} of {ComparedPredictions} predictions are the module's.");
        return softmax;
    }
}
