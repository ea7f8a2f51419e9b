using System.CommandLine;
using System.CommandLine.Invocation;
using System.CommandLine.Parsing;
using System.Globalization;
using System.Numerics;

namespace AdaptiveSoftmax;

/// <summary>
/// Runs the command lines of this repository's programs, which mean the same on every machine: numbers have a point and
/// no other separators whatever the culture, results are written alike, and <c>@name</c> is an argument as any other.
/// </summary>
internal static class InvariantCommandLine
{
    // What the help calls so may be empty, or is a list whose own check says how it is written. All other texts name something.
    private static readonly string[] s_free = ["TEXT", "PREFIX", "TOKEN", "REGEX", "N,N"];

    /// <summary>Makes the invariant culture that of all threads to come; the first thing that a program does.</summary>
    public static void UseInvariantCulture()
    {
        CultureInfo.CurrentCulture = CultureInfo.CurrentUICulture = CultureInfo.InvariantCulture;
        CultureInfo.DefaultThreadCurrentCulture = CultureInfo.DefaultThreadCurrentUICulture = CultureInfo.InvariantCulture;
    }

    /// <summary>Parses arguments and runs the command that they ask for, in the invariant culture.</summary>
    /// <param name="root">The root command, which is used once.</param>
    /// <param name="arguments">The arguments.</param>
    /// <param name="configuration">How it runs, or null for the usual way.</param>
    /// <param name="cancellation">Stops the run as Ctrl-C does.</param>
    /// <returns>The exit code.</returns>
    public static async Task<int> RunAsync(RootCommand root, IReadOnlyList<string> arguments, InvocationConfiguration? configuration = null, CancellationToken cancellation = default)
    {
        // Of this call and all that it starts; the caller keeps its own.
        CultureInfo.CurrentCulture = CultureInfo.CurrentUICulture = CultureInfo.InvariantCulture;
        AddChecks(root);
        var parsed = root.Parse(arguments, new ParserConfiguration { ResponseFileTokenReplacer = null });

        // The whole help behind a mistyped option would hide what is wrong with it.
        if (parsed.Action is ParseErrorAction mistake) mistake.ShowHelp = false;
        return await parsed.InvokeAsync(configuration, cancellation);
    }

    private static void AddChecks(Command command)
    {
        foreach (var option in command.Options) AddCheck(option.Validators, option.Name, option.ValueType, option.HelpName);
        foreach (var argument in command.Arguments) AddCheck(argument.Validators, argument.Name, argument.ValueType, argument.HelpName ?? argument.Name);
        foreach (var subcommand in command.Subcommands) AddChecks(subcommand);
    }

    private static void AddCheck<T>(List<Action<T>> validators, string name, Type type, string? helpName)
        where T : SymbolResult
    {
        type = type.GetElementType() ?? type;
        type = Nullable.GetUnderlyingType(type) ?? type;
        if (type == typeof(string) && !s_free.Contains(helpName)) AddNameCheck(validators, name);
        else if (FindCheck(type) is { } check) AddNumberCheck(validators, name, check);
    }

    // Behind other validators, which say more than that there is nothing.
    private static void AddNameCheck<T>(List<Action<T>> validators, string name)
        where T : SymbolResult =>
        validators.Add(result =>
        {
            if (result.Tokens.Any(token => string.IsNullOrWhiteSpace(token.Value)) && !result.Errors.Any()) result.AddError($"{name} is empty; give a name.");
        });

    // Other validators ask for the value, which fails where there is none.
    private static void AddNumberCheck<T>(List<Action<T>> validators, string name, Func<string, string?> check)
        where T : SymbolResult
    {
        var others = validators.ToArray();
        validators.Clear();
        validators.Add(result =>
        {
            var problems = result.Tokens.Select(token => check(token.Value)).OfType<string>().ToList();
            foreach (var problem in problems) result.AddError($"{name} {problem}");
            if (problems.Count > 0) return;
            foreach (var validate in others) validate(result);
        });
    }

    // Gives what is wrong with a text, or null.
    private static Func<string, string?>? FindCheck(Type type) => Type.GetTypeCode(type) switch
    {
        TypeCode.Double => CheckNumber,
        TypeCode.Int32 => text => CheckWhole<int>(text),
        TypeCode.Int64 => text => CheckWhole<long>(text),
        TypeCode.UInt64 => text => CheckWhole<ulong>(text),
        TypeCode.String or TypeCode.Boolean or TypeCode.Object => null,
        _ => throw new NotSupportedException($"Say here how a {type} is written in every culture."),
    };

    private static string? CheckNumber(string text)
    {
        if (IsNumber(text)) return null;
        var remedy = text.Replace(',', '.');
        return IsNumber(remedy) && !MayBeThousands(text)
            ? $"is {text}; numbers have a point on every machine: write {remedy}."
            : $"is {text}; give a number, with a point before a fraction and no other separators, such as 2.5.";
    }

    // 1,000 is a thousand to some and one to others.
    private static bool MayBeThousands(string text)
    {
        var groups = text.TrimStart('-', '+').Split(',');
        return groups.Length > 1 && groups[0].Length is >= 1 and <= 3 && groups[0] != "0" && groups.Skip(1).All(group => group.Length == 3 && group.All(char.IsAsciiDigit));
    }

    private static bool IsNumber(string text) => double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var value) && double.IsFinite(value);

    private static string? CheckWhole<T>(string text)
        where T : INumber<T>, IMinMaxValue<T>
    {
        if (T.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out _)) return null;
        var digits = string.Concat(text.Where(char.IsAsciiDigit));
        if (digits.Length == text.Length - (text.StartsWith('-') ? 1 : 0) && digits.Length > 0)
            return $"is {text}; it must be from {T.MinValue} to {T.MaxValue}.";
        return $"is {text}; give a whole number in the digits 0 to 9 alone, such as 1000.";
    }
}
