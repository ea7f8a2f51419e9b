using System.Diagnostics;
using Spectre.Console;

namespace LanguageModelSample;

/// <summary>Trains until the time is over, shows how it goes, and saves the run every now and then.</summary>
/// <param name="run">The run.</param>
/// <param name="perplexity">The perplexity of some tokens of held-out text, by their number.</param>
/// <param name="options">How long, and where to save.</param>
/// <param name="console">Where to show it.</param>
internal sealed class TrainingLoop(TrainingRun run, Func<int, double> perplexity, RunOptions options, IAnsiConsole console)
{
    private const int PerplexityTokens = 2048;
    private const double SecondsBetweenPerplexities = 5;
    private const double SecondsBetweenSaves = 30;

    public TrainingLoop(LanguageModel model, Trainer trainer, TextData text, RunOptions options, IAnsiConsole console)
        : this(trainer, tokens => model.Perplexity(text.HeldOut, tokens), options, console)
    {
    }

    /// <summary>Goes on from the checkpoint: to the end of a run that was stopped, or for the time asked for on top of one that was not.</summary>
    public void Resume()
    {
        run.Restore(options.CheckpointPath);
        if (run.IsFinished) run.Extend();
        console.Say($"Going on from step {run.Step:N0} of {options.CheckpointPath}.");
    }

    /// <summary>Trains. Whether it comes to its end or is cancelled, the checkpoint holds the last step.</summary>
    public void Execute(CancellationToken cancellation)
    {
        TrainingDisplay.Show(console, options.Seconds, show => Train(show, cancellation));
        if (run.LeftOut > 0) console.Say($"{run.LeftOut:N0} batches had a loss or a gradient that was not finite, and were left out.");
        run.Save(options.CheckpointPath);
        if (!cancellation.IsCancellationRequested) return;
        console.Say($"Stopped and saved as {options.CheckpointPath}; go on with --resume.");
        cancellation.ThrowIfCancellationRequested();
    }

    private void Train(Action<TrainingState> show, CancellationToken cancellation)
    {
        var clock = Stopwatch.StartNew();
        var (firstStep, firstSecond) = (run.Step, run.Seconds);
        var (nextPerplexity, nextSave) = (0.0, SecondsBetweenSaves);
        var (meanLoss, lastPerplexity) = (double.NaN, 0.0);
        var targetsByCluster = new long[run.Layout.ClusterCount + 1];
        while (!run.IsFinished && !cancellation.IsCancellationRequested)
        {
            var loss = run.Advance();
            if (float.IsFinite(loss)) meanLoss = double.IsNaN(meanLoss) ? loss : (0.98 * meanLoss) + (0.02 * loss);
            run.CountTargets(targetsByCluster);

            var seconds = clock.Elapsed.TotalSeconds;
            run.Seconds = firstSecond + seconds;
            if (run.Seconds >= options.Seconds * (1 - Schedule.FallShare)) run.BeginFall();
            if (seconds >= nextPerplexity)
            {
                lastPerplexity = perplexity(PerplexityTokens);
                nextPerplexity = seconds + SecondsBetweenPerplexities;
            }

            if (seconds >= nextSave)
            {
                run.Save(options.CheckpointPath);
                nextSave = seconds + SecondsBetweenSaves;
            }

            var tokensPerSecond = (run.Step - firstStep) * run.TokensPerStep / seconds;
            show(new TrainingState(run.Seconds, run.Step, run.Schedule.End, tokensPerSecond, meanLoss, lastPerplexity, targetsByCluster));
        }
    }
}
