using System.CommandLine;
using System.CommandLine.Help;
using AdaptiveSoftmax.Corpus;
using AdaptiveSoftmax.Tool.Commands;
using AdaptiveSoftmax.Tool.Terminal;

namespace AdaptiveSoftmax.Tool;

/// <summary>The command <c>adaptive-softmax</c>.</summary>
internal static class ToolCommand
{
    /// <summary>Runs one command.</summary>
    /// <param name="arguments">The arguments behind the tool's name.</param>
    /// <param name="console">Where the command writes.</param>
    /// <param name="cancellationToken">Cancels the command as Ctrl-C does.</param>
    /// <returns>The exit code.</returns>
    public static async Task<int> RunAsync(string[] arguments, ToolConsole console, CancellationToken cancellationToken = default)
    {
        var configuration = new InvocationConfiguration
        {
            Output = console.Output.Profile.Out.Writer,
            Error = console.Error.Profile.Out.Writer,
            EnableDefaultExceptionHandler = false,
            // Commands stop within milliseconds; the time is for a busy machine. What waits for a pipe does not stop by itself.
            ProcessTerminationTimeout = TimeSpan.FromSeconds(5),
        };
        try
        {
            return await InvariantCommandLine.RunAsync(Create(console), arguments, configuration, cancellationToken);
        }
        catch (OperationCanceledException)
        {
            console.WriteError("cancelled; no file was written.");
            return ExitCode.Cancelled;
        }
        catch (Exception exception) when (exception is ToolException or CorpusException or IOException or UnauthorizedAccessException)
        {
            console.WriteError(exception.Message);
            return ExitCode.Failure;
        }
    }

    private static RootCommand Create(ToolConsole console)
    {
        var root = new RootCommand("Counts the tokens of a corpus, plans the clusters of an adaptive softmax, says when they no longer fit, and inspects and converts its weights.")
        {
            CountCommand.Create(console),
            PlanCommand.Create(console),
            DriftCommand.Create(console),
            InspectCommand.Create(console),
            ConvertCommand.Create(console),
        };
        root.HelpName = "adaptive-softmax";
        foreach (var option in root.Options.OfType<HelpOption>())
        {
            if (option.Action is HelpAction standard) option.Action = new ExamplesHelpAction(standard);
        }

        return root;
    }
}
