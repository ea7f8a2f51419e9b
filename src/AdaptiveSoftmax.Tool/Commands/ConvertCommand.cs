using System.CommandLine;
using System.Globalization;
using AdaptiveSoftmax.Tool.Files;
using AdaptiveSoftmax.Tool.Terminal;
using AdaptiveSoftmax.Tool.Weights;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tool.Commands;

/// <summary><c>adaptive-softmax convert</c>: weights of other libraries, formats and names to this project's.</summary>
internal static class ConvertCommand
{
    public const string Name = "convert";

    private const string SafetensorsFormat = "safetensors";
    private const string PyTorchFormat = "pytorch";

    private static readonly OutputKind s_safetensors = new("weights of an adaptive softmax alone", [".safetensors"], "most libraries tell safetensors by that ending", SoftmaxSources.IsSoftmaxAlone);
    private static readonly OutputKind s_pytorch = new("weights of an adaptive softmax alone", [".pt", ".pth", ".bin", ".ckpt"], "most libraries tell torch.save's files by those endings", SoftmaxSources.IsSoftmaxAlone);

    public static IReadOnlyList<Example> Examples { get; } =
    [
        new("Mark weights that PyTorch trained with a spec's fingerprint", "convert model.pt --spec news.softmax.json --output news.safetensors"),
        new("Take the softmax out of a fairseq model", "convert model.pt --prefix decoder.adaptive_softmax. --spec news.softmax.json --output news.safetensors"),
        new("Import Transformer-XL's, of the original in PyTorch", "convert model.pt --from transformer-xl --tail-bias drop --output news.safetensors"),
        new("Write a state dict for torch.load, with a parent module's name", "convert news.safetensors --format pytorch --output-prefix decoder.softmax. --output news.pt"),
    ];

    public static Command Create(ToolConsole console)
    {
        var input = new Argument<string>("FILE") { Description = "The weights: safetensors, what torch.save wrote, of which nothing is run, the index of a model in several files, or its folder." };
        var output = new Option<string>("--output", "-o") { Description = "The file to write. It holds the adaptive softmax alone, without the rest of a model.", HelpName = "FILE", Required = true };
        var spec = new Option<string?>("--spec") { Description = "The spec whose fingerprint the weights are marked with, on your word that their classes are its vocabulary's slots in order. Its sizes must be theirs.", HelpName = "FILE" };
        var from = new Option<string?>("--from") { Description = "The library whose layout the weights have. By default the names of the tensors tell; those of Transformer-XL do not tell the order of its rows.", HelpName = "LAYOUT" };
        from.AcceptOneOf(SoftmaxSources.Names);
        var prefix = new Option<string?>("--prefix") { Description = "What stands before the softmax's names in FILE, for example decoder.softmax. By default it is found.", HelpName = "PREFIX" };
        var outputPrefix = new Option<string>("--output-prefix") { Description = "What to put before each name.", HelpName = "PREFIX", DefaultValueFactory = _ => "" };
        var format = new Option<string>("--format", "-f") { Description = "The format to write: safetensors, or a state dict for torch.load.", DefaultValueFactory = _ => SafetensorsFormat };
        format.AcceptOneOf(SafetensorsFormat, PyTorchFormat);
        var cutoffs = new Option<string?>("--cutoffs") { Description = "The first class of each tail cluster, where neither tensors nor spec tell: Transformer-XL with a div value of 1.", HelpName = "N,N" };
        var tailBias = new Option<string>("--tail-bias") { Description = "What to do with biases of tokens in tail clusters, which a layer lacks: refuse them, drop them and say what that changes, or keep them exactly as one more input, which the model's body sets to 1.", DefaultValueFactory = _ => "refuse" };
        tailBias.AcceptOneOf("refuse", "drop", "input");
        var force = OutputPath.CreateForceOption();

        var command = new Command(Name, "Converts the weights of an adaptive softmax: from other libraries' layouts, between formats and names, and marks them with a spec's fingerprint.")
        {
            input, output, spec, from, prefix, outputPrefix, format, cutoffs, tailBias, force,
        };
        command.SetAction((parsed, cancellationToken) => Task.Run(() =>
        {
            var request = new ConvertRequest(
                parsed.GetRequiredValue(input),
                OutputPath.Check(parsed.GetRequiredValue(output), parsed.GetRequiredValue(format) == PyTorchFormat ? s_pytorch : s_safetensors, parsed.GetValue(force)),
                parsed.GetValue(spec),
                parsed.GetValue(from),
                parsed.GetValue(prefix),
                parsed.GetRequiredValue(outputPrefix),
                parsed.GetRequiredValue(format) == PyTorchFormat ? WeightsFormat.PyTorch : WeightsFormat.Safetensors,
                ParseCutoffs(parsed.GetValue(cutoffs)),
                Enum.Parse<TailBias>(parsed.GetRequiredValue(tailBias), ignoreCase: true));
            Run(request, console, cancellationToken);
            return ExitCode.Success;
        }, CancellationToken.None));
        return command;
    }

    private static void Run(ConvertRequest request, ToolConsole console, CancellationToken cancellationToken)
    {
        request.Output.RefuseInputs(request.Input);
        var definition = request.Spec is null ? null : SpecFile.Read(request.Spec, cancellationToken);
        if (definition is not null) request.Output.RefuseInputs(request.Spec, SpecFile.TableOf(request.Spec!, definition));
        InputFile.CheckWeights(request.Input);
        request.Output.RefuseInputs(InputFile.FindWeights(request.Input));
        using var file = WeightsFile.Open(request.Input);
        var source = SoftmaxSources.Choose(file, request.From, request.Prefix);
        var options = new ConvertOptions(request.Cutoffs ?? InspectCommand.Cutoffs(definition), definition?.Layout.HasHeadBias, request.TailBias);
        var layout = source.Check(options);
        if (request.Cutoffs is { } given && !given.SequenceEqual(layout.Tails.Select(tail => tail.Start)))
            throw new ToolException($"--cutoffs is {string.Join(",", given)}, and the tensors of {Excerpt.Line(request.Input)} have {string.Join(",", layout.Tails.Select(tail => tail.Start))}; leave --cutoffs out.");
        var identity = Identify(file, source, layout, definition, request);
        cancellationToken.ThrowIfCancellationRequested();

        using var converted = new ConvertedSoftmax(layout);
        converted.CheckPrefix(request.OutputPrefix);
        var notes = source.Fill(converted, options);
        cancellationToken.ThrowIfCancellationRequested();
        converted.Save(request.Output.Path, request.OutputPrefix, request.Format, identity, cancellationToken);

        console.WriteLine($"Read {source.Description} at '{Excerpt.Name(source.Tensors.Prefix)}': {FileIdentity.Describe(layout)}.");
        foreach (var note in notes) console.WriteLine(note);
        console.WriteLine(identity is null
            ? $"Wrote {Excerpt.Line(request.Output.Path)} without a fingerprint; load it with acceptUnmarked: true, or mark it with --spec."
            : $"Wrote {Excerpt.Line(request.Output.Path)} with the fingerprint {Excerpt.Name(identity.Fingerprint)}.");
        request.Output.Remark(console);
    }

    /// <summary>The identity to mark with: the spec's, or the one that the file has already.</summary>
    private static SoftmaxIdentity? Identify(WeightsFile file, SoftmaxSource source, SoftmaxLayout layout, SoftmaxDefinition? definition, ConvertRequest request)
    {
        var mark = source is PyTorchSource ? FileIdentity.Find(file) : null;
        if (definition is null) return mark is null ? null : new SoftmaxIdentity(layout, mark.Fingerprint, mark.VocabularyFingerprint);
        var differences = FileIdentity.Compare(mark, layout, definition);
        if (differences.Count > 0)
            throw new ToolException($"{Excerpt.Line(request.Input)} does not fit {Excerpt.Line(request.Spec)}: {string.Join("; ", differences)}. Give the spec that the weights were trained with, or one with \"cutoffs\" and \"projections\" of their sizes.");
        return SpecFile.Identify(definition);
    }

    private static int[]? ParseCutoffs(string? text)
    {
        if (text is null) return null;
        const string Remedy = "give numbers with commas between them, such as 20000,40000.";
        if (string.IsNullOrWhiteSpace(text)) throw new ToolException($"--cutoffs is empty; {Remedy}");
        return [.. text.Split(',').Select(part => int.TryParse(part, NumberStyles.Integer, CultureInfo.InvariantCulture, out var cutoff) ? cutoff : throw new ToolException($"--cutoffs is {Excerpt.Line(text)}; {Remedy}"))];
    }

    private sealed record ConvertRequest(
        string Input, OutputPath Output, string? Spec, string? From, string? Prefix, string OutputPrefix, WeightsFormat Format, IReadOnlyList<int>? Cutoffs, TailBias TailBias);
}
