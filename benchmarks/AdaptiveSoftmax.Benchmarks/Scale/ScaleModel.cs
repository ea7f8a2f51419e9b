using System.Globalization;
using AdaptiveSoftmax.Distributed;
using Spectre.Console;

namespace AdaptiveSoftmax.Benchmarks;

/// <summary>What <see cref="StepTime"/> says of the steps of <c>compare scale</c>, and of more ranks than there are here.</summary>
internal static class ScaleModel
{
    private static readonly int[] s_ranks = [2, 8, 64, 512];
    private static readonly int[] s_gigabits = [10, 100, 400];

    // A message between two machines, by Ethernet.
    private const double SecondsPerMessage = 20e-6;

    /// <summary>Measures the speeds, as numbers that go through a pipe.</summary>
    public static double[] Measure(Collectives ranks)
    {
        var speeds = RankSpeeds.Measure(ranks, threads: 1);
        return [speeds.MultiplyAddsPerSecond, speeds.LogitsPerSecond, speeds.WeightsPerSecond, speeds.BytesPerSecond, speeds.GatheredBytesPerSecond, speeds.SecondsPerMessage];
    }

    /// <summary>Reads them again.</summary>
    public static RankSpeeds Read(double[] values) => new()
    {
        MultiplyAddsPerSecond = values[0],
        LogitsPerSecond = values[1],
        WeightsPerSecond = values[2],
        BytesPerSecond = values[3],
        GatheredBytesPerSecond = values[4],
        SecondsPerMessage = values[5],
    };

    /// <summary>Prints what is predicted beside what was measured, and the table of more ranks.</summary>
    public static void Write(ComparisonSession session, RankSpeeds speeds, IReadOnlyList<(string Way, int Ranks, double Milliseconds)> measured)
    {
        session.Note($"A rank: {speeds}.");
        foreach (var (way, ranks, milliseconds) in measured)
        {
            var predicted = 1e3 * Predict(way, ranks, speeds).Seconds;
            session.Note($"model, {way}, {ranks} {(ranks == 1 ? "rank" : "ranks")}: {predicted:N1} ms a step, {100 * (predicted - milliseconds) / milliseconds:+0;-0} % of the measured {milliseconds:N1} ms.");
        }

        var table = new Table().Border(TableBorder.Rounded).AddColumn("model: ms a step, 256 tokens a rank");
        foreach (var ranks in s_ranks) table.AddColumn(new TableColumn(string.Create(CultureInfo.InvariantCulture, $"{ranks} ranks")).RightAligned());
        foreach (var way in ScaleStep.Ways)
        {
            foreach (var gigabits in s_gigabits)
            {
                var bytes = gigabits * 1e9 / 8;
                var there = speeds with { BytesPerSecond = bytes, GatheredBytesPerSecond = bytes, SecondsPerMessage = SecondsPerMessage };
                table.AddRow([string.Create(CultureInfo.InvariantCulture, $"{way}, {gigabits} Gbit/s"), .. s_ranks.Select(ranks => Cell(Predict(way, ranks, there)))]);
            }
        }

        session.Console.Write(table);
        static string Cell(StepTime time) => string.Create(CultureInfo.InvariantCulture, $"{1e3 * time.Seconds:N0}");
    }

    private static StepTime Predict(string way, int ranks, RankSpeeds speeds) => way == "data"
        ? StepTime.OfData(ScaleStep.Layout, ScaleStep.TokensPerRank, ranks, speeds)
        : StepTime.OfVocabulary(ScaleStep.Layout, VocabularyPlan.Create(ScaleStep.Layout) with { Blocks = Math.Max(16, ranks) }, ScaleStep.TokensPerRank * ranks, ranks, speeds);
}
