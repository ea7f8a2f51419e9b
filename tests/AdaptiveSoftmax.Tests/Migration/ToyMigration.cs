using AdaptiveSoftmax.Tests.Checkpoints;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tests.Migration;

/// <summary>A toy vocabulary of 20 tokens with two tails, its weights saved as "old", and states of it as "states".</summary>
public abstract class ToyMigration : IDisposable
{
    private protected static readonly string[] Tokens = ToyVocabulary.Tokens(Enumerable.Range(0, 20));

    protected ToyMigration()
    {
        Source = ToyVocabulary.CreateModel(From);
        ToyVocabulary.Save(Folder["old"], Source, From);
        ToyVocabulary.WriteStates(Folder["states"], Source, From, 1200);
    }

    private protected TemporaryFolder Folder { get; } = new();

    private protected SoftmaxDefinition From { get; } = ToyVocabulary.Create(Tokens, [5, 11], [4, 3]);

    private protected DynamicAdaptiveSoftmax Source { get; }

    public void Dispose()
    {
        Source.Dispose();
        Folder.Dispose();
        GC.SuppressFinalize(this);
    }

    /// <summary>Migrates the weights, over the states where no options are given, and loads what came of it.</summary>
    private protected DynamicAdaptiveSoftmax Migrate(SoftmaxDefinition to, out MigrationReport report, MigrationOptions? options = null)
    {
        report = SoftmaxMigration.Migrate(Folder["old"], From, to, Folder["new"], options ?? new MigrationOptions { StatesPath = Folder["states"] }, TestContext.Current.CancellationToken);
        return DynamicAdaptiveSoftmax.Load(Folder["new"], to.Layout);
    }
}
