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

    public TrainingLoop(LanguageModel model, Trainer trainer, TextData text, RunOptions options, IAnsiConsole console)
        : this(trainer, tokens => model.Perplexity(text.HeldOut, tokens), options, console)
    {
    }

    /// <summary>How long training goes on between two saves, or two tries.</summary>
    public double SecondsBetweenSaves { get; init; } = 30;

    /// <summary>Where the run is saved that its own file does not take at the end.</summary>
    public string RescueFolder { get; init; } = Path.GetTempPath();

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
        SaveAtTheEnd();
        if (!cancellation.IsCancellationRequested) return;
        console.Say($"Stopped and saved as {options.CheckpointPath}; go on with --resume.");
        cancellation.ThrowIfCancellationRequested();
    }

    // A disk that is full for a while must not end a run of hours.
    private void SaveInBetween()
    {
        try
        {
            run.Save(options.CheckpointPath);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            console.Say($"Step {run.Step:N0} could not be saved: {exception.Message} Training goes on, and tries again in {SecondsBetweenSaves:F0} s.");
        }
    }

    private void SaveAtTheEnd()
    {
        try
        {
            run.Save(options.CheckpointPath);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            var rescue = Path.Combine(RescueFolder, $"{Guid.NewGuid():n}-{Path.GetFileName(options.CheckpointPath)}");
            run.Save(rescue);
            throw new IOException($"The run could not be saved as {options.CheckpointPath}: {exception.Message} It is saved as {rescue}; go on with --resume --checkpoint {rescue}, or move it.", exception);
        }
    }

    private void Train(Action<TrainingState> show, CancellationToken cancellation)
    {
        var clock = Stopwatch.StartNew();
        var (firstStep, firstSecond) = (run.Step, run.Seconds);
        var (nextPerplexity, nextSave) = (0.0, SecondsBetweenSaves);
        var (meanLoss, lastPerplexity) = (double.NaN, 0.0);
        var targetsByCluster = new long[run.Layout.TailCount + 1];
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
                SaveInBetween();
                nextSave = seconds + SecondsBetweenSaves;
            }

            var tokensPerSecond = (run.Step - firstStep) * run.TokensPerStep / seconds;
            show(new TrainingState(run.Seconds, run.Step, run.Schedule.End, tokensPerSecond, meanLoss, lastPerplexity, targetsByCluster));
        }
    }
}
