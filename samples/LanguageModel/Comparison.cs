using Spectre.Console;

namespace LanguageModelSample;

/// <summary>What a softmax costs and achieves over the first steps of training.</summary>
/// <param name="Steps">The steps taken.</param>
/// <param name="StepMilliseconds">The median time of a step, body and optimizer included.</param>
/// <param name="Perplexity">The perplexity on held-out text after these steps.</param>
/// <param name="LayerBytes">The memory of the layer: weights, gradients, and Adagrad's sums of squares.</param>
/// <param name="UsedBytes">The memory that these steps took: by how much the process grew, or what the device holds.</param>
/// <param name="DecodeMicroseconds">The median time of a greedy prediction from a hidden state.</param>
internal sealed record SoftmaxFigures(int Steps, double StepMilliseconds, double Perplexity, long LayerBytes, long UsedBytes, double DecodeMicroseconds);

/// <summary>
/// The full softmax for as many steps as fit in its time, and the adaptive one for as many steps again: the same text in
/// the same order, the same first body, the same optimizer.
/// </summary>
/// <param name="Adaptive">The adaptive softmax.</param>
/// <param name="Full">The full softmax.</param>
internal sealed record Comparison(SoftmaxFigures Adaptive, SoftmaxFigures Full)
{
    /// <summary>A full softmax needs 0.8 MB of logits and 0.2 billion multiplications a token, so that not many tokens can be asked for.</summary>
    public const int PerplexityTokens = 2048;

    private const int DecodedTokens = 48;

    // Steps of the adaptive softmax are so short that those compared may all be among a process's first, slow ones.
    private const int LeastTimedSteps = 24;

    /// <summary>Measures both.</summary>
    /// <param name="trained">The trained model. How long the adaptive softmax takes to decode depends on how sure it is; the full one always takes the same.</param>
    /// <param name="device">Where both compute.</param>
    /// <param name="text">The text.</param>
    /// <param name="options">The time to train for, and the seed.</param>
    /// <param name="cancellation">Stops between two steps.</param>
    public static Comparison Measure(LanguageModel trained, ComputeDevice device, TextData text, RunOptions options, CancellationToken cancellation)
    {
        var full = Measure(device, () => device.CreateFull(options.Seed), text, options, int.MaxValue, cancellation);
        var adaptive = Measure(device, () => device.CreateAdaptive(options.Seed), text, options, full.Steps, cancellation);
        return new Comparison(adaptive with { DecodeMicroseconds = MeasureDecoding(trained, text) }, full);
    }

    /// <summary>Writes the closing table.</summary>
    /// <param name="console">Where the table goes.</param>
    /// <param name="memory">What <see cref="SoftmaxFigures.UsedBytes"/> are.</param>
    /// <param name="steps">The steps of the whole run.</param>
    /// <param name="perplexity">The perplexity after it.</param>
    public void Write(IAnsiConsole console, string memory, long steps, double perplexity) => new ReportTable()
        .Add($"training step of {Trainer.BatchSize} tokens", "ms", Adaptive.StepMilliseconds, Full.StepMilliseconds)
        .Add($"held-out perplexity after {Full.Steps} steps each", "", Adaptive.Perplexity, Full.Perplexity)
        .Add($"held-out perplexity after {steps:N0} steps", perplexity)
        .Add($"weights, gradients, optimizer state of the layer", "MB", Adaptive.LayerBytes / 1e6, Full.LayerBytes / 1e6)
        .Add($"{memory}", "MB", Adaptive.UsedBytes / 1e6, Full.UsedBytes / 1e6)
        .Add($"greedy decoding of a token", "ms", Adaptive.DecodeMicroseconds / 1e3, Full.DecodeMicroseconds / 1e3)
        .Write(console);

    private static SoftmaxFigures Measure(ComputeDevice device, Func<LanguageModel> create, TextData text, RunOptions options, int maxSteps, CancellationToken cancellation)
    {
        GC.Collect();
        var (before, peak) = (device.UsedMemory, 0L);
        using var model = create();
        using var trainer = new Trainer(model, text.Training, options.Seed);
        trainer.WarmUp();
        var times = Timing.Repeat(maxSteps, options.BaselineSeconds, Step, cancellation);

        var (steps, perplexity) = (times.Count, model.Perplexity(text.HeldOut, PerplexityTokens));
        times.AddRange(Timing.Repeat(LeastTimedSteps - steps, options.BaselineSeconds - (times.Sum() / 1e3), Step, cancellation));

        const int CopiesOfAWeight = 3;
        return new SoftmaxFigures(
            steps,
            Timing.Median(times),
            perplexity,
            CopiesOfAWeight * model.Layout.ParameterBytes,
            peak - before,
            MeasureDecoding(model, text));

        void Step()
        {
            trainer.Advance();
            peak = Math.Max(peak, trainer.UsedMemory);
        }
    }

    /// <summary>Predicts the token after windows of held-out text, one at a time.</summary>
    private static double MeasureDecoding(LanguageModel model, TextData text)
    {
        var batch = new Batch(DecodedTokens, model.Window);
        batch.Fill(text.HeldOut, TextData.SpreadPositions(text.HeldOut, DecodedTokens), model.EndOfText);
        var predict = model.PreparePredictions(batch.Windows);
        return 1e3 * Timing.MedianOver(DecodedTokens, token => predict(token));
    }
}
