using AdaptiveSoftmax.Vocabulary;
using LanguageModelSample;

namespace AdaptiveSoftmax.Benchmarks;

/// <summary>The sample's trained softmax, and states of its body.</summary>
/// <param name="Definition">Its spec and vocabulary.</param>
/// <param name="Weights">The softmax alone.</param>
/// <param name="Fit">States of training text.</param>
/// <param name="Held">States of held-out text.</param>
/// <param name="DomainFit">States before words of another language, whose targets are ids that the vocabulary does not have.</param>
/// <param name="DomainHeld">The same of other texts.</param>
/// <param name="Domain">Those words with their counts.</param>
internal sealed record SampleWeights(SoftmaxDefinition Definition, string Weights, string Fit, string Held, string DomainFit, string DomainHeld, TokenTable Domain)
{
    public const int FitTokens = 65_536;
    public const int HeldTokens = 8_192;

    private const ulong Seed = 1;
    private const int Steps = 1_500;

    public static SampleWeights Prepare(ComparisonSession session)
    {
        var definition = ReadSample();
        var paths = MigrationFiles.Get(
            ["sample.safetensors", "sample-fit.safetensors", "sample-held.safetensors", "domain-fit.safetensors", "domain-held.safetensors", "domain.tokens"],
            paths => Make(paths, definition, session),
            session);
        return new SampleWeights(definition, paths[0], paths[1], paths[2], paths[3], paths[4], TokenTableReader.Read("domain.tokens", File.ReadAllText(paths[5])).Table!);
    }

    private static void Make(string[] paths, SoftmaxDefinition definition, ComparisonSession session)
    {
        using var model = Models.CreateAdaptive(Seed, Environment.ProcessorCount);
        var text = TrainedSample.Prepare(model, Seed, session, Steps);
        StatesExport.Write(model, text.Training, paths[1], FitTokens, session.Cancellation);
        StatesExport.Write(model, text.HeldOut, paths[2], HeldTokens, session.Cancellation);
        var words = DomainWords.Count(definition.Table, session);
        words.WriteStates(model, paths[3], isHeldOut: false, session.Cancellation);
        words.WriteStates(model, paths[4], isHeldOut: true, session.Cancellation);
        using (var table = new StreamWriter(paths[5])) TokenTableWriter.Write(table, words.Table);
        model.Softmax.Save(paths[0]);
    }

    private static SoftmaxDefinition ReadSample()
    {
        var folder = Path.Combine(AppContext.BaseDirectory, "Generation");
        var read = SoftmaxDefinitionReader.Read("ApiDocs.softmax.json", File.ReadAllText(Path.Combine(folder, "ApiDocs.softmax.json")), "ApiDocs.tokens", File.ReadAllText(Path.Combine(folder, "ApiDocs.tokens")));
        return read.Definition ?? throw new InvalidOperationException(read.Errors[0].ToString());
    }
}
