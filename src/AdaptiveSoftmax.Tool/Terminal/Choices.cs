using System.CommandLine;
using System.CommandLine.Parsing;

namespace AdaptiveSoftmax.Tool.Terminal;

/// <summary>Options and arguments that take one of some words. Their errors are one line, and the shell completes them.</summary>
internal static class Choices
{
    public static void AcceptOneOf(this Option option, params string[] choices)
    {
        option.CompletionSources.Add(choices);
        option.Validators.Add(result => Check(result, option.Name, choices));
    }

    public static void AcceptOneOf(this Argument argument, params string[] choices)
    {
        argument.CompletionSources.Add(choices);
        argument.Validators.Add(result => Check(result, argument.Name, choices));
    }

    private static void Check(SymbolResult result, string name, string[] choices)
    {
        foreach (var token in result.Tokens)
        {
            if (!choices.Contains(token.Value)) result.AddError($"{name} is '{token.Value}'; give {string.Join(", ", choices[..^1])} or {choices[^1]}.");
        }
    }
}
