using System.CommandLine;
using AdaptiveSoftmax.Tool.Files;
using AdaptiveSoftmax.Tool.Terminal;

namespace AdaptiveSoftmax.Tool.Commands;

/// <summary><c>adaptive-softmax migrate</c>: weights to another vocabulary, order or cutoffs.</summary>
internal static class MigrateCommand
{
    public const string Name = "migrate";

    public static IReadOnlyList<Example> Examples { get; } =
    [
        new("Carry a model to a spec that was planned anew", "migrate model.safetensors --from old.softmax.json --to new.softmax.json --states states.safetensors --output new.safetensors"),
        new("Let what moved learn the old log-probs, and look at perplexities before and after", "migrate model.safetensors --from old.softmax.json --to new.softmax.json --states states.safetensors --polish 500 --output new.safetensors --report migration.html"),
    ];

    public static Command Create(ToolConsole console)
    {
        var input = new Argument<string>("FILE") { Description = "The weights or checkpoint: safetensors, what torch.save wrote, or the index of a model in several files." };
        var from = new Option<string>("--from") { Description = "The spec that they were trained with.", HelpName = "SPEC", Required = true };
        var to = new Option<string>("--to") { Description = "The spec that they are for from now on; tokens are the same where their bytes are.", HelpName = "SPEC", Required = true };
        var settings = new MigrationSettings();
        var command = new Command(Name, "Carries trained weights to another vocabulary, order of tokens, cutoffs or widths. What keeps its place keeps every bit; optimizer state and the rest of a checkpoint go along.") { input, from, to };
        settings.AddTo(command);
        command.SetAction((parsed, cancellationToken) => Task.Run(() =>
        {
            var (file, old, fresh) = (parsed.GetRequiredValue(input), parsed.GetRequiredValue(from), parsed.GetRequiredValue(to));
            var (source, target) = (SpecFile.Read(old, cancellationToken), SpecFile.Read(fresh, cancellationToken));
            InputFile.CheckWeights(file);
            return settings.Run(parsed, console, [.. InputFile.FindWeights(file), old, SpecFile.TableOf(old, source), fresh, SpecFile.TableOf(fresh, target)], [], (options, path) => SoftmaxMigration.Migrate(file, source, target, path, options, cancellationToken));
        }, CancellationToken.None));
        return command;
    }
}
