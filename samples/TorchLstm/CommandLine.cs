using System.CommandLine;
using LanguageModelSample;
using Spectre.Console;

namespace TorchLstmSample;

/// <summary>The command line: the options are those of the main sample.</summary>
internal static class CommandLine
{
    private const string Examples = """
        Examples, each behind "dotnet run -c Release --project samples/TorchLstm --":
          A first look in under a minute:       --quick
          Ten minutes, then ten minutes more:   --seconds 600, then --resume --seconds 600
          One's own text and prompt:            --corpus notes/ book.txt --prompt "Once upon a time"
        """;

    /// <summary>Runs the sample and returns the exit code.</summary>
    /// <param name="arguments">The arguments.</param>
    /// <param name="console">Where to write.</param>
    /// <param name="cancellation">Stops the run as Ctrl-C does.</param>
    public static Task<int> RunAsync(string[] arguments, IAnsiConsole console, CancellationToken cancellation = default)
    {
        var training = new TrainingOptions(Path.Combine("artifacts", "torch-lstm.safetensors"));
        var root = new RootCommand("Trains an LSTM in TorchSharp over 200,019 tokens through an adaptive softmax, compares it with TorchSharp's full softmax, and lets it write.");
        training.AddTo(root);
        root.SetAction((parsed, stop) => Task.Run(() => new Run(training.Read(parsed), console).Execute(stop), CancellationToken.None));
        return SampleCommand.RunAsync(root, Examples, arguments, cancellation);
    }
}
