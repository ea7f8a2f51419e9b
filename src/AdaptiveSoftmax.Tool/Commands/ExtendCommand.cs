using System.CommandLine;
using AdaptiveSoftmax.Tool.Files;
using AdaptiveSoftmax.Tool.Terminal;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tool.Commands;

/// <summary><c>adaptive-softmax extend</c>: a domain's tokens as one more tail.</summary>
internal static class ExtendCommand
{
    public const string Name = "extend";

    public static IReadOnlyList<Example> Examples { get; } =
    [
        new("Add the words of a domain, and write spec and table of the longer vocabulary", "extend model.safetensors --from news.softmax.json --domain medicine.tokens --width 64 --spec-output medicine.softmax.json --states states.safetensors --output medicine.safetensors"),
    ];

    public static Command Create(ToolConsole console)
    {
        var input = new Argument<string>("FILE") { Description = "The weights or checkpoint." };
        var from = new Option<string>("--from") { Description = "The spec that they were trained with.", HelpName = "SPEC", Required = true };
        var domain = new Option<string>("--domain") { Description = "The domain's token table; tokens that are there already are left out.", HelpName = "TABLE", Required = true };
        var width = new Option<int>("--width") { Description = "The width of the new tail's projection.", HelpName = "N", Required = true };
        var specOutput = new Option<string>("--spec-output") { Description = "The spec to write, *.softmax.json; its token table is written beside it.", HelpName = "SPEC", Required = true };
        var share = new Option<double?>("--share") { Description = "The share of all tokens that is planned for the new ones; by default that of their counts.", HelpName = "X" };
        width.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<int>() < 1) result.AddError("--width must be at least 1.");
        });
        share.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<double?>() is not (null or (> 0 and < 1))) result.AddError("--share must be between 0 and 1.");
        });
        var settings = new MigrationSettings();
        var command = new Command(Name, "Adds a domain's tokens as one more tail. All weights so far keep every bit, and old tokens lose the new ones' mass alone.") { input, from, domain, width, specOutput, share };
        settings.AddTo(command);
        command.SetAction((parsed, cancellationToken) => Task.Run(() =>
        {
            var (file, old, table) = (parsed.GetRequiredValue(input), parsed.GetRequiredValue(from), parsed.GetRequiredValue(domain));
            var spec = OutputPath.Check(parsed.GetRequiredValue(specOutput), OutputKind.Spec, settings.IsForced(parsed), specOutput.Name);
            var tokens = OutputPath.Check(TableOf(spec.Path), OutputKind.TokenTable, settings.IsForced(parsed), specOutput.Name);
            var source = SpecFile.Read(old, cancellationToken);
            var words = InputFile.ReadTable(table, cancellationToken).Table!;
            InputFile.CheckWeights(file);
            return settings.Run(parsed, console, [.. InputFile.FindWeights(file), old, SpecFile.TableOf(old, source), table], [spec, tokens], (options, path) =>
            {
                var target = SoftmaxMigration.Extend(source, words, parsed.GetValue(width), Path.GetFileName(tokens.Path), out var planned);
                var report = SoftmaxMigration.Migrate(file, source, target, path, options with { AddedShare = parsed.GetValue(share) ?? planned, AddedCounts = words }, cancellationToken);

                // Last, and the weights are there by now: a spec without them would be worse than weights without it.
                AtomicFile.WriteText(tokens.Path, writer => TokenTableWriter.Write(writer, target.Table, cancellationToken), cancellationToken);
                AtomicFile.WriteText(spec.Path, writer => SpecWriter.Write(writer, target.Spec), cancellationToken);
                return report;
            });
        }, CancellationToken.None));
        return command;
    }

    private static string TableOf(string spec)
    {
        const string Suffix = ".softmax.json";
        return $"{(spec.EndsWith(Suffix, StringComparison.OrdinalIgnoreCase) ? spec[..^Suffix.Length] : spec)}.tokens";
    }
}
