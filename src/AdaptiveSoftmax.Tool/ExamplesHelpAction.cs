using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;
using AdaptiveSoftmax.Tool.Commands;

namespace AdaptiveSoftmax.Tool;

/// <summary>The usual help, then examples of the command.</summary>
internal sealed class ExamplesHelpAction(HelpAction standard) : SynchronousCommandLineAction
{
    public override bool ClearsParseErrors => standard.ClearsParseErrors;

    public override int Invoke(ParseResult parseResult)
    {
        var result = standard.Invoke(parseResult);
        var examples = parseResult.CommandResult.Command.Name switch
        {
            InitCommand.Name => InitCommand.Examples,
            CheckCommand.Name => CheckCommand.Examples,
            CountCommand.Name => CountCommand.Examples,
            MergeCommand.Name => MergeCommand.Examples,
            ImportCommand.Name => ImportCommand.Examples,
            CalibrateCommand.Name => CalibrateCommand.Examples,
            PlanCommand.Name => PlanCommand.Examples,
            EvaluateCommand.Name => EvaluateCommand.Examples,
            DriftCommand.Name => DriftCommand.Examples,
            MigrateCommand.Name => MigrateCommand.Examples,
            ExtendCommand.Name => ExtendCommand.Examples,
            AdoptCommand.Name => AdoptCommand.Examples,
            DraftCommand.Name => DraftCommand.Examples,
            InspectCommand.Name => InspectCommand.Examples,
            ConvertCommand.Name => ConvertCommand.Examples,
            ExportCommand.Name => ExportCommand.Examples,
            CompletionCommand.Name => CompletionCommand.Examples,
            _ => [.. CountCommand.Examples.Take(1), .. PlanCommand.Examples.Take(1), .. EvaluateCommand.Examples.Take(1), .. DriftCommand.Examples.Take(1), .. MigrateCommand.Examples.Take(1), .. DraftCommand.Examples.Skip(1).Take(1), .. InspectCommand.Examples.Take(1), .. ConvertCommand.Examples.Take(1)],
        };
        var output = parseResult.InvocationConfiguration.Output;
        output.WriteLine("Examples:");
        foreach (var (purpose, command) in examples)
        {
            output.WriteLine($"  {purpose}:");
            output.WriteLine($"    adaptive-softmax {command}");
        }

        return result;
    }
}
