using System.CommandLine;
using AdaptiveSoftmax.Distributed;
using Spectre.Console;

namespace LanguageModelSample;

/// <summary>The options, and what they ask for.</summary>
internal static class CommandLine
{
    private const string ListDevices = "list";

    private const string Examples = """
        Examples, each behind "dotnet run -c Release --project samples/LanguageModel --":
          A first look in under a minute:       --quick
          Ten minutes, then ten minutes more:   --seconds 600, then --resume --seconds 600
          On a graphics card:                   --device cuda
          One's own text and prompt:            --corpus notes/ book.txt --prompt "Once upon a time"
          What a continuous cache gains:        --cache 2000
          What drafts of four tokens save:      --draft 4
          Adaptive against full, for hours:     --study, or --study --quick for a minute
        With two processes, after a build: mpirun -n 2 dotnet run -c Release --no-build --project samples/LanguageModel -- --quick
        """;

    /// <summary>Runs the sample and returns the exit code.</summary>
    /// <param name="arguments">The arguments.</param>
    /// <param name="console">Where to write.</param>
    /// <param name="cancellation">Stops the run as Ctrl-C does.</param>
    public static Task<int> RunAsync(string[] arguments, IAnsiConsole console, CancellationToken cancellation = default) =>
        SampleCommand.RunAsync(Create(console), Examples, arguments, cancellation);

    private static RootCommand Create(IAnsiConsole console)
    {
        var training = new TrainingOptions(Path.Combine("artifacts", "language-model.safetensors"));
        var device = new Option<string>("--device") { Description = "Where to compute: cpu, opencl, cuda; opencl:1 for the second device of a kind; list to see them all.", HelpName = "KIND", DefaultValueFactory = _ => "cpu" };
        device.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<string>() is { } name && name != ListDevices && DeviceName.TryParse(name) is null)
                result.AddError($"There is no kind of device named '{name}'; give cpu, opencl or cuda, or list to see what this machine has.");
        });
        var states = new Option<string?>("--states") { Description = "Writes the states of held-out text, and the tokens that follow them, for adaptive-softmax evaluate, migrate and plan.", HelpName = "FILE" };
        var statesTokens = new Option<int>("--states-tokens") { Description = "Of how many tokens, spread over the held-out text.", HelpName = "N", DefaultValueFactory = _ => 8192 };
        statesTokens.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<int>() < 1) result.AddError("--states-tokens must be at least 1.");
        });

        var cache = new Option<int>("--cache") { Description = "Measures what a continuous cache of the last N states gains on held-out text; on the processor.", HelpName = "N" };
        var draft = new Option<int>("--draft") { Description = "Writes with drafts of N tokens from the training text as well, verified by the model in one step, and says what that saves; on the processor.", HelpName = "N" };
        foreach (var option in new[] { cache, draft })
        {
            option.Validators.Add(result =>
            {
                if (result.GetValueOrDefault<int>() < 1) result.AddError($"{option.Name} must be at least 1.");
                else if (DeviceName.TryParse(result.GetRequiredValue(device)) is { Kind: not DeviceKind.Cpu }) result.AddError($"{option.Name} looks at the states of a model on the processor; leave --device or {option.Name} out.");
            });
        }

        var root = new RootCommand("Trains a language model over 200,019 tokens through a generated adaptive softmax, compares it with a full softmax, and lets it write.");
        training.AddTo(root);
        var study = new StudyCommandLine();
        study.AddTo(root);
        foreach (var option in new Option[] { device, states, statesTokens, cache, draft }) root.Options.Add(option);
        root.Validators.Add(result =>
        {
            if (MpiCollectives.LaunchedRanks == 1) return;
            foreach (var option in root.Options.Where(option => option.Name is "--study" or "--device" or "--states" or "--cache" or "--draft"))
            {
                if (result.GetResult(option) is { Implicit: false }) result.AddError($"The ranks of a job train on processors, and do nothing besides; leave {option.Name} out, or start one process without mpirun.");
            }
        });
        root.SetAction((parsed, cancellation) => Task.Run(() =>
        {
            if (parsed.GetRequiredValue(device) == ListDevices)
            {
                DeviceList.Write(console);
                return 0;
            }

            var options = training.Read(parsed) with
            {
                Device = DeviceName.TryParse(parsed.GetRequiredValue(device))!,
                StatesPath = parsed.GetValue(states),
                StatesTokens = parsed.GetValue(statesTokens),
                CacheStates = parsed.GetValue(cache),
                DraftedTokens = parsed.GetValue(draft),
            };
            if (MpiCollectives.LaunchedRanks > 1) new RankedRun(options, console).Execute(cancellation);
            else if (study.Read(parsed, options.IsQuick) is { } studyOptions) new Study(studyOptions, options, console).Execute(cancellation);
            else new Run(options, console).Execute(cancellation);
            return 0;
        }, CancellationToken.None));
        return root;
    }
}
