using System.Text;
using AdaptiveSoftmax.Corpus;
using AdaptiveSoftmax.Vocabulary;
using LanguageModelSample;

namespace AdaptiveSoftmax.Benchmarks;

/// <summary>A model with the sample's body and a dense output layer over the most frequent tokens, trained here.</summary>
/// <param name="Model">Its checkpoint.</param>
/// <param name="Fit">States of training text.</param>
/// <param name="Held">States of held-out text.</param>
/// <param name="Tokens">The tokens with their counts, whose ids are rows of the layer.</param>
internal sealed record DenseSample(string Model, string Fit, string Held, TokenTable Tokens)
{
    public const string HeadName = "head.weight";
    public const int Size = 8_000;
    public const int FitTokens = 200_000;
    public const int HeldTokens = 8_192;

    private const int Steps = 1_200;
    private const double PeakRate = 0.08;
    private const ulong Seed = 1;

    public static DenseSample Prepare(ComparisonSession session)
    {
        var paths = MigrationFiles.Get(["dense.safetensors", "dense-fit.safetensors", "dense-held.safetensors", "dense.tokens"], paths => Make(paths, session), session);
        return new DenseSample(paths[0], paths[1], paths[2], TokenTableReader.Read("dense.tokens", File.ReadAllText(paths[3])).Table!);
    }

    private static void Make(string[] paths, ComparisonSession session)
    {
        var vocabulary = EncodedVocabulary.O200kBase;
        var data = TextData.Load(ReferencePacks.FindDocumentation(), CorpusTokenizer.Create("o200k_base"), new TokenizeOptions(), session.Cancellation);
        var text = StudyText.Create(data, vocabulary.EndOfTextId, Size);
        using var model = Models.CreateForStudy(Seed, SoftmaxLayout.CreateFull(ApiDocsSoftmax.HiddenSize, Size), text.EndOfText, Environment.ProcessorCount);
        using (var training = model.CreateTraining())
        {
            if (File.Exists(paths[0])) training.Restore(paths[0]);
            else Train(model, training, text, session.Cancellation);
            training.Save(paths[0], new SavedRun(Steps, new Dictionary<string, string>()));
        }

        StatesExport.Write(model, text.Training, paths[1], FitTokens, session.Cancellation);
        StatesExport.Write(model, [.. text.Validation, .. text.Test], paths[2], HeldTokens, session.Cancellation);
        byte[][] names = [.. text.TokenIds.Select(id => id < 0 ? Encoding.UTF8.GetBytes("<all others>") : vocabulary.GetToken(id).ToArray())];
        using var table = new StreamWriter(paths[3]);
        TokenTableWriter.Write(table, TokenTable.Create([.. Enumerable.Range(0, Size)], text.Counts, names));
    }

    private static void Train(Model model, ITraining training, StudyText text, CancellationToken cancellation)
    {
        var schedule = new Schedule { FallStart = (long)(Steps * (1 - Schedule.FallShare)) };
        var batch = new Batch(Trainer.BatchSize, model.Window);
        var positions = new int[Trainer.BatchSize];
        for (var step = 0; step < Steps; step++)
        {
            cancellation.ThrowIfCancellationRequested();
            TextData.DrawPositions(text.Training, Seed, step, positions);
            batch.Fill(text.Training, positions, model.EndOfText);
            training.Step(batch, PeakRate * schedule.RateAt(step));
        }
    }
}
