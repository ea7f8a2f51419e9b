using System.CommandLine;
using System.Globalization;
using AdaptiveSoftmax.Tool.Files;
using AdaptiveSoftmax.Tool.Terminal;
using AdaptiveSoftmax.Vocabulary;
using Spectre.Console;

namespace AdaptiveSoftmax.Tool.Commands;

/// <summary><c>adaptive-softmax calibrate</c>: what this machine takes for products and memory.</summary>
internal static class CalibrateCommand
{
    public const string Name = "calibrate";

    public static IReadOnlyList<Example> Examples { get; } =
    [
        new("Measure this machine, and plan for it", "calibrate --output machine.json"),
        new("The same on four threads, as a server will decode", "calibrate --output server.json --threads 4"),
        new("Keep the figures for a script", "calibrate --output machine.json --json"),
    ];

    public static Command Create(ToolConsole console)
    {
        var output = new Option<string>("--output", "-o") { Description = "The machine profile to write, for plan --machine.", HelpName = "FILE", Required = true };
        var name = new Option<string?>("--name") { Description = "What to call the machine; its host name without it.", HelpName = "NAME" };
        var threads = ThreadsOption.Create();
        threads.Description = "The threads to measure with: as many as the model will use.";
        var json = new Option<bool>("--json") { Description = "Write the result as JSON." };
        var force = OutputPath.CreateForceOption();
        var command = new Command(Name, "Measures what products and memory cost on this machine's CPU, in less than a minute, for predictions that hold on it. Nothing else should run meanwhile.") { output, name, threads, json, force };
        command.SetAction((parsed, cancellationToken) => Task.Run(() =>
        {
            var file = OutputPath.Check(parsed.GetRequiredValue(output), MachineFile.Kind, parsed.GetValue(force));
            var profile = Measure(console.Error, parsed.GetValue(name), parsed.GetValue(threads), cancellationToken);
            MachineProfileFile.Save(file.Path, profile);
            if (parsed.GetValue(json)) console.Output.Profile.Out.Writer.Write(MachineProfileFile.ToText(profile));
            else Write(console, profile, file.Path);
            return ExitCode.Success;
        }, CancellationToken.None));
        return command;
    }

    private static MachineProfile Measure(IAnsiConsole console, string? name, int threads, CancellationToken cancellationToken)
    {
        if (!console.Profile.Capabilities.Interactive) return MachineCalibrator.Measure(name, threads, progress: null, cancellationToken);
        return console.Progress().AutoClear(true).Start(context =>
        {
            var task = context.AddTask("Measuring", maxValue: 1);
            return MachineCalibrator.Measure(name, threads, new BarUpdate(task), cancellationToken);
        });
    }

    private static void Write(ToolConsole console, MachineProfile profile, string path)
    {
        var table = new ToolTable("10^9 multiply-adds a second", [.. profile.Greedy.Batches.Select(batch => Format($"batch {batch}"))]);
        foreach (var (title, products, times) in new[] { ("training", 3, profile.Training), ("greedy", 1, profile.Greedy), ("sampling", 1, profile.Sampling) })
        {
            for (var width = 0; width < times.Widths.Count; width++)
            {
                var row = times.Batches.Select((batch, index) => Format($"{(double)products * times.Widths[width] * batch / times.Nanoseconds[(width * times.Batches.Count) + index]:n1}"));
                table.AddRow([Format($"{title}, width {times.Widths[width]:n0}"), .. row]);
            }
        }

        table.Write(console.Output);
        console.WriteLine(Format($"Memory: {string.Join(", ", profile.Memory.Bytes.Zip(profile.Memory.GigabytesPerSecond, (bytes, rate) => Format($"{rate:n1} GB/s over {bytes >> 20:n0} MiB")))}."));
        console.WriteLine(Format($"Fixed: {profile.TrainingHeadTime / 1e3:n1} µs a training step, {profile.TrainingTailTime / 1e3:n1} µs a tail; {profile.DecodingHeadTime / 1e3:n1} µs a decoding step, {profile.DecodingTailTime / 1e3:n1} µs a tail. Updates: {profile.UpdateTime:n2} ns a weight."));
        console.WriteLine($"Wrote {Excerpt.Line(path)}; give it to adaptive-softmax plan with --machine.");
    }

    private static string Format(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    private sealed class BarUpdate(ProgressTask task) : IProgress<double>
    {
        public void Report(double value) => task.Value = value;
    }
}
