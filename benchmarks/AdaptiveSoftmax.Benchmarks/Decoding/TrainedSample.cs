using System.Diagnostics;
using AdaptiveSoftmax.Corpus;
using LanguageModelSample;

namespace AdaptiveSoftmax.Benchmarks;

/// <summary>Trains the sample's model, or takes what a run of the sample has left.</summary>
internal static class TrainedSample
{
    private const double Seconds = 25;

    /// <summary>Where the sample, run from the same folder, saves its model.</summary>
    private static readonly string s_checkpoint = Path.Combine("artifacts", "language-model.safetensors");

    /// <summary>Trains it, or takes it from the checkpoint.</summary>
    /// <param name="model">Receives the weights.</param>
    /// <param name="seed">Decides the order of the text.</param>
    /// <param name="session">Told what it is.</param>
    /// <param name="steps">The steps where there is no checkpoint; null for as many as half a minute has.</param>
    public static TextData Prepare(Model model, ulong seed, ComparisonSession session, int? steps = null)
    {
        var files = ReferencePacks.FindDocumentation();
        var text = TextData.Load(files, CorpusTokenizer.Create("o200k_base"), new TokenizeOptions(), session.Cancellation);
        using var trainer = new Trainer(model, text.Training, seed);
        if (File.Exists(s_checkpoint)) trainer.Restore(s_checkpoint);
        else Train(trainer, steps, session.Cancellation);
        var source = File.Exists(s_checkpoint) ? s_checkpoint : "trained here, since there is no " + s_checkpoint;
        session.Note($"The sample's model after {trainer.Step:N0} steps ({source}); held-out perplexity {model.Perplexity(text.HeldOut, 2048):F1}");
        return text;
    }

    private static void Train(Trainer trainer, int? steps, CancellationToken cancellation)
    {
        var clock = Stopwatch.StartNew();
        while (!trainer.IsFinished)
        {
            cancellation.ThrowIfCancellationRequested();
            if (steps is { } most ? trainer.Step >= most * (1 - Schedule.FallShare) : clock.Elapsed.TotalSeconds >= Seconds * (1 - Schedule.FallShare)) trainer.BeginFall();
            trainer.Advance();
        }
    }
}
