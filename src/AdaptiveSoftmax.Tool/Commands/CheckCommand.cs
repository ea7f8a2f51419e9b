using System.CommandLine;
using AdaptiveSoftmax.Tool.Files;
using AdaptiveSoftmax.Tool.Terminal;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tool.Commands;

/// <summary><c>adaptive-softmax check</c>: whether spec and vocabulary still are what was pinned.</summary>
internal static class CheckCommand
{
    public const string Name = "check";

    private const int FingerprintLength = 32;

    public static IReadOnlyList<Example> Examples { get; } =
    [
        new("Pin spec and vocabulary, in a file to commit", "check news.softmax.json --update"),
        new("In CI: exit with 2 where they changed", "check news.softmax.json"),
        new("Against the fingerprint that weights were trained with", "check news.softmax.json --fingerprint 0123456789abcdef0123456789abcdef"),
    ];

    public static Command Create(ToolConsole console)
    {
        var spec = new Argument<string>("SPEC") { Description = "The spec, *.softmax.json, with its token table beside it." };
        var pinned = new Option<string?>("--lock") { Description = $"The file that pins it. If omitted: beside the spec, with {SpecLock.Suffix} for its ending.", HelpName = "FILE" };
        var fingerprint = new Option<string?>("--fingerprint") { Description = "Compare with this fingerprint instead of a file: Fingerprint of the generated class, or what `inspect` shows of weights.", HelpName = "HEX" };
        var update = new Option<bool>("--update") { Description = "Write the file." };
        var force = OutputPath.CreateForceOption();
        fingerprint.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<string?>() is { } value && (value.Length != FingerprintLength || !value.All(char.IsAsciiHexDigit)))
                result.AddError($"--fingerprint is '{value}'; it must have {FingerprintLength} hexadecimal digits.");
            if (result.GetValue(update) || result.GetResult(pinned) is not null) result.AddError("--fingerprint needs no file; leave --lock and --update out.");
        });
        var command = new Command(Name, "Compares a spec and its vocabulary with what was pinned before, says what changed, and exits with 2 if anything did: weights that were trained before then need a migration.") { spec, pinned, fingerprint, update, force };
        command.SetAction((parsed, cancellationToken) => Task.Run(() =>
        {
            var path = parsed.GetRequiredValue(spec);
            var definition = SpecFile.Read(path, cancellationToken);
            if (parsed.GetValue(fingerprint) is { } expected) return Compare(path, expected.ToLowerInvariant(), definition, console);
            var file = parsed.GetValue(pinned) ?? SpecLock.FileOf(path);
            return parsed.GetValue(update) ? Update(path, file, parsed.GetValue(force), definition, console, cancellationToken) : Compare(path, file, definition, console, cancellationToken);
        }, CancellationToken.None));
        return command;
    }

    private static int Update(string spec, string file, bool isForced, SoftmaxDefinition definition, ToolConsole console, CancellationToken cancellationToken)
    {
        var output = OutputPath.Check(file, OutputKind.SpecLock, isForced, "--lock");
        output.RefuseInputs(SpecFile.FilesOf(spec, cancellationToken));
        AtomicFile.WriteText(output.Path, writer => writer.Write(SpecLock.Of(definition).ToString()), cancellationToken);
        console.WriteLine($"Pinned {Excerpt.Line(spec)}, fingerprint {definition.Fingerprint}.");
        console.WriteLine($"Wrote {Excerpt.Line(output.Path)}; commit it.");
        return ExitCode.Success;
    }

    private static int Compare(string spec, string file, SoftmaxDefinition definition, ToolConsole console, CancellationToken cancellationToken)
    {
        if (!File.Exists(file)) throw new ToolException($"Nothing is pinned yet: there is no {Excerpt.Line(file)}. Write it with `adaptive-softmax check {ShellText.Argument(spec)} --update`, and commit it.");
        var changes = SpecLock.Read(file, RegularFile.ReadText(file, cancellationToken)).Compare(definition);
        if (changes.Count == 0) return Agrees(spec, definition, console);
        console.WriteLine($"{Excerpt.Line(spec)} is not what {Excerpt.Line(file)} pins:");
        foreach (var change in changes) console.WriteLine($"  {change}");
        console.WriteLine($"Weights that were trained before do not fit it. If the change is meant, migrate them (`adaptive-softmax migrate`), and pin it anew with --update.");
        return ExitCode.Different;
    }

    private static int Compare(string spec, string expected, SoftmaxDefinition definition, ToolConsole console)
    {
        if (definition.Fingerprint == expected) return Agrees(spec, definition, console);
        console.WriteLine($"{Excerpt.Line(spec)} has the fingerprint {definition.Fingerprint}, not {expected}: sizes, cutoffs or vocabulary are others, and weights of that fingerprint do not fit it.");
        return ExitCode.Different;
    }

    private static int Agrees(string spec, SoftmaxDefinition definition, ToolConsole console)
    {
        console.WriteLine($"{Excerpt.Line(spec)} is what was pinned: fingerprint {definition.Fingerprint}.");
        return ExitCode.Success;
    }
}
