using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using AdaptiveSoftmax.Gpu;
using AdaptiveSoftmax.Gpu.Cuda;
using ILGPU;
using ILGPU.Runtime;
using ILGPU.Runtime.Cuda;
using ILGPU.Runtime.OpenCL;
using Spectre.Console;

namespace AdaptiveSoftmax.GpuBench;

/// <summary>The options, and what they ask for.</summary>
internal static class CommandLine
{
    public static Task<int> RunAsync(string[] arguments)
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
            try
            {
                return Run(parsed.GetRequiredValue(device), parsed.GetValue(json), new Regex(parsed.GetRequiredValue(only), RegexOptions.IgnoreCase | RegexOptions.CultureInvariant), parsed.GetValue(quick), parsed.GetValue(seconds));
            }
            catch (Exception exception) when (exception is RegexParseException or IOException or UnauthorizedAccessException or AcceleratorException)
            {
                Console.Error.WriteLine($"error: {exception.Message}");
                return 1;
            }
        });
        return InvariantCommandLine.RunAsync(root, arguments);
    }

    private static int Run(string kind, string? json, Regex only, bool quick, double seconds)
    {
        // Where the driver does not take a kernel's text, ILGPU writes there what is wrong with it.
        Trace.Listeners.Add(new ConsoleTraceListener(useErrorStream: true));
        using var context = GpuContext.Create();
        if (kind == "list") return List(context);
        var found = context.Devices.FirstOrDefault(candidate => kind == "cuda" ? candidate is CudaDevice : candidate is CLDevice);
        if (found is null)
        {
            var reason = kind == "cuda" ? $": {CudaDriver.DescribeNoDevice()}" : "";
            Console.Error.WriteLine($"error: there is no {kind} device on this machine{reason}; --device list shows what there is.");
            return 1;
        }

        // What cannot be written is known before minutes of measuring, not after.
        if (json is not null) File.AppendAllText(json, "");
        var accelerator = found.CreateAccelerator(context);
        Console.Error.WriteLine($"{Describe(found)}. Kernels are compiled when first used, which takes seconds.");
        var hasFailed = Measure(new Benchmarks(accelerator, quick, seconds, only.IsMatch), json);

        // After a failed kernel the driver fails all that follows, and the end of the process releases everything.
        if (!hasFailed) accelerator.Dispose();
        return hasFailed ? 1 : 0;
    }

    private static int List(Context context)
    {
        // Where there is neither, ILGPU's interpreter is in the list.
        foreach (var device in context.Devices.Where(device => device is CudaDevice or CLDevice)) Console.WriteLine($"{(device is CudaDevice ? "cuda  " : "opencl")}  {Describe(device)}");
        if (!context.Devices.Any(device => device is CudaDevice)) Console.WriteLine($"There is no CUDA device: {CudaDriver.DescribeNoDevice()}.");
        return 0;
    }

    private static string Describe(Device device) => string.Create(
        CultureInfo.InvariantCulture, $"{device.Name}, {device.MemorySize / 1e9:F1} GB{(device is CudaDevice cuda ? $", driver for CUDA {cuda.DriverVersion}" : "")}");

    // Says whether a row failed.
    private static bool Measure(Benchmarks benchmarks, string? json)
    {
        var table = new Table().AddColumns("case", "contender", "hidden", "tokens", "median", "least", "extra memory");
        var notes = new List<string>();
        var hasFailed = false;
        foreach (var row in benchmarks.Run())
        {
            // Row by row, so that a run that is cut short has left what it measured.
            Console.Error.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{row.Case} {row.Contender}, hidden {row.Hidden}, {row.Tokens} tokens: {(row.HasFailed ? "failed" : Time(row.Median))}"));
            if (json is not null) File.AppendAllText(json, JsonSerializer.Serialize(row) + "\n");
            table.AddRow(
                row.Case, row.Contender, Text(row.Hidden), Text(row.Tokens), row.HasFailed ? "failed" : Time(row.Median), Time(row.Minimum),
                row.ExtraBytes is { } bytes ? string.Create(CultureInfo.InvariantCulture, $"{bytes / 1e6:F1} MB") : "");
            hasFailed |= row.HasFailed;
            if (row.Note.Length > 0) notes.Add($"{row.Case} {row.Contender}, hidden {row.Hidden}, {row.Tokens} tokens: {row.Note}");
        }

        // Into a file it would otherwise be folded to 80 columns.
        AnsiConsole.Profile.Width = Math.Max(AnsiConsole.Profile.Width, 120);
        AnsiConsole.Write(table);
        foreach (var note in notes) Console.WriteLine(note);
        return hasFailed;
    }

    private static string Text(int value) => value.ToString("N0", CultureInfo.InvariantCulture);

    private static string Time(double? milliseconds) => milliseconds switch
    {
        null => "-",
        < 1 => string.Create(CultureInfo.InvariantCulture, $"{milliseconds * 1000:F1} µs"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{milliseconds:F2} ms"),
    };
}
