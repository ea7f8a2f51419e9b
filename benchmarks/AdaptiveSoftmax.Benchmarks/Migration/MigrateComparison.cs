using System.Diagnostics;
using System.Globalization;
using AdaptiveSoftmax.Vocabulary;
using Spectre.Console;

namespace AdaptiveSoftmax.Benchmarks;

/// <summary>
/// The sample's model carried to other cutoffs, and to a vocabulary planned anew on counts of which a fifth come from another
/// language's text: perplexity of held-out states against before, without and with polishing, beside new rows at random.
/// </summary>
internal sealed class MigrateComparison : IComparison
{
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
        var (from, weights, fit, held, _, _, _) = SampleWeights.Prepare(session);
        var cutoffs = Define(from, from.Table, [4_000, 20_000]);
        var replanned = Define(from, Mix(from.Table, OtherLanguage.Count(OtherLanguage.Spanish, session)), [.. from.Layout.Tails.Select(tail => tail.Start)]);
        session.Note($"{PolishSteps} steps of polishing; {SampleWeights.FitTokens:N0} states of training text, {SampleWeights.HeldTokens:N0} of held-out text to judge by.");
        var table = new Table().Border(TableBorder.Rounded).AddColumn("the sample's softmax");
        foreach (var title in new[] { "perplexity", "over before", "polished", "over before", "no states", "rows at random", "seconds", "polished" }) table.AddColumn(new TableColumn(title).RightAligned());
        Measure("other cutoffs", cutoffs);
        var figure = Measure("planned anew, a fifth another language's", replanned);
        session.Console.Write(table);
        return figure;

        double Measure(string name, SoftmaxDefinition to)
        {
            var clock = Stopwatch.StartNew();
            double? seconds = null;
            var output = Path.Combine(folder, "new.safetensors");
            var options = new MigrationOptions { StatesPath = fit, JudgeStatesPath = held, JudgeStates = SampleWeights.HeldTokens };
            var polishing = options with
            {
                PolishSteps = PolishSteps,
                Progress = progress =>
                {
                    if (progress.Stage == "polish") seconds ??= clock.Elapsed.TotalSeconds;
                },
            };
            var report = SoftmaxMigration.Migrate(weights, from, to, output, polishing, session.Cancellation);
            var whole = clock.Elapsed.TotalSeconds;
            var blind = SoftmaxMigration.Migrate(weights, from, to, output, options with { StatesPath = null }, session.Cancellation);
            var before = report.Before!.Perplexity;
            table.AddRow(
                Cell(name),
                Cell(report.After!.Perplexity),
                Cell(report.After.Perplexity / before, "F4"),
                Cell(report.Polished!.Perplexity),
                Cell(report.Polished.Perplexity / before, "F4"),
                Cell(blind.After!.Perplexity),
                Cell(RandomRows.Perplexity(weights, from, to, held)),
                Cell(seconds!.Value, "F1"),
                Cell(whole, "F1"));
            foreach (var cluster in report.Clusters)
                session.Note($"{name}, cluster {cluster.Cluster}: {cluster.Change}, {cluster.Kept:N0} kept, {cluster.Moved:N0} moved, lost {cluster.LostShare ?? 0:P1}, logit error {cluster.LogitError ?? 0:F3}, gate error {cluster.GateError ?? 0:F3}; perplexity {report.Before.ByCluster[cluster.Cluster]:F2} before, {report.After.ByCluster[cluster.Cluster]:F2} after, {report.Polished.ByCluster[cluster.Cluster]:F2} polished");
            session.Note($"{name}: {before:F3} before");
            return report.After.Perplexity / before;
        }
    }

    private static SoftmaxDefinition Define(SoftmaxDefinition from, TokenTable table, int[] cutoffs) =>
        MigrationFiles.Define(from.Spec with { Cutoffs = new EquatableArray<int>(cutoffs), TableFile = "new.tokens" }, table);

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
