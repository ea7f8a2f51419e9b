using System.Globalization;
using Spectre.Console;

namespace LanguageModelSample;

/// <summary>What the run says, the same under every culture.</summary>
internal static class ConsoleLines
{
    /// <summary>Writes a line.</summary>
    public static void Say(this IAnsiConsole console, FormattableString line) => console.WriteLine(line.ToString(CultureInfo.InvariantCulture));

    /// <summary>Writes each prompt and how a model goes on with it.</summary>
    public static void WriteContinuations(this IAnsiConsole console, IEnumerable<string> prompts, Func<string, string> continuePrompt)
    {
        foreach (var prompt in prompts)
        {
            console.Write(new Rule { Style = new Style(Color.Grey) });
            console.Write(new Text(prompt, new Style(Color.Green)));
            console.Profile.Out.Writer.WriteLine(continuePrompt(prompt) + "\n");
        }
    }
}
