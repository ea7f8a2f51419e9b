using AdaptiveSoftmax.Vocabulary;
using Spectre.Console;

namespace AdaptiveSoftmax.Tool.Terminal;

/// <summary>Where a command writes.</summary>
/// <param name="Output">Results.</param>
/// <param name="Error">Progress and errors.</param>
internal sealed record ToolConsole(IAnsiConsole Output, IAnsiConsole Error)
{
    // Wider than any line: whoever reads a file or a pipe breaks lines as it likes.
    private const int WidthOfFiles = 1 << 20;

    /// <summary>A console that writes plain text without colours and progress bars unless it is a terminal.</summary>
    public static IAnsiConsole ForWriter(TextWriter writer, bool isTerminal) => Create(new AnsiConsoleOutput(writer), isTerminal);

    /// <summary>The consoles of this process.</summary>
    public static ToolConsole ForProcess() => new(
        Create(new StandardOutput(Console.Out, isNeeded: true), isTerminal: !Console.IsOutputRedirected),
        Create(new StandardOutput(Console.Error, isNeeded: false), isTerminal: !Console.IsErrorRedirected));

    private static IAnsiConsole Create(IAnsiConsoleOutput output, bool isTerminal)
    {
        var console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Out = output,
            Ansi = isTerminal ? AnsiSupport.Detect : AnsiSupport.No,
            ColorSystem = isTerminal ? ColorSystemSupport.Detect : ColorSystemSupport.NoColors,
            Interactive = isTerminal ? InteractionSupport.Detect : InteractionSupport.No,
        });
        if (!isTerminal) console.Profile.Width = WidthOfFiles;
        return console;
    }

    /// <summary>Writes a line of results, unbroken however long, without anything that a terminal would obey.</summary>
    public void WriteLine(string text) => Output.Profile.Out.Writer.WriteLine(Excerpt.Message(text));

    /// <summary>Writes what a user should know beside the results, without anything that a terminal would obey.</summary>
    public void WriteNote(string message)
    {
        Error.Write(new Text("note: ", new Style(Color.Yellow)));
        Error.Profile.Out.Writer.WriteLine(Excerpt.Message(message));
    }

    /// <summary>Writes an error, unbroken however long, without anything that a terminal would obey.</summary>
    public void WriteError(string message)
    {
        Error.Write(new Text("error: ", new Style(Color.Red)));
        Error.Profile.Out.Writer.WriteLine(Excerpt.Message(message));
    }
}
