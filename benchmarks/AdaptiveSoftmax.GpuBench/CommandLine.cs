using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using AdaptiveSoftmax.Gpu;
using ILGPU;
using ILGPU.Runtime.Cuda;
using Spectre.Console;

namespace AdaptiveSoftmax.GpuBench;

/// <summary>The options, and what they ask for.</summary>
internal static class CommandLine
{
    public static int Run(string[] arguments)
    {
        var device = new Option<string>("--device") { Description = "Where to measure: cuda, opencl, or list to show what there is.", HelpName = "KIND", DefaultValueFactory = _ => "cuda" };
        var json = new Option<string?>("--json") { Description = "Append the rows to a file, one JSON object a line, for benchmarks/gpu/join.py.", HelpName = "FILE" };
        var only = new Option<string>("--only") { Description = "Measure the rows whose \"case contender hidden tokens\" a regular expression finds.", HelpName = "REGEX", DefaultValueFactory = _ => "" };
        var seconds = new Option<double>("--seconds") { Description = "How long to measure a row.", HelpName = "N", DefaultValueFactory = _ => 2 };
        var quick = new Option<bool>("--quick") { Description = "Small sizes, to see that everything runs." };
        device.AcceptOnlyFromAmong("cuda", "opencl", "list");
        var root = new RootCommand("Measures training steps and greedy decoding of an adaptive softmax on a GPU.") { device, quick, only, seconds, json };
        root.SetAction(parsed =>
        {
            using var context = GpuContext.Create();
            if (parsed.GetValue(device) == "list") return List(context);
            var found = context.Devices.FirstOrDefault(candidate => candidate is CudaDevice == (parsed.GetValue(device) == "cuda"));
            if (found is null)
            {
                Console.Error.WriteLine($"error: there is no {parsed.GetValue(device)} device on this machine; --device list shows what there is.");
                return 1;
            }

            using var accelerator = found.CreateAccelerator(context);
            var pattern = new Regex(parsed.GetRequiredValue(only), RegexOptions.IgnoreCase | RegexOptions.CultureInvariant);
            var benchmarks = new Benchmarks(accelerator, parsed.GetValue(quick), parsed.GetValue(seconds), pattern.IsMatch);
            Measure(benchmarks, parsed.GetValue(json));
            return 0;
        });
        return root.Parse(arguments).Invoke();
    }

    private static int List(Context context)
    {
        foreach (var device in context.Devices)
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{(device is CudaDevice ? "cuda  " : "opencl")}  {device.Name}, {device.MemorySize / 1e9:F1} GB"));
        return 0;
    }

    private static void Measure(Benchmarks benchmarks, string? json)
    {
        var table = new Table().AddColumns("case", "contender", "hidden", "tokens", "median", "least", "extra memory");
        var notes = new SortedSet<string>(StringComparer.Ordinal);
        foreach (var row in benchmarks.Run())
        {
            // Row by row, so that a run that is cut short has left what it measured.
            Console.Error.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{row.Case} {row.Contender}, hidden {row.Hidden}, {row.Tokens} tokens: {Time(row.Median)}"));
            if (json is not null) File.AppendAllText(json, JsonSerializer.Serialize(row) + "\n");
            table.AddRow(
                row.Case, row.Contender, Text(row.Hidden), Text(row.Tokens), Time(row.Median), Time(row.Minimum),
                row.ExtraBytes is { } bytes ? string.Create(CultureInfo.InvariantCulture, $"{bytes / 1e6:F1} MB") : "");
            if (row.Note.Length > 0) notes.Add(row.Note);
        }

        AnsiConsole.Write(table);
        foreach (var note in notes) Console.WriteLine(note);
    }

    private static string Text(int value) => value.ToString("N0", CultureInfo.InvariantCulture);

    private static string Time(double? milliseconds) => milliseconds switch
    {
        null => "-",
        < 1 => string.Create(CultureInfo.InvariantCulture, $"{milliseconds * 1000:F1} µs"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{milliseconds:F2} ms"),
    };
}
