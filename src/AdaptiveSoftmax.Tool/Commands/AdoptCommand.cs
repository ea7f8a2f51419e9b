using System.CommandLine;
using AdaptiveSoftmax.Tool.Files;
using AdaptiveSoftmax.Tool.Terminal;

namespace AdaptiveSoftmax.Tool.Commands;

/// <summary><c>adaptive-softmax adopt</c>: a dense output layer becomes an adaptive softmax.</summary>
internal static class AdoptCommand
{
    public const string Name = "adopt";

    public static IReadOnlyList<Example> Examples { get; } =
    [
        new("Make the output layer of a Hugging Face model adaptive, and let it learn the old log-probs", "adopt model/ --to news.softmax.json --states states.safetensors --polish 2000 --polish-all --prefix softmax. --output adaptive.safetensors"),
    ];

    public static Command Create(ToolConsole console)
    {
        var input = new Argument<string>("MODEL") { Description = "The model: a file, the index of a model in several files, or its folder." };
        var to = new Option<string>("--to") { Description = "The spec, whose token ids are the rows of the output layer.", HelpName = "SPEC", Required = true };
        var head = new Option<string?>("--head") { Description = "The name of the output layer's weight. By default common ones are looked for, and an embedding that it is tied to where there is none.", HelpName = "TENSOR" };
        var settings = new MigrationSettings();
        var command = new Command(Name, "Makes the dense output layer of a model an adaptive softmax, with the rest of the model as it is. This changes the model: train or polish it further.") { input, to, head };
        settings.AddTo(command);
        command.SetAction((parsed, cancellationToken) => Task.Run(() =>
        {
            var (model, spec) = (parsed.GetRequiredValue(input), parsed.GetRequiredValue(to));
            var target = SpecFile.Read(spec, cancellationToken);
            InputFile.CheckWeights(model);
            return settings.Run(parsed, console, [.. InputFile.FindWeights(model), spec, SpecFile.TableOf(spec, target)], [], (options, path) => SoftmaxMigration.Adopt(model, target, path, parsed.GetValue(head), options, cancellationToken));
        }, CancellationToken.None));
        return command;
    }
}
