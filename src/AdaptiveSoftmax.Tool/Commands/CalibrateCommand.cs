using System.CommandLine;
using System.CommandLine.Completions;
using System.CommandLine.Parsing;
using System.Globalization;
using AdaptiveSoftmax.Tool.Files;
using AdaptiveSoftmax.Tool.Terminal;
using AdaptiveSoftmax.Vocabulary;
using Spectre.Console;

namespace AdaptiveSoftmax.Tool.Commands;

/// <summary><c>adaptive-softmax calibrate</c>: what this machine, or a device of it, takes for products and memory.</summary>
internal static class CalibrateCommand
{
    public const string Name = "calibrate";

    public static IReadOnlyList<Example> Examples { get; } =
    [
        new("Measure this machine, and plan for it", "calibrate --output machine.json"),
        new("The same on four threads, as a server will decode", "calibrate --output server.json --threads 4"),
        new("Measure the first CUDA device, and plan for it", "calibrate --device cuda --output gpu.json"),
        new("Keep the figures for a script", "calibrate --output machine.json --json"),
    ];

    public static Command Create(ToolConsole console)
    {
        var output = new Option<string>("--output", "-o") { Description = "The machine profile to write, for plan --machine.", HelpName = "FILE" };
        var device = new Option<string?>("--device") { Description = "The device to measure instead of the processor: cuda, opencl, or one of several as in cuda:1.", HelpName = "NAME" };
        device.CompletionSources.Add(_ => CalibrateDevice.Names().Select(id => new CompletionItem(id)));
        var list = new Option<bool>("--list-devices") { Description = "Show what --device can name, and measure nothing." };
        var name = new Option<string?>("--name") { Description = "What to call the machine; without it its host name, or the device's.", HelpName = "NAME" };
        var threads = ThreadsOption.Create();
        threads.Description = "The threads to measure with: as many as the model will use.";
        var json = new Option<bool>("--json") { Description = "Write the result as JSON." };
        var force = OutputPath.CreateForceOption();
        var command = new Command(Name, "Measures what products and memory cost on this machine's CPU, in less than a minute (without AVX-512 in under three), or on a device, for predictions that hold on it. Nothing else should run meanwhile.") { output, device, list, name, threads, json, force };
        command.Validators.Add(result =>
        {
            if (result.GetValue(list))
            {
                // Who gives them expects a measurement.
                if (result.Children.OfType<OptionResult>().FirstOrDefault(given => !given.Implicit && given.Option != list && given.Option != json) is { } other)
                    result.AddError($"--list-devices measures nothing and goes with --json alone; leave out {other.Option.Name}, or --list-devices.");
                return;
            }

            if (result.GetValue(output) is null) result.AddError("Option '--output' is required: name the machine profile to write.");
            if (result.GetValue(device) is not null && result.GetResult(threads) is { Implicit: false }) result.AddError("--threads are the processor's; leave them out beside --device.");
        });
        command.SetAction((parsed, cancellationToken) => Task.Run(() =>
        {
            if (parsed.GetValue(list))
            {
                CalibrateDevice.WriteAll(console, parsed.GetValue(json));
                return ExitCode.Success;
            }

            var file = OutputPath.Check(parsed.GetRequiredValue(output)!, MachineFile.Kind, parsed.GetValue(force));
            file.CheckAccess();
            var profile = Measure(console.Error, progress => parsed.GetValue(device) is { } found
                ? CalibrateDevice.Measure(found, parsed.GetValue(name), progress, cancellationToken)
                : MachineCalibrator.Measure(parsed.GetValue(name), parsed.GetValue(threads), progress, cancellationToken));
            // A cancelled command has said that it wrote nothing.
            cancellationToken.ThrowIfCancellationRequested();
            MachineProfileFile.Save(file.Path, profile);
            if (parsed.GetValue(json)) console.Output.Profile.Out.Writer.Write(MachineProfileFile.ToText(profile));
            else Write(console, profile, file.Path);
            return ExitCode.Success;
        }, CancellationToken.None));
        return command;
    }

    private static MachineProfile Measure(IAnsiConsole console, Func<IProgress<double>?, MachineProfile> measure)
    {
        if (!console.Profile.Capabilities.Interactive) return measure(null);
        return console.Progress().AutoClear(true).Start(context =>
        {
            var task = context.AddTask("Measuring", maxValue: 1);
            return measure(new BarUpdate(task));
        });
    }

    private static void Write(ToolConsole console, MachineProfile profile, string path)
    {
        var table = new ToolTable("10^9 multiply-adds a second", [.. profile.Greedy.Batches.Select(batch => Format($"batch {batch}"))]);
        foreach (var (title, products, measured) in new[] { ("training", 3, profile.Training), ("greedy", 1, profile.Greedy), ("sampling", 1, profile.Sampling) })
        {
            if (measured is not { } times) continue;
            for (var width = 0; width < times.Widths.Count; width++)
            {
                var row = times.Batches.Select((batch, index) => Format($"{(double)products * times.Widths[width] * batch / times.Nanoseconds[(width * times.Batches.Count) + index]:n1}"));
                table.AddRow([Format($"{title}, width {times.Widths[width]:n0}"), .. row]);
            }
        }

        table.Write(console.Output);
        if (profile.Device is not null) console.WriteLine($"Measured {Excerpt.Line(profile.Name)}, the device {profile.Device}.");
        console.WriteLine(Format($"Memory: {string.Join(", ", profile.Memory.Bytes.Zip(profile.Memory.GigabytesPerSecond, (bytes, rate) => Format($"{rate:n1} GB/s over {bytes >> 20:n0} MiB")))}."));
        console.WriteLine(Format($"Fixed: {profile.TrainingHeadTime / 1e3:n1} µs a training step, {profile.TrainingTailTime / 1e3:n1} µs a tail; {profile.DecodingHeadTime / 1e3:n1} µs a step that decodes one token, {profile.DecodingTailTime / 1e3:n1} µs a tail; {profile.BatchHeadTime / 1e3:n1} µs one that decodes several, {profile.BatchTailTime / 1e3:n1} µs a tail. Updates: {profile.UpdateTime:n2} ns a weight."));
        if (profile.TopK is not null)
            console.WriteLine(Format($"Calls of one token, beside that: {profile.GreedyCallTime / 1e3:n1} µs greedy, {profile.SamplingCallTime / 1e3:n1} µs drawn, {profile.TopKCallTime / 1e3:n1} µs for the best and {profile.CandidateTime / 1e3:n2} µs for each of them."));
        console.WriteLine($"Wrote {Excerpt.Line(path)}; give it to adaptive-softmax plan with --machine.");
    }

    private static string Format(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    private sealed class BarUpdate(ProgressTask task) : IProgress<double>
    {
        public void Report(double value) => task.Value = value;
    }
}
