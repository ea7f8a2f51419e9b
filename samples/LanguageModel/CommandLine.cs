using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;
using AdaptiveSoftmax;
using AdaptiveSoftmax.Corpus;
using AdaptiveSoftmax.Gpu;
using Spectre.Console;

namespace LanguageModelSample;

/// <summary>The options, and what they ask for.</summary>
internal static class CommandLine
{
    private const int Failure = 1;

    /// <summary>What a shell reports of a process that Ctrl-C ended.</summary>
    private const int Cancelled = 130;

    private const string ListDevices = "list";

    private static readonly string[] s_prompts = ["Initializes a new instance of the", "method System.String.IndexOf(", "type System.Collections.Generic."];

    /// <summary>Runs the sample and returns the exit code.</summary>
    /// <param name="arguments">The arguments.</param>
    /// <param name="console">Where to write.</param>
    /// <param name="cancellation">Stops the run as Ctrl-C does.</param>
    public static async Task<int> RunAsync(string[] arguments, IAnsiConsole console, CancellationToken cancellation = default)
    {
        var configuration = new InvocationConfiguration
        {
            EnableDefaultExceptionHandler = false,
            // After Ctrl-C a step may be under way, and the checkpoint is yet to be written.
            ProcessTerminationTimeout = TimeSpan.FromSeconds(20),
        };
        try
        {
            var parsed = Create(console).Parse(arguments);
            // The whole help behind a mistyped option would hide what is wrong with it.
            if (parsed.Action is ParseErrorAction mistake) mistake.ShowHelp = false;
            return await parsed.InvokeAsync(configuration, cancellation);
        }
        catch (OperationCanceledException)
        {
            return Cancelled;
        }
        catch (Exception exception) when (exception is CorpusException or CheckpointMismatchException or SafetensorsFormatException or DeviceException or GpuMemoryException or IOException or UnauthorizedAccessException)
        {
            await Console.Error.WriteLineAsync($"error: {exception.Message}");
            return Failure;
        }
    }

    private static RootCommand Create(IAnsiConsole console)
    {
        var corpus = new Option<string[]>("--corpus") { Description = "Files and folders to learn from: plain text, and XML documentation where a file's name ends in .xml. The .NET SDK's API reference if omitted.", HelpName = "PATH", AllowMultipleArgumentsPerToken = true, DefaultValueFactory = _ => [] };
        var seconds = new Option<double?>("--seconds") { Description = "How long to train, 70 if omitted. The full softmax gets another third.", HelpName = "N" };
        var quick = new Option<bool>("--quick") { Description = "Train for 10 seconds: a first look in under a minute." };
        var prompt = new Option<string[]>("--prompt") { Description = "A text for the model to continue; may be given more than once.", HelpName = "TEXT", DefaultValueFactory = _ => s_prompts };
        var resume = new Option<bool>("--resume") { Description = "Go on from the checkpoint: to the end of a run that was stopped, or for --seconds more." };
        var checkpoint = new Option<string>("--checkpoint") { Description = "Where the run is saved, every half minute, at the end, and on Ctrl-C.", HelpName = "PATH", DefaultValueFactory = _ => Path.Combine("artifacts", "language-model.safetensors") };
        var seed = new Option<ulong>("--seed") { Description = "Decides the first weights and the order of the text.", HelpName = "N", DefaultValueFactory = _ => 1 };
        var threads = new Option<int>("--threads") { Description = "The threads to compute with; the model is the same for any number.", HelpName = "N", DefaultValueFactory = _ => Environment.ProcessorCount };
        var device = new Option<string>("--device") { Description = "Where to compute: cpu, opencl, cuda; opencl:1 for the second device of a kind; list to see them all.", HelpName = "KIND", DefaultValueFactory = _ => "cpu" };
        device.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<string>() is { } name && name != ListDevices && DeviceName.TryParse(name) is null)
                result.AddError($"There is no kind of device named '{name}'; give cpu, opencl or cuda, or list to see what this machine has.");
        });
        seconds.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<double?>() is <= 0) result.AddError("--seconds must be more than 0.");
        });
        threads.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<int>() < 1) result.AddError("--threads must be at least 1.");
        });

        resume.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<bool>() && result.GetValue(checkpoint) is { } path && !File.Exists(path)) result.AddError($"There is no checkpoint at {path} to resume from; train without --resume first, or name it with --checkpoint.");
        });

        var root = new RootCommand("Trains a language model over 200,019 tokens through a generated adaptive softmax, compares it with a full softmax, and lets it write.")
        {
            quick, seconds, device, corpus, prompt, resume, checkpoint, seed, threads,
        };
        root.SetAction((parsed, cancellation) => Task.Run(() =>
        {
            if (parsed.GetRequiredValue(device) == ListDevices)
            {
                DeviceList.Write(console);
                return 0;
            }

            var training = parsed.GetValue(seconds) ?? (parsed.GetValue(quick) ? 10 : 70);
            var options = new RunOptions
            {
                Corpus = parsed.GetRequiredValue(corpus),
                Seconds = training,
                BaselineSeconds = training / 3,
                Prompts = parsed.GetRequiredValue(prompt),
                Resume = parsed.GetValue(resume),
                CheckpointPath = parsed.GetRequiredValue(checkpoint),
                Device = DeviceName.TryParse(parsed.GetRequiredValue(device))!,
                Seed = parsed.GetValue(seed),
                Threads = parsed.GetValue(threads),
            };
            new Run(options, console).Execute(cancellation);
            return 0;
        }, CancellationToken.None));
        AddExamples(root);
        return root;
    }

    private static void AddExamples(RootCommand root)
    {
        var help = root.Options.OfType<HelpOption>().Single();
        help.Action = new HelpWithExamples((HelpAction)help.Action!);
    }

    /// <summary>The usual help, then examples.</summary>
    private sealed class HelpWithExamples(HelpAction standard) : SynchronousCommandLineAction
    {
        public override int Invoke(ParseResult parseResult)
        {
            var result = standard.Invoke(parseResult);
            parseResult.InvocationConfiguration.Output.WriteLine("""
                Examples, each behind "dotnet run -c Release --project samples/LanguageModel --":
                  A first look in under a minute:       --quick
                  Ten minutes, then ten minutes more:   --seconds 600, then --resume --seconds 600
                  On a graphics card:                   --device cuda
                  One's own text and prompt:            --corpus notes/ book.txt --prompt "Once upon a time"
                """);
            return result;
        }
    }
}
