using System.CommandLine;
using AdaptiveSoftmax.Tool.Files;
using AdaptiveSoftmax.Tool.Terminal;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tool.Commands;

/// <summary>What <c>migrate</c>, <c>extend</c> and <c>adopt</c> have in common: options, progress, errors, and the report.</summary>
internal sealed class MigrationSettings
{
    private static readonly OutputKind s_weights = new("weights", [".safetensors"], "most libraries tell safetensors by that ending", path => FileContent.Find(path) == FileContentKind.Safetensors);

    private readonly Option<string> _output = new("--output", "-o") { Description = "The file to write, with all else that the old one holds.", HelpName = "FILE", Required = true };
    private readonly Option<string?> _states = new("--states") { Description = "States of the model (docs/states.md) to fit rows and gates over; a quarter of them is kept to judge by. Without, states are made up, which is worse.", HelpName = "FILE" };
    private readonly Option<string?> _judge = new("--judge") { Description = "Other states to judge by, so that all of --states are fitted over.", HelpName = "FILE" };
    private readonly Option<int> _polish = new("--polish") { Description = "Steps of distillation over the states: what moved learns the old log-probs.", HelpName = "N" };
    private readonly Option<bool> _polishAll = new("--polish-all") { Description = "Lets all weights of the softmax learn in these steps." };
    private readonly Option<double> _rate = new("--polish-rate") { Description = "The learning rate of these steps, which falls to 0.", HelpName = "X", DefaultValueFactory = _ => new MigrationOptions().PolishLearningRate };
    private readonly Option<string> _prefix = new("--prefix") { Description = "What stands before the softmax's names in the file, for example decoder.softmax.", HelpName = "NAME", DefaultValueFactory = _ => "" };
    private readonly Option<bool> _json = new("--json") { Description = "Write the report as JSON." };
    private readonly Option<string?> _page = ReportFile.CreateOption();
    private readonly Option<int> _threads = ThreadsOption.Create();
    private readonly Option<bool> _force = OutputPath.CreateForceOption();

    public MigrationSettings()
    {
        _polish.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<int>() < 0) result.AddError("--polish must be 0 or more steps.");
            else if (result.GetValueOrDefault<int>() > 0 && result.GetValue(_states) is null) result.AddError("--polish learns from the old model's log-probs over states; give --states.");
        });
        _rate.Validators.Add(result =>
        {
            if (!(result.GetValueOrDefault<double>() is > 0 and < double.PositiveInfinity)) result.AddError("--polish-rate must be more than 0.");
        });
    }

    public void AddTo(Command command)
    {
        foreach (var option in new Option[] { _output, _states, _judge, _polish, _polishAll, _rate, _prefix, _json, _page, _threads, _force }) command.Options.Add(option);
    }

    /// <summary>Whether files may be written over.</summary>
    public bool IsForced(ParseResult parsed) => parsed.GetValue(_force);

    /// <summary>Runs a migration and writes its report.</summary>
    /// <param name="parsed">The command line.</param>
    /// <param name="console">Where to write.</param>
    /// <param name="inputs">The files that are read, none of which may be the output.</param>
    /// <param name="others">What is written beside the output and the report.</param>
    /// <param name="migrate">Does it: options and the output's path.</param>
    /// <exception cref="ToolException">The files do not fit each other.</exception>
    public int Run(ParseResult parsed, ToolConsole console, IReadOnlyList<string?> inputs, IReadOnlyList<OutputPath> others, Func<MigrationOptions, string, MigrationReport> migrate)
    {
        var output = OutputPath.Check(parsed.GetRequiredValue(_output), s_weights, IsForced(parsed));
        IReadOnlyList<string?> read = [.. inputs, parsed.GetValue(_states), parsed.GetValue(_judge)];
        output.RefuseInputs(read);
        output.RefuseOutputs(others);
        foreach (var other in others) other.RefuseInputs(read);
        var page = ReportFile.Check(parsed.GetValue(_page), IsForced(parsed), read);
        page?.RefuseOutputs([output, .. others]);
        var options = new MigrationOptions
        {
            StatesPath = parsed.GetValue(_states),
            JudgeStatesPath = parsed.GetValue(_judge),
            PolishSteps = parsed.GetValue(_polish),
            PolishAll = parsed.GetValue(_polishAll),
            PolishLearningRate = parsed.GetValue(_rate),
            Prefix = parsed.GetRequiredValue(_prefix),
            Threads = parsed.GetValue(_threads),
        };
        try
        {
            var report = MigrationBar.Run(console.Error, progress => migrate(options with { Progress = progress }, output.Path));
            // The weights are there by now, and a page takes no time to speak of.
            page?.Write(MigrationPage.Create(report, TitleOf(parsed.CommandResult.Command.Name), output.Path), console, CancellationToken.None);
            if (parsed.GetValue(_json)) MigrationText.WriteJson(console.Output.Profile.Out.Writer, report);
            else MigrationText.Write(console, report, output.Path);
            output.Remark(console);
            return ExitCode.Success;
        }
        catch (Exception exception) when (exception is ArgumentException or CheckpointMismatchException)
        {
            throw new ToolException(exception is ArgumentException { ParamName: { } name } ? exception.Message.Replace($" (Parameter '{name}')", "", StringComparison.Ordinal) : exception.Message);
        }
    }

    private static string TitleOf(string command) => command switch
    {
        ExtendCommand.Name => "Extension",
        AdoptCommand.Name => "Adoption",
        _ => "Migration",
    };
}
