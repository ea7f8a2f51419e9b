using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using AdaptiveSoftmax.Vocabulary;
using Spectre.Console;

namespace AdaptiveSoftmax.Benchmarks;

/// <summary>
/// How long it takes until weights of 200,019 tokens have predicted one, mapped and read, and what memory two processes take
/// that decode the same file.
/// </summary>
internal sealed class LoadComparison : IComparison
{
    private const string HoldCommand = "load-hold";
    private const string Certified = "certified";
    private static readonly SoftmaxLayout s_layout = SoftmaxLayout.CreateFull(512, 200_019);
    private static readonly WeightPrecision[] s_precisions = [WeightPrecision.Float32, WeightPrecision.BFloat16, WeightPrecision.Int8, WeightPrecision.Int4];

    public string Name => "load";

    public string Description => "Weights of 200,019 x 512 from a file to the first predicted token, in float32, bfloat16, int8 and int4: mapped against read, the least of the ratios.";

    /// <summary>The command that loads a file, predicts a token and waits for the end of its input.</summary>
    public static Command CreateHoldCommand()
    {
        var path = new Argument<string>("PATH");
        var mapping = new Argument<string>("MAPPING");
        var command = new Command(HoldCommand, "Loads weights, predicts a token and waits; for compare load.") { path, mapping };
        command.Hidden = true;
        command.SetAction(result =>
        {
            using var softmax = Load(result.GetRequiredValue(path), Enum.Parse<MemoryMapping>(result.GetRequiredValue(mapping)));
            System.Console.Out.WriteLine(softmax.Predict(Hidden()));
            System.Console.In.ReadToEnd();
            return 0;
        });
        return command;
    }

    public double Run(ComparisonSession session)
    {
        var folder = Directory.CreateTempSubdirectory("adaptive-softmax-load-");
        try
        {
            Save(folder.FullName);
            var contenders = s_precisions.SelectMany(precision => Contenders(Path.Combine(folder.FullName, precision.GetName()), precision.GetName())).ToList();
            contenders.AddRange(CertifiedContenders(folder.FullName));
            var measurements = session.Measure(contenders);
            session.Print("load", 1, measurements);
            if (OperatingSystem.IsLinux()) session.Console.Write(Siblings(folder.FullName));
            return s_precisions.Select((_, i) => measurements[(3 * i) + 1].Median / measurements[3 * i].Median).Min();
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static IEnumerable<Contender> Contenders(string path, string name) =>
    [
        new($"{name}, mapped, to the first token", () => Predict(path, MemoryMapping.On)),
        new($"{name}, read, to the first token", () => Predict(path, MemoryMapping.Off)),
        new($"{name}, mapped, loaded alone", () =>
        {
            using var softmax = Load(path, MemoryMapping.On);
            return softmax.WeightsVersion;
        }),
    ];

    private static IEnumerable<Contender> CertifiedContenders(string folder) =>
    [
        new("certified float32, copies mapped with it, to the first token", () => PredictCertified(Path.Combine(folder, Certified))),
        new("certified float32, mapped, copies made, to the first token", () =>
        {
            using var stored = Load(Path.Combine(folder, WeightPrecision.Float32.GetName()), MemoryMapping.On);
            using var certified = ((AdaptiveSoftmaxLayer)stored).Certify();
            return certified.Predict(Hidden());
        }),
    ];

    private static long PredictCertified(string path)
    {
        using var stored = DynamicAdaptiveSoftmax.LoadQuantized(path, s_layout, MemoryMapping.On);
        using var certified = stored.Certify();
        return certified.Predict(Hidden());
    }

    private static long Predict(string path, MemoryMapping mapping)
    {
        using var softmax = Load(path, mapping);
        return softmax.Predict(Hidden());
    }

    private static SoftmaxDecoder Load(string path, MemoryMapping mapping) => Path.GetFileName(path) == WeightPrecision.Float32.GetName()
        ? DynamicAdaptiveSoftmax.Load(path, s_layout, mapping)
        : DynamicAdaptiveSoftmax.LoadQuantized(path, s_layout, mapping);

    private static float[] Hidden() => [.. Enumerable.Range(0, s_layout.HiddenSize).Select(i => MathF.Sin(i))];

    private static void Save(string folder)
    {
        using var layer = new DynamicAdaptiveSoftmax(s_layout, seed: 1);
        layer.Save(Path.Combine(folder, WeightPrecision.Float32.GetName()));
        using (var certified = layer.Certify()) certified.Save(Path.Combine(folder, Certified));
        foreach (var precision in s_precisions.Skip(1))
        {
            using var small = layer.Quantize(new QuantizationOptions { Head = precision });
            small.Save(Path.Combine(folder, precision.GetName()));
        }
    }

    // What each of two processes adds to the memory in use: its own pages, and its share of those that both have.
    private static Table Siblings(string folder)
    {
        var table = new Table().Border(TableBorder.Rounded).AddColumn("two processes").AddColumn(new TableColumn("MB of each, shared pages halved").RightAligned());
        foreach (var precision in s_precisions)
        {
            foreach (var mapping in new[] { MemoryMapping.On, MemoryMapping.Off })
            {
                var path = Path.Combine(folder, precision.GetName());
                using Process first = Start(path, mapping), second = Start(path, mapping);
                table.AddRow($"{precision.GetName()}, {(mapping == MemoryMapping.On ? "mapped" : "read")}", $"{Share(first)}, {Share(second)}");
                foreach (var process in new[] { first, second })
                {
                    process.StandardInput.Close();
                    process.WaitForExit();
                }
            }
        }

        return table;
    }

    private static Process Start(string path, MemoryMapping mapping)
    {
        var host = Environment.ProcessPath!;
        var start = new ProcessStartInfo(host) { RedirectStandardInput = true, RedirectStandardOutput = true };
        if (Path.GetFileNameWithoutExtension(host) == "dotnet") start.ArgumentList.Add(typeof(LoadComparison).Assembly.Location);
        foreach (var argument in new[] { HoldCommand, path, mapping.ToString() }) start.ArgumentList.Add(argument);
        var process = Process.Start(start)!;
        process.StandardOutput.ReadLine();
        return process;
    }

    private static string Share(Process process)
    {
        var line = File.ReadLines(string.Create(CultureInfo.InvariantCulture, $"/proc/{process.Id}/smaps_rollup")).First(line => line.StartsWith("Pss:", StringComparison.Ordinal));
        return (long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture) * 1024 / 1e6).ToString("F0", CultureInfo.InvariantCulture);
    }
}
