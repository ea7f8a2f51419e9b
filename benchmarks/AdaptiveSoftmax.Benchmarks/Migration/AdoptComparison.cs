using System.Diagnostics;
using System.Globalization;
using AdaptiveSoftmax.Vocabulary;
using Spectre.Console;

namespace AdaptiveSoftmax.Benchmarks;

/// <summary>
/// A dense output layer of 8,000 tokens made adaptive, with two pairs of widths: perplexity of held-out states over the dense
/// layer's, untrained and after polishing with all of the layer's weights free.
/// </summary>
internal sealed class AdoptComparison : IComparison
{
    private const int PolishSteps = 1_500;
    private static readonly int[] s_cutoffs = [1_000, 3_000];
    private static readonly int[][] s_widths = [[256, 128], [128, 32]];

    public string Name => "adopt";

    public string Description => "a dense output layer of 8,000 tokens made adaptive with widths of 256 and 128, polished with all weights free: held-out perplexity over the dense layer's";

    public double Run(ComparisonSession session)
    {
        var dense = DenseSample.Prepare(session);
        session.Note($"{PolishSteps:N0} steps of polishing over {DenseSample.FitTokens:N0} states of training text; {DenseSample.HeldTokens:N0} of held-out text to judge by.");
        var table = new Table().Border(TableBorder.Rounded).AddColumn("widths");
        foreach (var title in new[] { "dense", "adaptive", "over dense", "polished", "over dense", "seconds" }) table.AddColumn(new TableColumn(title).RightAligned());
        var figures = s_widths.Select(widths => Measure(dense, widths, table, session)).ToArray();
        session.Console.Write(table);
        return figures[0];
    }

    private static double Measure(DenseSample dense, int[] widths, Table table, ComparisonSession session)
    {
        var spec = new SoftmaxSpec { HiddenSize = 512, TableFile = "dense.tokens", Cutoffs = new EquatableArray<int>(s_cutoffs), Projections = new EquatableArray<int>(widths) };
        var to = MigrationFiles.Define(spec, dense.Tokens);
        var output = Path.GetTempFileName();
        try
        {
            var clock = Stopwatch.StartNew();
            var options = new MigrationOptions { StatesPath = dense.Fit, JudgeStatesPath = dense.Held, JudgeStates = DenseSample.HeldTokens, PolishSteps = PolishSteps, PolishAll = true };
            var report = SoftmaxMigration.Adopt(dense.Model, to, output, DenseSample.HeadName, options, session.Cancellation);
            var (before, after, polished) = (report.Before!.Perplexity, report.After!.Perplexity, report.Polished!.Perplexity);
            table.AddRow($"{widths[0]} and {widths[1]}", Cell(before), Cell(after), Cell(after / before), Cell(polished), Cell(polished / before), clock.Elapsed.TotalSeconds.ToString("F0", CultureInfo.InvariantCulture));
            return polished / before;
        }
        finally
        {
            File.Delete(output);
        }
    }

    private static string Cell(double value) => value.ToString("F3", CultureInfo.InvariantCulture);
}
