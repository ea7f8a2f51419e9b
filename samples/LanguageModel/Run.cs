using System.Globalization;
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
        // Before training, so that a path that cannot be written costs no run.
        Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(options.CheckpointPath))!);
        using var device = ComputeDevice.Open(options.Device, options.Threads);
        if (device.Description is { } description) Say($"Computing on {description}.");
        var tokenizer = CorpusTokenizer.Create("o200k_base");
        var text = LoadText(tokenizer, cancellation);

        using var model = device.CreateAdaptive(options.Seed);
        using var trainer = new Trainer(model, text.Training, options.Seed);
        trainer.WarmUp();
        if (options.Resume) Resume(trainer);
        new TrainingLoop(model, trainer, text, options, console).Execute(cancellation);
        var perplexity = model.Perplexity(text.HeldOut, FinalPerplexityTokens);
        Say($"Trained on {trainer.Step * Trainer.BatchSize:N0} tokens in {trainer.Step:N0} steps; held-out perplexity {perplexity:F1}. Saved as {options.CheckpointPath}.");

        Say($"The same body with a full softmax, for {options.BaselineSeconds:F0} s...");
        var comparison = Comparison.Measure(model, device, text, options, cancellation);
        ReportTable.Write(console, comparison, device.MemoryName, trainer.Step, perplexity);

        var decoder = new Decoder(model, tokenizer);
        foreach (var prompt in options.Prompts)
        {
            console.Write(new Rule { Style = new Style(Color.Grey) });
            console.Write(new Text(prompt, new Style(Color.Green)));
            console.Profile.Out.Writer.WriteLine(decoder.Continue(prompt, WrittenTokens) + "\n");
        }
    }

    private TextData LoadText(CorpusTokenizer tokenizer, CancellationToken cancellation)
    {
        var files = options.Corpus.Count == 0 ? ReferencePacks.FindDocumentation() : FindFiles(options.Corpus);
        Say($"Reading {files.Count:N0} files ({files.Sum(file => file.Length) / 1e6:F1} MB)...");
        var text = TextData.Load(files, tokenizer, new TokenizeOptions { Threads = options.Threads }, cancellation);
        Say($"{text.Training.Length:N0} tokens to learn from, {text.HeldOut.Length:N0} held out; {ApiDocsSoftmax.VocabularySize:N0} tokens in the vocabulary.");
        return text;
    }

    private static List<CorpusFile> FindFiles(IEnumerable<string> paths) =>
        [.. paths.SelectMany(path => CorpusFiles.Find([path], path.EndsWith(".xml", StringComparison.OrdinalIgnoreCase) ? CorpusFormat.XmlDoc : CorpusFormat.Text))];

    private void Resume(Trainer trainer)
    {
        trainer.Restore(options.CheckpointPath);
        if (trainer.IsFinished) trainer.Extend();
        Say($"Going on from step {trainer.Step:N0} of {options.CheckpointPath}.");
    }

    private void Say(FormattableString line) => console.WriteLine(line.ToString(CultureInfo.InvariantCulture));
}
