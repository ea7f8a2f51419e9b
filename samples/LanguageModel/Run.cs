using AdaptiveSoftmax.Corpus;
using Spectre.Console;

namespace LanguageModelSample;

/// <summary>The run from start to end: read the text, train, compare with a full softmax, write.</summary>
internal sealed class Run(RunOptions options, IAnsiConsole console)
{
    private const int FinalPerplexityTokens = 8192;
    private const int WrittenTokens = 90;

    public void Execute(CancellationToken cancellation)
    {
        options.PrepareCheckpoint();
        using var device = ComputeDevice.Open(options.Device, options.Threads);
        if (device.Description is { } description) console.Say($"Computing on {description}.");
        var tokenizer = CorpusTokenizer.Create("o200k_base");
        var text = CorpusText.Load(options, tokenizer, console, cancellation);

        using var model = device.CreateAdaptive(options.Seed);
        using var trainer = new Trainer(model, text.Training, options.Seed);
        trainer.WarmUp();
        var loop = new TrainingLoop(model, trainer, text, options, console);
        if (options.Resume) loop.Resume();
        loop.Execute(cancellation);
        var perplexity = model.Perplexity(text.HeldOut, FinalPerplexityTokens);
        console.Say($"Trained on {trainer.Step * Trainer.BatchSize:N0} tokens in {trainer.Step:N0} steps; held-out perplexity {perplexity:F1}. Saved as {options.CheckpointPath}.");
        if (options.StatesPath is { } statesPath)
        {
            var states = StatesExport.Write(model, text.HeldOut, statesPath, options.StatesTokens, cancellation);
            console.Say($"{states:N0} states of held-out text are in {statesPath}.");
        }

        console.Say($"The same body with a full softmax, for {options.BaselineSeconds:F0} s...");
        var comparison = Comparison.Measure(model, device, text, options, cancellation);
        comparison.Write(console, device.MemoryName, trainer.Step, perplexity);
        if (options.CacheStates > 0) CacheGain.Measure((Model)model, text.HeldOut, options.CacheStates, cancellation).Write(console);

        if (options.DraftedTokens > 0) DraftGain.Measure((Model)model, text.Training, [.. options.Prompts.Select(prompt => (int[])[.. tokenizer.Encode(prompt)])], WrittenTokens, options.DraftedTokens, cancellation).Write(console);
        var decoder = new Decoder(model, tokenizer);
        console.WriteContinuations(options.Prompts, prompt => decoder.Continue(prompt, WrittenTokens));
    }
}
