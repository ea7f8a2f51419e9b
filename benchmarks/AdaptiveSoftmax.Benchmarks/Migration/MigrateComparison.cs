using System.Globalization;
using AdaptiveSoftmax.Vocabulary;
using LanguageModelSample;
using Spectre.Console;

namespace AdaptiveSoftmax.Benchmarks;

/// <summary>
/// The sample's model carried to other cutoffs, and to a vocabulary planned anew on counts of which a fifth come from another
/// language's text: perplexity of held-out states against before, without and with polishing, beside new rows at random.
/// </summary>
internal sealed class MigrateComparison : IComparison
{
    private const ulong Seed = 1;
    private const int FitTokens = 16_384;
    private const int HeldTokens = 8_192;
    private const int PolishSteps = 300;
    private const double OtherShare = 0.2;

    public string Name => "migrate";

    public string Description => "the sample's perplexity after its vocabulary was planned anew on counts of which a fifth come from another language, without polishing, over before";

    public double Run(ComparisonSession session)
    {
        var folder = Directory.CreateTempSubdirectory("adaptive-softmax-migrate-").FullName;
        try
        {
            return Run(session, folder);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static double Run(ComparisonSession session, string folder)
    {
        var (weights, fit, held) = (Path.Combine(folder, "old.safetensors"), Path.Combine(folder, "fit.safetensors"), Path.Combine(folder, "held.safetensors"));
        using (var model = Models.CreateAdaptive(Seed, Environment.ProcessorCount))
        {
            var text = TrainedSample.Prepare(model, Seed, session);
            model.Softmax.Save(weights);
            StatesExport.Write(model, text.Training, fit, FitTokens, session.Cancellation);
            StatesExport.Write(model, text.HeldOut, held, HeldTokens, session.Cancellation);
        }

        var from = ReadSample();
        var cutoffs = Define(from, from.Table, [4_000, 20_000]);
        var replanned = Define(from, Mix(from.Table, OtherLanguage.Count(session)), [.. from.Layout.Tails.Select(tail => tail.Start)]);
        session.Note($"{PolishSteps} steps of polishing; {FitTokens:N0} states of training text to fit over, {HeldTokens:N0} of held-out text to judge by.");
        var table = new Table().Border(TableBorder.Rounded).AddColumn("the sample's softmax");
        foreach (var title in new[] { "perplexity", "over before", "polished", "over before", "no states", "rows at random", "seconds" }) table.AddColumn(new TableColumn(title).RightAligned());
        Measure("other cutoffs", cutoffs);
        var figure = Measure("planned anew, a fifth another language's", replanned);
        session.Console.Write(table);
        return figure;

        double Measure(string name, SoftmaxDefinition to)
        {
            var clock = System.Diagnostics.Stopwatch.StartNew();
            var options = new MigrationOptions { StatesPath = fit, JudgeStatesPath = held, JudgeStates = HeldTokens };
            var output = Path.Combine(folder, "new.safetensors");
            var plain = SoftmaxMigration.Migrate(weights, from, to, output, options, session.Cancellation);
            var seconds = clock.Elapsed.TotalSeconds;
            var polished = SoftmaxMigration.Migrate(weights, from, to, output, options with { PolishSteps = PolishSteps }, session.Cancellation);
            var blind = SoftmaxMigration.Migrate(weights, from, to, output, options with { StatesPath = null }, session.Cancellation);
            var before = plain.Before!.Perplexity;
            table.AddRow(
                Cell(name),
                Cell(plain.After!.Perplexity),
                Cell(plain.After.Perplexity / before, "F4"),
                Cell(polished.Polished!.Perplexity),
                Cell(polished.Polished.Perplexity / before, "F4"),
                Cell(blind.After!.Perplexity),
                Cell(RandomRows.Perplexity(weights, from, to, held)),
                Cell(seconds, "F1"));
            foreach (var cluster in plain.Clusters)
                session.Note($"{name}, cluster {cluster.Cluster}: {cluster.Change}, {cluster.Kept:N0} kept, {cluster.Moved:N0} moved, lost {cluster.LostShare ?? 0:P1}, logit error {cluster.LogitError ?? 0:F3}, gate error {cluster.GateError ?? 0:F3}; perplexity {plain.Before.ByCluster[cluster.Cluster]:F2} before, {plain.After.ByCluster[cluster.Cluster]:F2} after, {polished.Polished.ByCluster[cluster.Cluster]:F2} polished");
            session.Note($"{name}: {before:F3} before");
            return plain.After.Perplexity / before;
        }
    }

    private static SoftmaxDefinition ReadSample()
    {
        var folder = Path.Combine(AppContext.BaseDirectory, "Generation");
        var read = SoftmaxDefinitionReader.Read("ApiDocs.softmax.json", File.ReadAllText(Path.Combine(folder, "ApiDocs.softmax.json")), "ApiDocs.tokens", File.ReadAllText(Path.Combine(folder, "ApiDocs.tokens")));
        return read.Definition ?? throw new InvalidOperationException(read.Errors[0].ToString());
    }

    private static SoftmaxDefinition Define(SoftmaxDefinition from, TokenTable table, int[] cutoffs)
    {
        using var spec = new StringWriter();
        using var tokens = new StringWriter();
        SpecWriter.Write(spec, from.Spec with { Cutoffs = new EquatableArray<int>(cutoffs), TableFile = "new.tokens" });
        TokenTableWriter.Write(tokens, table);
        return SoftmaxDefinitionReader.Read("new.softmax.json", spec.ToString(), "new.tokens", tokens.ToString()).Definition!;
    }

    /// <summary>The same tokens with counts of two texts, each by its share.</summary>
    private static TokenTable Mix(TokenTable own, long[] other)
    {
        const double Scale = 1e12;
        double ownTotal = 0, otherTotal = other.Sum();
        foreach (var count in own.Counts) ownTotal += count;
        var counts = new long[own.Count];
        for (var slot = 0; slot < counts.Length; slot++)
            counts[slot] = (long)(Scale * (((1 - OtherShare) * own.GetCount(slot) / ownTotal) + (OtherShare * other[own.GetId(slot)] / otherTotal)));
        return TokenTable.Create(own.Ids, counts, [.. Enumerable.Range(0, own.Count).Select(slot => own.GetToken(slot).ToArray())]);
    }

    private static string Cell(string text) => Markup.Escape(text);

    private static string Cell(double value, string format = "N2") => value.ToString(format, CultureInfo.InvariantCulture);
}
