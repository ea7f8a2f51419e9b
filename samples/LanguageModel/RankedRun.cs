using System.Globalization;
using AdaptiveSoftmax.Corpus;
using AdaptiveSoftmax.Distributed;
using Spectre.Console;

namespace LanguageModelSample;

/// <summary>The run with all ranks that <c>mpirun</c> started: they train one model, of which rank 0 shows the progress.</summary>
internal sealed class RankedRun(RunOptions options, IAnsiConsole console)
{
    private const int PerplexityTokens = 8192;
    private const int WrittenTokens = 90;
    private const int TimedSteps = 12;

    public void Execute(CancellationToken cancellation)
    {
        var isCancelled = false;
        MpiCollectives.Run(ranks =>
        {
            using var model = Models.CreateAdaptive(options.Seed, options.Threads);
            using var training = new RankedTraining(ranks, model, options.CheckpointPath, Trainer.BatchSize);
            if (ranks.Rank == 0) isCancelled = !Lead(ranks, model, training, cancellation);
            else training.Follow();
        });
        if (isCancelled) throw new OperationCanceledException(cancellation);
    }

    // Rank 0; false where Ctrl-C ended it.
    private bool Lead(MpiCollectives ranks, Model model, RankedTraining training, CancellationToken cancellation)
    {
        options.PrepareCheckpoint();
        console.Say($"{ranks.Size} ranks under {ranks.LibraryVersion} train one model, {Trainer.BatchSize} tokens a step each.");
        var tokenizer = CorpusTokenizer.Create("o200k_base");
        var text = CorpusText.Load(options, tokenizer, console, cancellation);
        using var trainer = new Trainer(model, text.Training, options.Seed, Trainer.BatchSize * ranks.Size, training);
        var loop = new TrainingLoop(model, trainer, text, options, console);
        if (options.Resume) loop.Resume();
        try
        {
            loop.Execute(cancellation);
        }
        catch (OperationCanceledException)
        {
            training.Stop();
            return false;
        }

        var perplexity = model.Perplexity(text.HeldOut, PerplexityTokens);
        console.Say($"Trained on {trainer.Step * trainer.TokensPerStep:N0} tokens in {trainer.Step:N0} steps; held-out perplexity {perplexity:F1}. Saved as {options.CheckpointPath}.");
        var decoder = new Decoder(model, tokenizer);
        console.WriteContinuations(options.Prompts, prompt => decoder.Continue(prompt, WrittenTokens));
        WriteTable(ranks, model, training, trainer.Batch, cancellation);
        return true;
    }

    // The last thing of the run, since the replicas differ once rank 0 has taken steps alone.
    private void WriteTable(MpiCollectives ranks, Model model, RankedTraining training, Batch batch, CancellationToken cancellation)
    {
        var table = new Table().Border(TableBorder.Rounded);
        foreach (var column in (string[])["ranks", "tokens a step", "ms a step", "tokens a second", "MB received a step"]) table.AddColumn(new TableColumn(column).RightAligned());
        var before = ranks.BytesReceived;
        var times = Timing.Repeat(TimedSteps, double.PositiveInfinity, () => training.Step(batch, rate: 0), cancellation);
        var bytes = (ranks.BytesReceived - before) / times.Count;
        training.Stop();

        using var alone = new ProcessorTraining(model);
        var share = new Batch(Trainer.BatchSize, model.Window);
        batch.Targets.AsSpan(0, share.Targets.Length).CopyTo(share.Targets);
        batch.Windows.AsSpan(0, share.Windows.Length).CopyTo(share.Windows);
        AddRow(1, Timing.Median(Timing.Repeat(TimedSteps, double.PositiveInfinity, () => alone.Step(share, rate: 0), cancellation)), 0);
        AddRow(ranks.Size, Timing.Median(times), bytes);
        console.Write(table);

        void AddRow(int count, double milliseconds, long received)
        {
            var tokens = Trainer.BatchSize * count;
            string Cell(double value, string format) => value.ToString(format, CultureInfo.InvariantCulture);
            table.AddRow(Cell(count, "N0"), Cell(tokens, "N0"), Cell(milliseconds, "N1"), Cell(1e3 * tokens / milliseconds, "N0"), Cell(received / 1e6, "N1"));
        }
    }
}
