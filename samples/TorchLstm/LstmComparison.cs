using System.Runtime.InteropServices;
using LanguageModelSample;
using Spectre.Console;
using static TorchSharp.torch;

namespace TorchLstmSample;

/// <summary>
/// TorchSharp's full softmax for as many steps as fit in its time; the adaptive one for as many steps, and then for the rest
/// of the same time. The same text in the same order, the same first body, the same optimizer.
/// </summary>
/// <param name="Adaptive">The adaptive softmax after the steps that the full one took.</param>
/// <param name="AfterEqualTime">The adaptive softmax's perplexity after the time that the full one took, and the steps until then.</param>
/// <param name="Full">The full softmax.</param>
internal sealed record LstmComparison(SoftmaxFigures Adaptive, (double Perplexity, int Steps) AfterEqualTime, SoftmaxFigures Full)
{
    private const int PerplexityTokens = 2048;
    private const int DecodedTokens = 48;

    /// <summary>Measures both.</summary>
    /// <param name="trained">The trained model.</param>
    /// <param name="softmax">The generated class with its weights. How long it takes to decode depends on how sure it is; the full softmax always takes the same.</param>
    /// <param name="text">The text, as slots.</param>
    /// <param name="options">The time to train for, and the seed.</param>
    /// <param name="cancellation">Stops between two steps.</param>
    public static LstmComparison Measure(LstmModel trained, ApiDocsLstm softmax, TextData text, RunOptions options, CancellationToken cancellation)
    {
        var (full, _) = Measure(() => LstmModels.CreateFull(options.Seed), text, options, null, cancellation);
        using var layer = ApiDocsLstm.Create(options.Seed);
        var (adaptive, later) = Measure(() => LstmModels.CreateAdaptive(layer, options.Seed), text, options, full.Steps, cancellation);
        return new LstmComparison(adaptive with { DecodeMicroseconds = MeasureDecoding(trained, softmax, text) }, later, full);
    }

    /// <summary>Writes the closing table.</summary>
    /// <param name="console">Where the table goes.</param>
    /// <param name="options">The time that both had.</param>
    /// <param name="steps">The steps of the whole run.</param>
    /// <param name="perplexity">The perplexity after it.</param>
    public void Write(IAnsiConsole console, RunOptions options, long steps, double perplexity) => new ReportTable()
        .Add($"training step of {LstmTrainer.Streams * LstmTrainer.Steps} tokens, body and optimizer included", "ms", Adaptive.StepMilliseconds, Full.StepMilliseconds)
        .Add($"held-out perplexity after {Full.Steps:N0} steps each", "", Adaptive.Perplexity, Full.Perplexity)
        .Add($"held-out perplexity after {options.BaselineSeconds:F0} s each ({AfterEqualTime.Steps:N0} and {Full.Steps:N0} steps)", "", AfterEqualTime.Perplexity, Full.Perplexity)
        .Add($"held-out perplexity after {steps:N0} steps", perplexity)
        .Add($"weights, gradients, optimizer state of the layer", "MB", Adaptive.LayerBytes / 1e6, Full.LayerBytes / 1e6)
        .Add($"growth of the process while training", "MB", Adaptive.UsedBytes / 1e6, Full.UsedBytes / 1e6)
        .Add($"greedy decoding of a token", "ms", Adaptive.DecodeMicroseconds / 1e3, Full.DecodeMicroseconds / 1e3)
        .Write(console);

    private static (SoftmaxFigures Figures, (double Perplexity, int Steps) Later) Measure(Func<LstmModel> create, TextData text, RunOptions options, int? steps, CancellationToken cancellation)
    {
        GC.Collect();
        var (before, peak, step) = (Environment.WorkingSet, 0L, 0);
        using var model = create();
        using var trainer = new LstmTrainer(model, text.Training);
        var schedule = new Schedule();
        var times = Timing.Repeat(steps ?? int.MaxValue, options.BaselineSeconds, Step, cancellation);

        const int CopiesOfAWeight = 3;
        var figures = new SoftmaxFigures(
            step,
            Timing.Median(times),
            model.Perplexity(text.HeldOut, PerplexityTokens),
            CopiesOfAWeight * model.Head.Layout.ParameterBytes,
            peak - before,
            1e3 * MeasureDecoding(model, text));
        if (steps is null) return (figures, default);
        Timing.Repeat(int.MaxValue, options.BaselineSeconds - (times.Sum() / 1e3), Step, cancellation);
        return (figures, (model.Perplexity(text.HeldOut, PerplexityTokens), step));

        void Step()
        {
            trainer.Step(step, schedule.RateAt(step), options.Seed);
            step++;
            peak = Math.Max(peak, Environment.WorkingSet);
        }
    }

    // The softmax alone, from the hidden states behind stretches of held-out text.
    private static double MeasureDecoding(LstmModel model, TextData text)
    {
        using var scope = NewDisposeScope();
        var hidden = model.ReadStretches(text.HeldOut, DecodedTokens);
        return Timing.MedianOver(DecodedTokens, token =>
        {
            using var step = NewDisposeScope();
            model.Head.Predict(hidden.narrow(0, token, 1)).item<long>();
        });
    }

    private static double MeasureDecoding(LstmModel model, ApiDocsLstm softmax, TextData text)
    {
        using var scope = NewDisposeScope();
        var hidden = model.ReadStretches(text.HeldOut, DecodedTokens);
        return 1e3 * Timing.MedianOver(DecodedTokens, token => softmax.Predict(MemoryMarshal.Cast<byte, float>(hidden[token].bytes)));
    }
}
