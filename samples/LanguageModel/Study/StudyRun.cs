using System.Diagnostics;

namespace LanguageModelSample;

/// <summary>Trains one softmax of the study to the end of the schedule, and judges it.</summary>
/// <param name="text">The text.</param>
/// <param name="judge">Judges.</param>
/// <param name="options">How much to do.</param>
/// <param name="threads">The threads that compute.</param>
internal sealed class StudyRun(StudyText text, StudyJudge judge, StudyOptions options, int threads)
{
    private const int DecodedTokens = 256;

    public StudyFigures Execute(StudyVariant variant, double rate, int seed, string key, Action<double> progress, CancellationToken cancellation)
    {
        using var model = Models.CreateForStudy((ulong)seed, variant.Layout, text.EndOfText, threads);
        var clock = Stopwatch.StartNew();
        var (steps, processor) = Train(model, rate, seed, progress, cancellation);
        var seconds = clock.Elapsed.TotalSeconds;
        var validation = judge.Judge(model, text.Validation, options.HeldOutTokens, cancellation);
        var test = judge.Judge(model, text.Test, options.HeldOutTokens, cancellation);
        var written = WrittenText.Write(model, text.Test, options, cancellation);
        return new StudyFigures
        {
            Variant = variant.Name,
            Rate = rate,
            Seed = seed,
            Key = key,
            ValidationPerplexity = validation.Perplexity,
            Perplexity = test.Perplexity,
            PerplexityByDecile = test.ByDecile,
            PerplexityByCluster = test.ByCluster,
            Accuracy = test.Accuracy,
            TailAccuracy = test.TailAccuracy,
            Distinct = [.. Enumerable.Range(1, 3).Select(length => WrittenText.Distinct(written, length))],
            Repetition = WrittenText.Repetition(written),
            StepProcessorMilliseconds = processor,
            StepMilliseconds = Timing.Median(steps),
            DecodeMicroseconds = MeasureDecoding(model),
            Seconds = seconds,
        };
    }

    private (List<double> Milliseconds, double ProcessorMilliseconds) Train(Model model, double rate, int seed, Action<double> progress, CancellationToken cancellation)
    {
        using var training = model.CreateTraining();
        var schedule = new Schedule { FallStart = (long)Math.Round(options.Steps * (1 - Schedule.FallShare)) };
        var batch = new Batch(options.BatchSize, model.Window);
        var positions = new int[options.BatchSize];
        var step = 0;
        using var process = Process.GetCurrentProcess();
        var before = process.TotalProcessorTime;
        var times = Timing.Repeat(options.Steps, double.PositiveInfinity, Advance, cancellation);
        process.Refresh();
        return (times, (process.TotalProcessorTime - before).TotalMilliseconds / options.Steps);

        void Advance()
        {
            TextData.DrawPositions(text.Training, (ulong)seed, step, positions);
            batch.Fill(text.Training, positions, model.EndOfText);
            training.Step(batch, rate * schedule.RateAt(step));
            step++;
            progress((double)step / options.Steps);
        }
    }

    private double MeasureDecoding(Model model)
    {
        var batch = new Batch(DecodedTokens, model.Window);
        batch.Fill(text.Test, TextData.SpreadPositions(text.Test, DecodedTokens), model.EndOfText);
        var predict = model.PreparePredictions(batch.Windows);
        return 1e3 * Timing.MedianOver(DecodedTokens, token => predict(token));
    }
}
