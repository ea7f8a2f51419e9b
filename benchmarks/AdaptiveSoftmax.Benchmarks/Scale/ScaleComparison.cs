using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using AdaptiveSoftmax.Distributed;
using Spectre.Console;

namespace AdaptiveSoftmax.Benchmarks;

/// <summary>Two ranks with one thread each against one, at equal batch a rank, and the bytes that cross.</summary>
internal sealed class ScaleComparison : IComparison
{
    private const string RankCommand = "scale-rank";
    private const int Repetitions = 3;
    private static readonly string[] s_columns = ["ranks", "tokens a step", "ms a step, median", "tokens a second", "over one rank", "MB received a step", "of a dense layer's all-reduce"];

    public string Name => "scale";

    public string Description => "Tokens a second of two ranks over one, one thread and 256 targets each, by the better of data and vocabulary in parallel (hidden 512, 200,019 tokens); processes under mpirun where there is one. Beside it what a model of step time predicts, and that model for 8, 64 and 512 ranks.";

    /// <summary>The command that is one rank.</summary>
    public static Command CreateRankCommand()
    {
        var way = new Argument<string>("WAY");
        var steps = new Argument<int>("STEPS");
        var command = new Command(RankCommand, "One rank, under mpirun; for compare scale.") { way, steps };
        command.Hidden = true;
        command.SetAction(result =>
        {
            MpiCollectives.Run(ranks =>
            {
                var values = ScaleStep.Measure(ranks, result.GetRequiredValue(way), result.GetRequiredValue(steps));
                if (ranks.Rank == 0) System.Console.Out.WriteLine(string.Join(' ', values.Select(value => value.ToString("R", CultureInfo.InvariantCulture))));
            });
            return 0;
        });
        return command;
    }

    public double Run(ComparisonSession session)
    {
        var launcher = FindLauncher();
        if (launcher is null) session.Note($"There is no mpirun, so ranks are threads of this process.");
        else session.Note($"Ranks are processes under {launcher}.");
        var dense = 2 * (2 - 1) / 2.0 * sizeof(float) * ScaleStep.HiddenSize * ScaleStep.Layout.VocabularySize;
        var table = new Table().Border(TableBorder.Rounded).AddColumn("in parallel");
        foreach (var column in s_columns) table.AddColumn(new TableColumn(column).RightAligned());

        // In turn, so that what the machine does besides meets all alike.
        var runs = ScaleStep.Ways.SelectMany(way => Enumerable.Range(1, 2).Select(ranks => (Way: way, Ranks: ranks))).ToArray();
        var results = runs.Select(_ => new List<double[]>()).ToArray();
        var speeds = ScaleModel.Read(Measure(launcher, ScaleStep.Speeds, 2, steps: 0));
        for (var repetition = 0; repetition < Repetitions; repetition++)
        {
            for (var i = 0; i < runs.Length; i++)
            {
                session.Cancellation.ThrowIfCancellationRequested();
                results[i].Add(Measure(launcher, runs[i].Way, runs[i].Ranks, session.Rounds));
            }
        }

        var rates = new double[runs.Length];
        var times = new double[runs.Length];
        for (var i = 0; i < runs.Length; i++)
        {
            times[i] = results[i].Select(result => result[0]).Order().ElementAt(Repetitions / 2);
            var (tokens, bytes) = (ScaleStep.TokensPerRank * runs[i].Ranks, results[i][0][1]);
            rates[i] = tokens / times[i] * 1000;
            string Cell(double value, string format) => value.ToString(format, CultureInfo.InvariantCulture);
            table.AddRow(
                runs[i].Way, Cell(runs[i].Ranks, "N0"), Cell(tokens, "N0"), Cell(times[i], "N2"), Cell(rates[i], "N0"), Cell(rates[i] / rates[i - (i % 2)], "N2"),
                Cell(bytes / 1e6, "N2"), runs[i].Ranks == 1 ? "" : bytes == 0 ? "0" : $"1 / {Cell(dense / bytes, "N0")}");
        }

        session.Console.Write(table);
        session.Note($"A dense layer's all-reduce: {dense / 1e6:N1} MB received a step by each of two ranks.");
        ScaleModel.Write(session, speeds, [.. runs.Select((run, i) => (run.Way, run.Ranks, times[i]))]);
        return Math.Max(rates[1] / rates[0], rates[3] / rates[2]);
    }

    private static string? FindLauncher() =>
        (from name in (string[])["mpirun", "mpirun.openmpi", "mpirun.mpich"]
         from folder in (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator)
         let path = Path.Combine(folder, name)
         where File.Exists(path)
         select path).FirstOrDefault();

    // What ScaleStep.Measure returns on rank 0.
    private static double[] Measure(string? launcher, string way, int ranks, int steps)
    {
        if (launcher is null)
        {
            double[] result = [];
            ThreadCollectives.Run(ranks, collectives =>
            {
                var own = ScaleStep.Measure(collectives, way, steps);
                if (collectives.Rank == 0) result = own;
            });
            return result;
        }

        var program = Environment.ProcessPath!;
        var assembly = typeof(ScaleComparison).Assembly.Location;
        string[] own = Path.GetFileNameWithoutExtension(program) == "dotnet" ? [program, assembly] : [program];
        var start = new ProcessStartInfo(launcher, ["-n", ranks.ToString(CultureInfo.InvariantCulture), .. own, RankCommand, way, steps.ToString(CultureInfo.InvariantCulture)]) { RedirectStandardOutput = true };
        start.Environment["OMPI_ALLOW_RUN_AS_ROOT"] = "1";
        start.Environment["OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"] = "1";
        start.Environment["TERM"] = "dumb";
        using var process = Process.Start(start)!;
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        if (process.ExitCode != 0) throw new InvalidOperationException($"{launcher} ended with {process.ExitCode}.");
        return [.. output.Trim().Split('\n')[^1].Split(' ').Select(value => double.Parse(value, CultureInfo.InvariantCulture))];
    }
}
