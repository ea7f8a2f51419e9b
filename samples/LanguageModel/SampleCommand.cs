using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;
using AdaptiveSoftmax;
using AdaptiveSoftmax.Corpus;
using AdaptiveSoftmax.Distributed;
using AdaptiveSoftmax.Gpu;

namespace LanguageModelSample;

/// <summary>Runs a sample's command: Ctrl-C, errors in one line, and examples behind the help.</summary>
internal static class SampleCommand
{
    private const int Failure = 1;

    /// <summary>What a shell reports of a process that Ctrl-C ended.</summary>
    private const int Cancelled = 130;

    /// <summary>Runs the command and returns the exit code.</summary>
    /// <param name="root">The command.</param>
    /// <param name="examples">What the help ends with.</param>
    /// <param name="arguments">The arguments.</param>
    /// <param name="cancellation">Stops the run as Ctrl-C does.</param>
    public static async Task<int> RunAsync(RootCommand root, string examples, string[] arguments, CancellationToken cancellation)
    {
        var help = root.Options.OfType<HelpOption>().Single();
        help.Action = new HelpWithExamples((HelpAction)help.Action!, examples);
        var configuration = new InvocationConfiguration
        {
            EnableDefaultExceptionHandler = false,
            // After Ctrl-C a step may be under way, and the checkpoint is yet to be written.
            ProcessTerminationTimeout = TimeSpan.FromSeconds(20),
        };
        try
        {
            return await InvariantCommandLine.RunAsync(root, arguments, configuration, cancellation);
        }
        catch (OperationCanceledException)
        {
            return Cancelled;
        }
        catch (Exception exception) when (IsExpected(exception))
        {
            await Console.Error.WriteLineAsync($"error: {exception.Message}");
            return Failure;
        }
    }

    // Errors whose message says all: of the text, of the checkpoint, of the machine.
    private static bool IsExpected(Exception exception) => exception
        is CorpusException or CheckpointMismatchException or WeightsFormatException
        or DeviceException or GpuMemoryException or DllNotFoundException or MpiException
        or IOException or UnauthorizedAccessException;

    /// <summary>The usual help, then examples.</summary>
    private sealed class HelpWithExamples(HelpAction standard, string examples) : SynchronousCommandLineAction
    {
        public override int Invoke(ParseResult parseResult)
        {
            var result = standard.Invoke(parseResult);
            parseResult.InvocationConfiguration.Output.WriteLine(examples);
            return result;
        }
    }
}
