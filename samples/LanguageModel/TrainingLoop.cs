using System.Diagnostics;
using System.Globalization;
using Spectre.Console;

namespace LanguageModelSample;

/// <summary>Trains until the time is over, shows how it goes, and saves the run every now and then.</summary>
internal sealed class TrainingLoop(LanguageModel model, Trainer trainer, TextData text, RunOptions options, IAnsiConsole console)
{
    private const int PerplexityTokens = 2048;
    private const double SecondsBetweenPerplexities = 5;
    private const double SecondsBetweenSaves = 30;

    /// <summary>Trains. Whether it comes to its end or is cancelled, the checkpoint holds the last step.</summary>
    public void Execute(CancellationToken cancellation)
    {
        TrainingDisplay.Show(console, options.Seconds, show => Train(show, cancellation));
        trainer.Save(options.CheckpointPath);
        if (!cancellation.IsCancellationRequested) return;
        console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"Stopped and saved as {options.CheckpointPath}; go on with --resume."));
        cancellation.ThrowIfCancellationRequested();
    }

    private void Train(Action<TrainingState> show, CancellationToken cancellation)
    {
        var clock = Stopwatch.StartNew();
        var (firstStep, firstSecond) = (trainer.Step, trainer.Seconds);
        var (nextPerplexity, nextSave) = (0.0, SecondsBetweenSaves);
        var (meanLoss, perplexity) = (double.NaN, 0.0);
        var targetsByCluster = new long[ApiDocsSoftmax.ClusterCount + 1];
        while (!trainer.IsFinished && !cancellation.IsCancellationRequested)
        {
            var loss = trainer.Advance();
            meanLoss = double.IsNaN(meanLoss) ? loss : (0.98 * meanLoss) + (0.02 * loss);
            foreach (var target in trainer.Batch.Targets) targetsByCluster[ApiDocsSoftmax.Vocabulary.GetSlot(target).Cluster]++;

            var seconds = clock.Elapsed.TotalSeconds;
            trainer.Seconds = firstSecond + seconds;
            if (trainer.Seconds >= options.Seconds * (1 - Schedule.FallShare)) trainer.BeginFall();
            if (seconds >= nextPerplexity)
            {
                perplexity = model.Perplexity(text.HeldOut, PerplexityTokens);
                nextPerplexity = seconds + SecondsBetweenPerplexities;
            }

            if (seconds >= nextSave)
            {
                trainer.Save(options.CheckpointPath);
                nextSave = seconds + SecondsBetweenSaves;
            }

            var tokensPerSecond = (trainer.Step - firstStep) * Trainer.BatchSize / seconds;
            show(new TrainingState(trainer.Seconds, trainer.Step, trainer.Schedule.End, tokensPerSecond, meanLoss, perplexity, targetsByCluster));
        }
    }
}
