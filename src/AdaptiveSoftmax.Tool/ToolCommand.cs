using System.CommandLine;
using System.CommandLine.Help;
using AdaptiveSoftmax.Corpus;
using AdaptiveSoftmax.Tool.Commands;
using AdaptiveSoftmax.Tool.Terminal;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tool;

/// <summary>The command <c>adaptive-softmax</c>.</summary>
internal static class ToolCommand
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(0.8);

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
            Error = new EscapedWriter(console.Error.Profile.Out.Writer),
            EnableDefaultExceptionHandler = false,
            // The program hears signals itself.
            ProcessTerminationTimeout = null,
        };
        var journal = WriteJournal.Begin();
        try
        {
            var run = InvariantCommandLine.RunAsync(Create(console), arguments, configuration, cancellationToken);
            if (await HasEndedAsync(run, cancellationToken)) return await run;
        }
        catch (OperationCanceledException)
        {
            // What it says and gives is below, where it is the same for what did not hear.
        }
        catch (Exception exception) when (exception is ToolException or CorpusException or IOException or UnauthorizedAccessException)
        {
            console.WriteError(exception.Message);
            return ExitCode.Failure;
        }

        var written = journal.Close();
        console.WriteError(written.Count == 0 ? "cancelled; no file was written." : $"cancelled; written and whole: {string.Join(", ", written.Select(file => Excerpt.Line(file)))}. Nothing else was.");
        return ExitCode.Cancelled;
    }

    // Commands stop within milliseconds. What waits for the system, for example for the reader of a pipe, does not hear, and
    // is left behind.
    private static async Task<bool> HasEndedAsync(Task run, CancellationToken cancellationToken)
    {
        var cancelled = new TaskCompletionSource();
        using var registration = cancellationToken.Register(cancelled.SetResult);
        return await Task.WhenAny(run, cancelled.Task) == run || await Task.WhenAny(run, Task.Delay(s_patience, CancellationToken.None)) == run;
    }

    private static RootCommand Create(ToolConsole console)
    {
        var root = new RootCommand("Counts the tokens of a corpus, measures the machine, plans the clusters of an adaptive softmax, judges it, says when they no longer fit, makes the vocabulary of a draft, and inspects, converts and exports its weights.")
        {
            InitCommand.Create(console),
            CountCommand.Create(console),
            CalibrateCommand.Create(console),
            PlanCommand.Create(console),
            EvaluateCommand.Create(console),
            DriftCommand.Create(console),
            MigrateCommand.Create(console),
            ExtendCommand.Create(console),
            AdoptCommand.Create(console),
            DraftCommand.Create(console),
            CheckCommand.Create(console),
            InspectCommand.Create(console),
            ConvertCommand.Create(console),
            ExportCommand.Create(console),
            CompletionCommand.Create(console),
        };
        root.HelpName = "adaptive-softmax";
        foreach (var option in root.Options.OfType<HelpOption>())
        {
            // On other systems these are names of files, and what a shell would complete.
            if (!OperatingSystem.IsWindows())
            {
                foreach (var alias in new[] { "/?", "/h", "-?" }) option.Aliases.Remove(alias);
            }

            if (option.Action is HelpAction standard) option.Action = new ExamplesHelpAction(standard);
        }

        return root;
    }
}
