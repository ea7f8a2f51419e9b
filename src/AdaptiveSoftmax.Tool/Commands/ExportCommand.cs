using System.CommandLine;
using AdaptiveSoftmax.Tool.Files;
using AdaptiveSoftmax.Tool.Terminal;
using AdaptiveSoftmax.Tool.Weights;
using AdaptiveSoftmax.Vocabulary;

namespace AdaptiveSoftmax.Tool.Commands;

/// <summary><c>adaptive-softmax export</c>: a softmax as a model of another runtime.</summary>
internal static class ExportCommand
{
    public const string Name = "export";

    private const string Greedy = "greedy";
    private const string LogProbs = "log-probs";

    private static readonly OutputKind s_onnx = new("an ONNX model", [".onnx"], "most runtimes tell ONNX models by that ending", OnnxFile.IsOwn);

    public static IReadOnlyList<Example> Examples { get; } =
    [
        new("Predict the most probable token in ONNX Runtime", "export model.safetensors --spec news.softmax.json --onnx greedy --output news.onnx"),
        new("All log-probs, with the weights in a file beside the model", "export model.safetensors --spec news.softmax.json --onnx log-probs --external-data --output news.onnx"),
    ];

    public static Command Create(ToolConsole console)
    {
        var input = new Argument<string>("FILE") { Description = "The weights: of an adaptive softmax, or a model with a dense output layer for a spec with \"softmax\": \"full\"." };
        var spec = new Option<string>("--spec") { Description = "The spec that they were trained with, or whose token ids are the rows of the output layer.", HelpName = "SPEC", Required = true };
        var onnx = new Option<string>("--onnx") { Description = "What the ONNX model computes of hidden vectors: the most probable token and its log-prob, or all log-probs in slot order.", Required = true };
        onnx.AcceptOneOf(Greedy, LogProbs);
        var output = new Option<string>("--output", "-o") { Description = "The model to write.", HelpName = "FILE.onnx", Required = true };
        var prefix = new Option<string?>("--prefix") { Description = "What stands before the softmax's names in FILE. By default it is found.", HelpName = "PREFIX" };
        var head = new Option<string?>("--head") { Description = "The name of a dense output layer's weight. By default common ones are looked for.", HelpName = "TENSOR" };
        var external = new Option<bool>("--external-data") { Description = "Write the weights to a file beside the model, as is done in any case where a model would have more than 2 GB." };
        var json = new Option<bool>("--json") { Description = "Write the result as JSON." };
        var force = OutputPath.CreateForceOption();
        var command = new Command(Name, "Writes a softmax as an ONNX model, which any ONNX runtime computes from hidden vectors. Tails that cannot win are not computed.") { input, spec, onnx, output, prefix, head, external, json, force };
        command.SetAction((parsed, cancellationToken) => Task.Run(() =>
        {
            var (file, specFile) = (parsed.GetRequiredValue(input), parsed.GetRequiredValue(spec));
            var path = OutputPath.Check(parsed.GetRequiredValue(output), s_onnx, parsed.GetValue(force));
            var definition = SpecFile.Read(specFile, cancellationToken);
            InputFile.CheckWeights(file);
            path.RefuseInputs([.. InputFile.FindWeights(file), specFile, SpecFile.TableOf(specFile, definition)]);
            using var softmax = Read(file, specFile, definition, parsed.GetValue(head), parsed.GetValue(prefix), console, cancellationToken);
            var kind = parsed.GetRequiredValue(onnx);
            var files = Write(softmax, file, path, kind == Greedy ? OnnxOutput.Greedy : OnnxOutput.LogProbs, parsed.GetValue(external), console, cancellationToken);
            if (parsed.GetValue(json)) WriteJson(console, files, kind, softmax.Layout);
            else WriteText(console, files, kind, softmax.Layout);
            path.Remark(console);
            return ExitCode.Success;
        }, CancellationToken.None));
        return command;
    }

    private static DynamicAdaptiveSoftmax Read(string path, string spec, SoftmaxDefinition definition, string? head, string? prefix, ToolConsole console, CancellationToken cancellationToken)
    {
        using var file = WeightsFile.Open(path);
        if (head is null && QuantizedReport.Find(file) is not null)
            throw new ToolException($"{Excerpt.Line(path)} holds small weights, which ONNX's operators do not compute with as they are; export the float32 weights that they were made of.");
        if (head is null && SoftmaxSources.FindAll(file).Count > 0) return EvaluatedWeights.ReadAdaptive(file, path, spec, definition, prefix, AdaptiveSoftmaxOptions.Default, console);
        if (definition.Layout.TailCount > 0)
            throw new ToolException($"{(head is null ? $"{Excerpt.Line(path)} has no adaptive softmax that is known by its names" : "--head names a dense output layer")}, and {Excerpt.Line(spec)} has cutoffs; give a spec with \"softmax\": \"full\" for a dense output layer, or make it adaptive first, with adaptive-softmax adopt.");
        var softmax = new DynamicAdaptiveSoftmax(definition);
        try
        {
            if (prefix is not null) throw new ToolException($"{Excerpt.Line(path)} has no adaptive softmax, whose names --prefix stands before; name a dense output layer's weight with --head.");
            var found = softmax.RestoreHead(path, head, cancellationToken);
            var unused = found.Rows - softmax.Layout.VocabularySize;
            if (unused > 0) console.WriteNote(FormattableString.Invariant($"{unused} rows of '{Excerpt.Name(found.Weight.Name)}' are no token of {Excerpt.Line(spec)}, and are left out."));
            return softmax;
        }
        catch (CheckpointMismatchException exception)
        {
            softmax.Dispose();
            throw new ToolException(exception.Message);
        }
        catch
        {
            softmax.Dispose();
            throw;
        }
    }

    private static IReadOnlyList<string> Write(DynamicAdaptiveSoftmax softmax, string file, OutputPath path, OnnxOutput output, bool isExternal, ToolConsole console, CancellationToken cancellationToken)
    {
        IReadOnlyList<string> files = [];
        try
        {
            WorkBar.Run(console.Error, "weights", softmax.Layout.ParameterBytes, advance => files = softmax.ExportOnnx(path.Path, output, isExternal, bytes => advance(bytes), cancellationToken));
        }
        catch (DecodeException exception)
        {
            throw new ToolException($"{Excerpt.Line(file)}: {exception.Message}");
        }

        return files;
    }

    private static void WriteText(ToolConsole console, IReadOnlyList<string> files, string kind, SoftmaxLayout layout)
    {
        console.WriteLine($"Wrote {Excerpt.Line(files[0])}: {kind} of {FileIdentity.Describe(layout)}.");
        if (files.Count > 1) console.WriteLine($"Its weights are in {Excerpt.Line(files[1])}, which must stay in the same folder.");
    }

    private static void WriteJson(ToolConsole console, IReadOnlyList<string> files, string kind, SoftmaxLayout layout) => ToolJson.Write(console.Output.Profile.Out.Writer, new
    {
        Model = files[0],
        Data = files.Count > 1 ? files[1] : null,
        Output = kind,
        layout.HiddenSize,
        layout.VocabularySize,
        Tails = layout.TailCount,
    });
}
